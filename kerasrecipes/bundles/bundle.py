"""The folder that holds a finished model: written at once, never overwritten, checked on loading.

saved_models/tiles/1/
    bundle.json        what it is, and the SHA-256 of every file below
    bundle.sha256      the SHA-256 of bundle.json itself, as `sha256sum --check` reads it
    model.keras        the trained model
    tokenizer.json     of a model for texts: what turns a text into tokens
    data.jsonl         SHA-256, split, and label if known, of every photo that it saw
    golden/            some held-out photos, byte for byte, and the answers they must get
    calibration.npz    some training photos at model size, for int8 export
    report.json, report.html, plots/
    exports/<format>-<quantization>/   added later: an exported file and its record
    exports/exports.sha256             the SHA-256 of these records, and of bundle.json
"""

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.bundles.contract import Contract, licence_of
from kerasrecipes.bundles.export_record import ExportRecord, read_exports
from kerasrecipes.bundles.export_seal import EXPORTS
from kerasrecipes.bundles.manifest import MANIFEST, Manifest, Parent, new_manifest, parse_manifest
from kerasrecipes.bundles.sealed import (
    ADDED,
    CHANGED,
    MISSING,
    BrokenSeal,
    names_in,
    not_as_written,
    pieces,
    reason_of,
    what_is_wrong,
)
from kerasrecipes.bundles.versions import (
    check_model_folder,
    rename_to_next_version,
    version_folder,
)
from kerasrecipes.data.examples import Examples
from kerasrecipes.data.modality import Modality, get_modality
from kerasrecipes.data.seen import remember_seen
from kerasrecipes.data.specs import ModelInput, OutputSpec
from kerasrecipes.errors import IntegrityError, listed, printable
from kerasrecipes.file_budget import read_arrays
from kerasrecipes.files import TemporaryFolder, copied_plainly, digest, sync_folder, told_plainly
from kerasrecipes.records import checked, parse_json
from kerasrecipes.regular import LARGEST_RECORD, read_regular

if TYPE_CHECKING:
    import keras

    from kerasrecipes.report.run_report import RunReport

SEAL = "bundle.sha256"
# Of the formats 1 and 2, which stated no sizes.
_LARGEST = {"model.keras": 1 << 32}
_RESTORE = "Restore it from a copy, or train again."


@dataclass(frozen=True)
class Golden:
    """Examples with the answer that every form of the model must give.

    Args:
        files: The examples' files, byte for byte.
        names: What they were called.
        targets: What they should be answered with; see `Task.targets`.
        answers: What the Keras model answers, float32, shape `(n, width)`.
        groups: Number of each one's group, int64, shape `(n,)`; `None` if none was declared.
        others: What else the model answers, by the name of the output.
    """

    files: list[bytes]
    names: list[str]
    targets: np.ndarray
    answers: np.ndarray
    groups: np.ndarray | None = None
    others: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class _Met:
    """A line of `data.jsonl`, as far as it is read."""

    sha256: str
    split: str


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
    @named
    def load(cls, folder: "BundleFolder | str | Path") -> Self:
        """Open a bundle and check every file against its digest.

        Args:
            folder: A model folder (its latest version is taken) or one version of it, or a
                bundle, to be checked again.

        Raises:
            DataError: If there is no bundle, or it was written by a newer version.
            IntegrityError: If a file was changed, added or removed; the message names it.
        """
        folder = folder.folder if isinstance(folder, BundleFolder) else version_folder(Path(folder))
        bundle = cls(folder, _read_manifest(folder))
        bundle.check()
        return bundle

    def check(self) -> None:
        """Compare every file with its digest in the manifest.

        Raises:
            IntegrityError: If a file was changed, added or removed; the message names it.
        """
        _, problems = _read_sealed_manifest(self.folder)
        stated = self.manifest.sha256
        wrong = {name: what_is_wrong(self.folder, *self._stated(name)) for name in stated}
        problems |= {name: reason for name, reason in wrong.items() if reason}
        # Exports have a seal of their own, and may be written at this moment.
        added = set(names_in(self.folder, without=EXPORTS)) - stated.keys() - {MANIFEST, SEAL}
        problems |= dict.fromkeys(sorted(added), ADDED)
        if problems:
            raise not_as_written(self.folder, problems, _RESTORE)

    @named
    def read(self, name: str) -> bytes:
        """Return the content of a file, if it is as it was written.

        Args:
            name: Its name in the bundle, e.g. `"golden/000.png"`.

        Raises:
            IntegrityError: If it was changed, is missing, or is none of the bundle's.
        """
        try:
            return b"".join(pieces(self.folder, *self._stated(name)))
        except BrokenSeal as error:
            raise not_as_written(self.folder, {name: str(error)}, _RESTORE) from error

    @contextmanager
    def _reading(self, name: str) -> Iterator[bytes]:
        """Say of what cannot be understood in which file it stands."""
        content = self.read(name)
        try:
            yield content
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise IntegrityError(
                f"'{printable(self.folder / name)}' is damaged: {printable(error)}. {_RESTORE}"
            ) from error

    def _stated(self, name: str) -> tuple[str, str | None, int]:
        """Return what the manifest says of a file: its name, its digest, and its size, at most."""
        told = self.manifest
        most = told.size_bytes.get(name, _LARGEST.get(name, LARGEST_RECORD))
        return name, told.sha256.get(name), most

    @property
    def sha256(self) -> str:
        """The digest of `bundle.json`, which holds those of all files but exports."""
        return hashlib.sha256(read_regular(MANIFEST, inside=self.folder)).hexdigest()

    def as_parent(self, how: str) -> Parent:
        """Return what a model that is made of this one says of it.

        Args:
            how: What it gave.
        """
        folder = self.folder.absolute()
        name = printable(f"{folder.parent.name} {folder.name}")
        return Parent(model=name, sha256=self.sha256, how=how)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes, in the order of the scores."""
        return self.output.class_names

    @cached_property
    def input(self) -> ModelInput:
        """What the model takes.

        Raises:
            IntegrityError: If a file that says so was changed.
        """
        return self.manifest.input.with_files(lambda name: self.read(name))

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
            input=self.input,
            outputs=told.outputs,
            description=description,
            licence=licence_of(told.weights),
        )

    @named
    def decode(self, source: bytes | str | Path, name: str | None = None) -> np.ndarray:
        """Turn one example into what the model takes, as in its training.

        Args:
            source: A file, or its bytes.
            name: What to call bytes in messages.

        Raises:
            DataError: If it cannot be read.
        """
        return self.modality.decode(source, self.input, name)

    @named
    def scan(self, source: Examples | str | Path, **columns: Any) -> Examples:
        """Return examples for this model, to be prepared as in its training.

        Args:
            source: A scanned set, or a folder or table; see e.g. `scan_photos`.
            **columns: What the columns of a table are, e.g. `value="width"`; see there, too.

        Raises:
            DataError: If they cannot be scanned.
            ValueError: If columns are named of a set that is scanned already.
        """
        if not isinstance(source, Examples):
            return self.modality.scan(source, self.input, **columns)
        if columns:
            raise ValueError(
                f"{listed(columns)} would have no effect on a set that is scanned already. Name "
                "columns when you scan it."
            )
        return self.modality.prepared(source, self.input)

    def golden(self) -> Golden:
        """Return the golden vectors."""
        with self._reading("golden/golden.npz") as content:
            arrays = read_arrays(io.BytesIO(content), LARGEST_RECORD)
            # Bundles of the format 1 had scores and labels alone, and called them so.
            targets = "targets" if "targets" in arrays else "labels"
            answers = "answers" if "answers" in arrays else "scores"
            return Golden(
                files=[self.read(f"golden/{name}") for name in arrays["files"]],
                names=checked(list[str], parse_json(str(arrays["names"]))),
                targets=arrays[targets],
                answers=arrays[answers],
                groups=arrays["groups"] if "groups" in arrays else None,
                others={
                    one.name: arrays[f"output {one.name}"] for one in self.manifest.outputs[1:]
                },
            )

    def calibration(self) -> np.ndarray:
        """Return training photos at model size; uint8, shape `(n, height, width, 3)`."""
        with self._reading("calibration.npz") as content:
            return read_arrays(io.BytesIO(content), LARGEST_RECORD)["photos"]

    def seen(self) -> dict[str, str]:
        """Return the split of every photo that the model met, by the SHA-256 of its file."""
        with self._reading("data.jsonl") as content:
            rows = [checked(_Met, parse_json(line)) for line in content.splitlines()]
            return {row.sha256: row.split for row in rows}

    def report(self) -> "RunReport":
        """Return the `RunReport` of the fit."""
        from kerasrecipes.report.run_report import RunReport

        with self._reading("report.json") as content:
            return RunReport.from_json(content.decode())

    def load_model(self) -> "keras.Model":
        """Load the Keras model. No code in the file is run.

        Returns:
            A `keras.Model` from float32 photos `(n, height, width, 3)`, 0…255, to scores.

        Raises:
            IntegrityError: If the file was changed, or cannot be trusted.
        """
        from kerasrecipes.bundles.model_file import load_model

        content = self.read("model.keras")
        with TemporaryFolder() as made:
            # A copy that nobody else can change, since Keras reads files alone.
            made.chmod(0o700)
            path = made / "model.keras"
            with copied_plainly(self.folder / path.name):
                path.write_bytes(content)
            model = load_model(path, name=self.folder / path.name)
        remember_seen(model.layers, self.seen())
        return model

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
                files = {name: folder / name for name in names_in(folder)}
                hashes = {name: digest(path) for name, path in files.items()}
                sizes = {name: path.stat().st_size for name, path in files.items()}
                manifest = new_manifest(sha256=hashes, size_bytes=sizes, **fields)
                content = (manifest.model_dump_json(indent=2) + "\n").encode()
                (folder / MANIFEST).write_bytes(content)
                (folder / SEAL).write_bytes(_seal(content))
                sync_folder(folder)
                target = rename_to_next_version(folder, name_folder)
        return cls(target, manifest)


def _read_manifest(folder: Path) -> Manifest:
    content, _ = _read_sealed_manifest(folder)
    return parse_manifest(content, folder)


def _seal(content: bytes) -> bytes:
    return f"{hashlib.sha256(content).hexdigest()}  {MANIFEST}\n".encode("ascii")


def _read_sealed_manifest(folder: Path) -> tuple[bytes, dict[str, str]]:
    """Return bundle.json, and that its seal is missing, which is told with the other files."""
    found, problems = {}, {}
    for name in (MANIFEST, SEAL):
        try:
            found[name] = read_regular(name, inside=folder)
        except OSError as error:
            problems[name] = reason_of(error)
    if len(found) == 2 and found[SEAL] != _seal(found[MANIFEST]):
        problems[f"{MANIFEST}' or its digest in '{SEAL}"] = CHANGED
    if problems and problems != {SEAL: MISSING}:
        raise not_as_written(folder, problems, _RESTORE)
    return found[MANIFEST], problems
