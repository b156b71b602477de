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
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import flatbuffers
import numpy as np

from kerasrecipes.bundles.labels import check_class_names, labels_text
from kerasrecipes.errors import DataError, IntegrityError, printable
from kerasrecipes.export.checks import read_file
from kerasrecipes.export.tflite.graph import check_header
from kerasrecipes.export.tflite.metadata_table import (
    VOCABULARY_FILE,
    build_table,
    labels_file,
    parse_table,
)

if TYPE_CHECKING:
    from kerasrecipes.bundles.contract import Contract

# Not part of the standard: the contract, with names exactly as they were in training, and a
# digest of the model, so that a file that left its bundle is still checked.
CONTRACT_FILE = "kerasrecipes.json"
_ENTRY = "TFLITE_METADATA"
_MAX_FILE_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class TFLiteMetadata:
    """What a `.tflite` file says about itself.

    Args:
        contract: What it takes and answers. Of a file that another tool wrote, the labels and
            the description alone are known.
        mean: Subtracted from the input by the caller; 0 because the graph does it.
        std: Divides the input in the caller; 1 because the graph does it.
    """

    contract: "Contract"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


def add_metadata(content: bytes, contract: "Contract") -> bytes:
    """Return the `.tflite` bytes with labels and a description of input and output inside.

    Args:
        content: A converted model.
        contract: What it takes and answers. Line breaks in the names of classes are written as
            `\\n` for other readers, and come back unchanged in this package.

    Returns:
        The bytes of a complete file.

    Raises:
        DataError: If the class names cannot be told apart.
    """
    for output in contract.outputs:
        check_class_names(output.class_names)
    check_header(content, "the converted model")
    # Whoever loads a file needs none of this.
    from kerasrecipes.data.modality import get_modality

    words = get_modality(contract.modality).vocabulary(contract.input)
    packed = _with_entry(content, build_table(contract, CONTRACT_FILE, _inputs(content), words))
    told = {**contract.to_dict(), "sha256": hashlib.sha256(packed).hexdigest()}
    archive = io.BytesIO(packed)
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_STORED) as files:
        # A fixed date, so that the same model gives the same bytes.
        for output in contract.outputs:
            if output.class_names:
                name = labels_file(contract, output)
                files.writestr(zipfile.ZipInfo(name), labels_text(output.class_names).encode())
        if words:
            files.writestr(zipfile.ZipInfo(VOCABULARY_FILE), "\n".join(words).encode())
        files.writestr(zipfile.ZipInfo(CONTRACT_FILE), json.dumps(told).encode())
    return archive.getvalue()


def read_contract(path: str | Path) -> "Contract":
    """Read what a `.tflite` file takes and answers, without tensorflow; see `read_metadata`.

    Args:
        path: The file.

    Raises:
        DataError: If the file carries no labels or cannot be read.
        IntegrityError: If the model was damaged since this package wrote it.
    """
    return read_metadata(path).contract


def read_metadata(path: str | Path) -> TFLiteMetadata:
    """Read what a `.tflite` file says about itself, without tensorflow.

    Args:
        path: The file; those of other tools work too when they carry labels.

    Returns:
        What it takes and answers, and the normalisation.

    Raises:
        DataError: If the file carries no labels or cannot be read.
        IntegrityError: If the model was damaged since this package wrote it.
    """
    from kerasrecipes.bundles.contract import Contract

    content = read_file(path)
    check_header(content, path)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as files:
            told = _told(files)
            _check_damage(content, files, told.pop("sha256", None), path)
        description, mean, std = parse_table(_entry(content))
        if told.get("class_names") != []:
            contract = Contract.from_dict({"description": description, **told})
            return TFLiteMetadata(contract, mean, std)
    except IntegrityError:
        raise
    except Exception as error:  # the file is foreign data; its readers raise anything
        raise DataError(
            f"'{printable(path)}' carries no readable labels ({printable(error)}). Export the "
            "model with kerasrecipes, or use its bundle."
        ) from error
    raise DataError(
        f"'{printable(path)}' carries an empty list of labels. Export the model with "
        "kerasrecipes, or use its bundle."
    )


def _told(files: zipfile.ZipFile) -> dict[str, object]:
    """Read what this package added to the file, or the labels that another tool did."""
    # Here, since what only runs a file needs none of what judges records.
    from kerasrecipes.records import parse_json

    if CONTRACT_FILE in files.namelist():
        found = parse_json(_read(files, CONTRACT_FILE))
        if not isinstance(found, dict):
            raise ValueError(f"{CONTRACT_FILE} has values of the wrong type")
        return found
    texts = [name for name in files.namelist() if name.endswith(".txt")]
    labels = [name for name in texts if name != VOCABULARY_FILE]
    return {"class_names": _read(files, labels[0]).decode().splitlines() if labels else []}


def _check_damage(content: bytes, files: zipfile.ZipFile, sha256: object, path: str | Path) -> None:
    """Compare the model, which lies before the appended files, with its recorded digest."""
    model = content[: min(info.header_offset for info in files.infolist())]
    if sha256 is not None and hashlib.sha256(model).hexdigest() != sha256:
        raise IntegrityError(
            f"'{printable(path)}' was damaged since it was written: its model does not match the "
            "digest inside the file. Copy it again, or export the model again."
        )


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


def _inputs(content: bytes) -> list[str]:
    """Return the names of a model's inputs, in the order in which the file has them."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content)
    named = {
        one.tensorIndex: one.name.decode()
        for signature in model.signatureDefs or ()
        for one in signature.inputs
    }
    return [named.get(place, "") for place in model.subgraphs[0].inputs]


def _entry(content: bytes) -> bytes:
    """Return the metadata buffer of a model."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content, 0)
    for entry in (model.Metadata(i) for i in range(model.MetadataLength())):
        if entry.Name() == _ENTRY.encode():
            return model.Buffers(entry.Buffer()).DataAsNumpy().tobytes()
    raise ValueError(f"no {_ENTRY} entry")
