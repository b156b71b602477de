"""TFLite metadata: labels and normalisation inside the file, where MediaPipe looks for them.

A `.tflite` file carries them in two places. A FlatBuffer with the identifier `M001` lies in
the model's metadata entry `TFLITE_METADATA` and says what the input and output are. The
labels themselves are a zip archive that is appended to the file.

MediaPipe's own writers need packages that are no longer maintained.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import flatbuffers
import numpy as np

from kerasrecipes.bundles.contract import check_class_names, label_line
from kerasrecipes.errors import DataError, IntegrityError, printable
from kerasrecipes.export.tflite.graph import check_header
from kerasrecipes.export.tflite.metadata_table import build_table, parse_table

LABELS_FILE = "labels.txt"
# Not part of the standard: names exactly as they were in training, the decoding policy, and
# a digest of the model, so that a file that left its bundle is still checked.
CONTRACT_FILE = "kerasrecipes.json"
_ENTRY = "TFLITE_METADATA"
_MAX_FILE_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class TFLiteMetadata:
    """What a `.tflite` file says about itself.

    Args:
        class_names: The labels, in the order of the scores.
        description: One line about the model.
        mean: Subtracted from the input by the caller; 0 because the graph does it.
        std: Divides the input in the caller; 1 because the graph does it.
        policy: How photos are decoded, or empty when another tool wrote the file.
    """

    class_names: tuple[str, ...]
    description: str = ""
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    policy: Mapping[str, object] = field(default_factory=dict)


def add_metadata(
    content: bytes,
    *,
    class_names: Sequence[str],
    description: str = "",
    policy: Mapping[str, object] | None = None,
) -> bytes:
    """Return the `.tflite` bytes with labels and a description of input and output inside.

    Args:
        content: A converted model.
        class_names: The labels, in the order of the scores. Line breaks are written as `\\n`
            for other readers and come back unchanged in this package.
        description: One line about the model.
        policy: How photos are decoded, as a dict that fits in JSON.

    Returns:
        The bytes of a complete file.

    Raises:
        DataError: If the class names cannot be told apart.
    """
    check_class_names(class_names)
    check_header(content, "the converted model")
    packed = _with_entry(content, build_table(description, LABELS_FILE, CONTRACT_FILE))
    contract = {"class_names": list(class_names), "policy": dict(policy or {})}
    contract["sha256"] = hashlib.sha256(packed).hexdigest()
    archive = io.BytesIO(packed)
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_STORED) as files:
        # A fixed date, so that the same model gives the same bytes.
        files.writestr(zipfile.ZipInfo(LABELS_FILE), labels_text(class_names).encode())
        files.writestr(zipfile.ZipInfo(CONTRACT_FILE), json.dumps(contract).encode())
    return archive.getvalue()


def read_metadata(path: str | Path) -> TFLiteMetadata:
    """Read what a `.tflite` file says about itself, without tensorflow.

    Args:
        path: The file; those of other tools work too when they carry labels.

    Returns:
        Labels, description, normalisation, decoding policy.

    Raises:
        DataError: If the file carries no labels or cannot be read.
        IntegrityError: If the model was damaged since this package wrote it.
    """
    content = Path(path).read_bytes()
    check_header(content, path)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as files:
            contract = _contract(files)
            _check_damage(content, files, contract, path)
            labels = [name for name in files.namelist() if name.endswith(".txt")]
            text = _read(files, labels[0]).decode() if labels else ""
        description, mean, std = parse_table(_entry(content))
    except IntegrityError:
        raise
    except Exception as error:  # the file is foreign data; its readers raise anything
        raise DataError(
            f"'{printable(path)}' carries no readable labels ({printable(error)}). Export the "
            "model with kerasrecipes, or use its bundle."
        ) from error
    class_names = tuple(contract.get("class_names") or text.splitlines())
    if not class_names:
        raise DataError(
            f"'{printable(path)}' carries an empty list of labels. Export the model with "
            "kerasrecipes, or use its bundle."
        )
    return TFLiteMetadata(class_names, description, mean, std, contract.get("policy") or {})


def _contract(files: zipfile.ZipFile) -> dict[str, object]:
    """Read what this package added to the file; empty when another tool wrote it."""
    if CONTRACT_FILE not in files.namelist():
        return {}
    contract = json.loads(_read(files, CONTRACT_FILE))
    names, policy = contract.get("class_names", []), contract.get("policy", {})
    if not isinstance(policy, dict) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{CONTRACT_FILE} has values of the wrong type")
    return contract


def _check_damage(
    content: bytes, files: zipfile.ZipFile, contract: dict[str, object], path: str | Path
) -> None:
    """Compare the model, which lies before the appended files, with its recorded digest."""
    model = content[: min(info.header_offset for info in files.infolist())]
    if "sha256" in contract and hashlib.sha256(model).hexdigest() != contract["sha256"]:
        raise IntegrityError(
            f"'{printable(path)}' was damaged since it was written: its model does not match the "
            "digest inside the file. Copy it again, or export the model again."
        )


def labels_text(class_names: Sequence[str]) -> str:
    """Write class names one on a line, as other readers of labels want them."""
    return "".join(label_line(name) + "\n" for name in class_names)


def _read(files: zipfile.ZipFile, name: str) -> bytes:
    size = files.getinfo(name).file_size
    if size > _MAX_FILE_BYTES:
        raise ValueError(f"{name!r} has {size} bytes, more than {_MAX_FILE_BYTES}")
    return files.read(name)


class _AlignedBuilder(flatbuffers.Builder):
    """Keeps weights at multiples of 16 bytes, as the TFLite schema demands of buffers."""

    def CreateNumpyVector(self, x: np.ndarray) -> int:
        self.Prep(16, x.nbytes)
        return super().CreateNumpyVector(x)


def _with_entry(content: bytes, metadata: bytes) -> bytes:
    """Put `metadata` into the model's list of named buffers."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content)
    model.metadata = [entry for entry in model.metadata or [] if entry.name != _ENTRY.encode()]
    model.buffers.append(schema.BufferT(data=np.frombuffer(metadata, np.uint8)))
    model.metadata.append(schema.MetadataT(name=_ENTRY, buffer=len(model.buffers) - 1))
    builder = _AlignedBuilder(len(content) + len(metadata) + 1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _entry(content: bytes) -> bytes:
    """Return the metadata buffer of a model."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content, 0)
    for entry in (model.Metadata(i) for i in range(model.MetadataLength())):
        if entry.Name() == _ENTRY.encode():
            return model.Buffers(entry.Buffer()).DataAsNumpy().tobytes()
    raise ValueError(f"no {_ENTRY} entry")
