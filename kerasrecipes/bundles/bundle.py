"""The folder that holds a finished model: written at once, never overwritten, checked on loading.

saved_models/tiles/1/
    bundle.json        what it is, and the SHA-256 of every file below
    bundle.sha256      the SHA-256 of bundle.json itself, as `sha256sum --check` reads it
    model.keras        the trained model
    data.jsonl         SHA-256, split, and label if known, of every photo that it saw
    golden/            some held-out photos, byte for byte, and the answers they must get
    calibration.npz    some training photos at model size, for int8 export
    report.json, report.html, plots/
    exports/<format>-<quantization>/   added later, each with a digest of its own
"""

import errno
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from pydantic import ValidationError

from kerasrecipes.bundles.contract import Contract
from kerasrecipes.bundles.export_record import ExportRecord, read_exports
from kerasrecipes.bundles.manifest import MANIFEST, Manifest, new_manifest, parse_manifest
from kerasrecipes.bundles.model_file import load_model
from kerasrecipes.data.examples import Examples
from kerasrecipes.data.modality import Modality, get_modality
from kerasrecipes.data.specs import InputSpec, OutputSpec
from kerasrecipes.errors import DataError, IntegrityError, did_you_mean, listed, printable
from kerasrecipes.files import TemporaryFolder, digest, sync_folder, told_plainly
from kerasrecipes.report.run_report import RunReport

if TYPE_CHECKING:
    import keras

SEAL = "bundle.sha256"
EXPORTS = "exports"
# What file managers leave behind in folders that were merely looked at.
LITTER = {".DS_Store", "Thumbs.db", "desktop.ini"}


@dataclass(frozen=True)
class Golden:
    """Examples with the answer that every form of the model must give.

    Args:
        files: The examples' files, byte for byte.
        names: What they were called.
        targets: What they should be answered with; see `Task.targets`.
        answers: What the Keras model answers, float32, shape `(n, width)`.
    """

    files: list[bytes]
    names: list[str]
    targets: np.ndarray
    answers: np.ndarray


@dataclass(frozen=True)
class BundleFolder:
    """One version of a saved model.

    Args:
        folder: The version's folder, e.g. `saved_models/tiles/1`.
        manifest: What `bundle.json` says.
    """

    folder: Path
    manifest: Manifest

    @classmethod
    def load(cls, folder: "BundleFolder | str | Path") -> Self:
        """Open a bundle and check every file against its digest.

        Args:
            folder: A model folder (its latest version is taken) or one version of it, or a
                bundle, to be checked again.

        Raises:
            DataError: If there is no bundle, or it was written by a newer version.
            IntegrityError: If a file was changed, added or removed; the message names it.
        """
        folder = (
            folder.folder if isinstance(folder, BundleFolder) else _version_folder(Path(folder))
        )
        bundle = cls(folder, _read_manifest(folder))
        bundle.check()
        return bundle

    def check(self) -> None:
        """Compare every file with its digest in the manifest.

        Raises:
            IntegrityError: If a file was changed, added or removed; the message names it.
        """
        found = dict(_files(self.folder))
        if MANIFEST in found:
            _check_seal(self.folder, found[MANIFEST].read_bytes())
        stated = {**self.manifest.sha256, MANIFEST: None, SEAL: None}
        problems = {
            "changed": [
                name
                for name, sha256 in stated.items()
                if name in found and sha256 is not None and _digest_if_file(found[name]) != sha256
            ],
            "missing": [n for n in stated if n not in found],
            "added": [n for n in found if n not in stated],
        }
        if any(problems.values()):
            told = "; ".join(
                f"{what}: {listed(names)}" for what, names in problems.items() if names
            )
            raise IntegrityError(
                f"The bundle '{self.folder}' is not as it was written. {told}. "
                "Restore it from a copy, or train again."
            )

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes, in the order of the scores."""
        return self.output.class_names

    @property
    def input(self) -> InputSpec:
        """What the model takes."""
        return self.manifest.input

    @property
    def output(self) -> OutputSpec:
        """What the model answers with, first of all."""
        return self.manifest.outputs[0]

    @property
    def modality(self) -> Modality:
        """The kind of data."""
        return get_modality(self.manifest.modality)

    def contract(self, description: str = "") -> Contract:
        """Return what a file of the model says of itself.

        Args:
            description: One line about the file.
        """
        told = self.manifest
        return Contract(
            modality=told.modality,
            input=told.input,
            outputs=told.outputs,
            description=description,
        )

    def decode(self, source: bytes | str | Path, name: str | None = None) -> np.ndarray:
        """Turn one example into what the model takes, as in its training.

        Args:
            source: A file, or its bytes.
            name: What to call bytes in messages.

        Raises:
            DataError: If it cannot be read.
        """
        return self.modality.decode(source, self.input, name)

    def scan(self, source: Examples | str | Path) -> Examples:
        """Return examples for this model, to be prepared as in its training.

        Args:
            source: A scanned set, or a folder or table; see e.g. `scan_photos`.

        Raises:
            DataError: If they cannot be scanned.
        """
        if isinstance(source, Examples):
            return self.modality.prepared(source, self.input)
        return self.modality.scan(source, self.input)

    def golden(self) -> Golden:
        """Return the golden vectors."""
        folder = self.folder / "golden"
        with np.load(folder / "golden.npz", allow_pickle=False) as arrays:
            # Bundles of the format 1 had scores and labels alone, and called them so.
            targets = "targets" if "targets" in arrays else "labels"
            answers = "answers" if "answers" in arrays else "scores"
            return Golden(
                files=[(folder / str(name)).read_bytes() for name in arrays["files"]],
                names=json.loads(str(arrays["names"])),
                targets=arrays[targets],
                answers=arrays[answers],
            )

    def calibration(self) -> np.ndarray:
        """Return training photos at model size; uint8, shape `(n, height, width, 3)`."""
        with np.load(self.folder / "calibration.npz", allow_pickle=False) as arrays:
            return arrays["photos"]

    def seen(self) -> dict[str, str]:
        """Return the split of every photo that the model met, by the SHA-256 of its file."""
        with (self.folder / "data.jsonl").open(encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        return {row["sha256"]: row["split"] for row in rows}

    def report(self) -> RunReport:
        """Return the `RunReport` of the fit."""
        return RunReport.from_json((self.folder / "report.json").read_text(encoding="utf-8"))

    def load_model(self) -> "keras.Model":
        """Load the Keras model. No code in the file is run.

        Returns:
            A `keras.Model` from float32 photos `(n, height, width, 3)`, 0…255, to scores.
        """
        return load_model(self.folder / "model.keras")

    def exports(self) -> dict[str, ExportRecord]:
        """Return the exports of this bundle by name, e.g. `"tflite-int8"`."""
        return read_exports(self)

    @classmethod
    def write(cls, name_folder: Path, fill: Callable[[Path], dict]) -> Self:
        """Write a new version: into a temporary folder first, then renamed into place.

        Args:
            name_folder: The model's folder; made if it does not exist.
            fill: Writes the files into the folder that it is given and returns the fields
                of the manifest, without `sha256`.

        Raises:
            DataError: If the folder is a version itself, or holds something else.
            OSError: If something cannot be written; nothing is left behind.
        """
        check_model_folder(name_folder)
        with told_plainly(name_folder):
            name_folder.mkdir(parents=True, exist_ok=True)
            with TemporaryFolder(name_folder) as folder:
                fields = fill(folder)
                hashes = {name: digest(path) for name, path in _files(folder)}
                manifest = new_manifest(sha256=hashes, **fields)
                content = (manifest.model_dump_json(indent=2) + "\n").encode()
                (folder / MANIFEST).write_bytes(content)
                (folder / SEAL).write_bytes(_seal(content))
                sync_folder(folder)
                target = _rename_to_next_version(folder, name_folder)
        return cls(target, manifest)


def check_model_folder(folder: Path) -> None:
    """Make sure that versions of a model can be written into a folder, before the work.

    Args:
        folder: The model's folder; it need not exist.

    Raises:
        DataError: If it is a version itself, or holds folders that are no versions.
        OSError: If nothing can be written there.
    """
    if (folder / MANIFEST).is_file():
        raise DataError(
            f"'{printable(folder)}' is one version of a model. Name the folder above it, "
            f"'{printable(folder.parent)}', and the next free version is written."
        )
    if folder.is_dir():
        strange = [
            path.name
            for path in sorted(folder.iterdir())
            if path.is_dir() and not path.name.startswith(".") and not (path / MANIFEST).is_file()
        ]
        if strange:
            raise DataError(
                f"'{printable(folder)}' holds folders that are no versions of a model: "
                f"{listed(strange)}. Name a folder for this model alone, e.g. "
                f"'{printable(folder / 'my_model')}'."
            )
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    with told_plainly(folder):
        if not existing.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "There is a file of that name", str(existing))
        with TemporaryFolder(existing):
            pass


def _rename_to_next_version(folder: Path, name_folder: Path) -> Path:
    while True:
        target = name_folder / str(max(_versions(name_folder), default=0) + 1)
        try:
            # Renaming onto an existing folder fails unless it is empty, so nothing is lost
            # when two runs save at the same time.
            folder.rename(target)
            return target
        except OSError:
            if not target.exists():
                raise


def _versions(name_folder: Path) -> list[int]:
    if not name_folder.is_dir():
        return []
    return [int(p.name) for p in name_folder.iterdir() if re.fullmatch("[1-9][0-9]*", p.name)]


def _version_folder(folder: Path) -> Path:
    if (folder / MANIFEST).is_file():
        return folder
    if versions := _versions(folder):
        latest = folder / str(max(versions))
        if (latest / MANIFEST).is_file():
            return latest
        raise IntegrityError(
            f"'{printable(latest)}' has no {MANIFEST}. Restore it from a copy, or name an older "
            "version."
        )
    raise DataError(f"There is no saved model in '{printable(folder)}'.{_where_then(folder)}")


def _where_then(folder: Path) -> str:
    """Say where the saved model is that was probably meant."""
    inside = [parent for parent in folder.absolute().parents if (parent / MANIFEST).is_file()]
    if inside and folder.exists():
        return f" It is a part of one: give the folder '{printable(inside[0])}'."
    held = _models_in(folder)
    if held:
        return f" It holds {listed(held)}: give one of these, e.g. '{printable(folder / held[0])}'."
    return (
        f"{did_you_mean(folder.name, _models_in(folder.parent))} A model folder holds versions "
        "named 1, 2, …, each with a bundle.json."
    )


def _models_in(folder: Path) -> list[str]:
    beside = sorted(folder.iterdir()) if folder.is_dir() else ()
    return [path.name for path in beside if path.is_dir() and _versions(path)]


def _read_manifest(folder: Path) -> Manifest:
    content = (folder / MANIFEST).read_bytes()
    _check_seal(folder, content)
    try:
        return parse_manifest(content, folder)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"])) or "its beginning"
        # What pydantic puts before the words of a validator.
        why = problem["msg"].removeprefix("Value error, ").removesuffix(".")
        raise IntegrityError(
            f"'{printable(folder / MANIFEST)}' is damaged at {where}: {why}. "
            "Restore the bundle from a copy, or train again."
        ) from None


def _seal(content: bytes) -> bytes:
    return f"{hashlib.sha256(content).hexdigest()}  {MANIFEST}\n".encode("ascii")


def _check_seal(folder: Path, content: bytes) -> None:
    """Compare bundle.json with its digest; a missing one is told with the other files."""
    seal = folder / SEAL
    if seal.is_file() and seal.read_bytes() != _seal(content):
        raise IntegrityError(
            f"The bundle '{printable(folder)}' is not as it was written. changed: '{MANIFEST}', "
            f"or its digest in '{SEAL}'. Restore it from a copy, or train again."
        )


def _digest_if_file(path: Path) -> str | None:
    """Return the digest of a file, and `None` for a link to a device or to nothing."""
    return digest(path) if path.is_file() else None


def _files(folder: Path) -> list[tuple[str, Path]]:
    """List the files of a bundle by relative name; exports vouch for themselves."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() or path.is_symlink())
    named = [
        (path.relative_to(folder).as_posix(), path) for path in paths if path.name not in LITTER
    ]
    return [(name, path) for name, path in named if not name.startswith(f"{EXPORTS}/")]
