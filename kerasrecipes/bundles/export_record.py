"""What a bundle remembers about one exported file: `exports/<name>/export.json`."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasrecipes.arguments import named
from kerasrecipes.bundles.decision import Decision
from kerasrecipes.bundles.export_seal import (
    ABSENT,
    EXPORT_SEAL,
    EXPORTS,
    RECORD_FILE,
    Seal,
    read_seal,
)
from kerasrecipes.bundles.sealed import (
    ADDED,
    CHANGED,
    MISSING,
    PIECE,
    about_litter,
    is_litter,
    names_in,
    not_as_written,
    reason_of,
)
from kerasrecipes.errors import IntegrityError, KerasRecipesError, listed, printable
from kerasrecipes.files import (
    UNFINISHED,
    TemporaryFolder,
    copied_plainly,
    digest,
    held,
    size_bytes,
)
from kerasrecipes.records import checked, parse_json
from kerasrecipes.regular import open_regular, read_regular

if TYPE_CHECKING:
    from kerasrecipes.bundles.bundle import BundleFolder

_REMEDY = (
    "Restore it from a copy, or export what was changed or is missing again with --overwrite. "
    f"To do without an export, delete its line in '{EXPORT_SEAL}', too."
)
_TO_KEEP = ", or export it again with --overwrite"


@dataclass(frozen=True)
class ExportRecord:
    """One exported and verified file of a bundle.

    Args:
        format: Name of the format, e.g. `"tflite"`.
        quantization: E.g. `"int8"`.
        file: Name of the file inside `folder`, or of the folder that some formats write.
        sha256: Hex digest of the file; of a folder as `kerasrecipes.files.digest` makes it.
        size_bytes: Size of the file, or of all files in the folder.
        verification: What the check on held-out photos found; see `Verification.from_dict`.
        decision: What was folded into the file's scores.
        folder: Where the file lies; not stored, so that bundles can be moved.
    """

    format: str
    quantization: str
    file: str
    sha256: str
    size_bytes: int
    verification: Mapping[str, object] = field(default_factory=dict, repr=False)
    decision: Decision = field(default_factory=Decision)
    folder: Path = Path()

    @classmethod
    @named
    def of(cls, path: Path, format: str, quantization: str, decision: Decision) -> "ExportRecord":
        """Take down a file that was just written.

        Args:
            path: The file, or the folder that the format writes.
            format: Name of the format.
            quantization: As in the record.
            decision: What was folded into its scores.
        """
        return cls(
            format,
            quantization,
            path.name,
            sha256=digest(path),
            size_bytes=size_bytes(path),
            decision=decision,
            folder=path.parent,
        )

    @property
    def name(self) -> str:
        """How users refer to it, e.g. `"tflite-int8"`."""
        return f"{self.format}-{self.quantization}"

    @property
    def path(self) -> Path:
        """The exported file."""
        return self.folder / self.file

    def to_dict(self) -> dict[str, object]:
        """Return what `export.json` holds."""
        values = {**asdict(self), "decision": self.decision.to_dict()}
        del values["folder"]
        if not self.decision.changes:
            del values["decision"]
        return values

    def write(self) -> None:
        """Write `export.json` beside the file."""
        text = json.dumps(self.to_dict(), indent=2) + "\n"
        (self.folder / RECORD_FILE).write_text(text, encoding="utf-8")

    @classmethod
    @named
    def parse(cls, content: bytes, folder: str | Path) -> "ExportRecord":
        """Read the record of one export.

        Args:
            content: The bytes of `export.json`.
            folder: `exports/<name>` of a bundle, where it lies.

        Returns:
            The record. The exported file itself is not opened.

        Raises:
            IntegrityError: If the record is damaged, or names a file elsewhere.
        """
        folder = Path(folder)
        path = folder / RECORD_FILE
        try:
            values = checked(dict[str, Any], parse_json(content))
            # Without what was measured, nothing is known of the file.
            record = checked(cls, {"verification": None, **values, "folder": folder})
        except ValueError as error:
            raise IntegrityError(
                f"'{printable(path)}' is damaged: {error}. Export again with --overwrite."
            ) from error
        if Path(record.file).name != record.file or record.name != folder.name:
            raise IntegrityError(
                f"'{printable(path)}' was changed: it describes another export. Export again with "
                "--overwrite."
            )
        return record


def read_exports(bundle: "BundleFolder") -> dict[str, ExportRecord]:
    """Read the records of all exports of a bundle, if they are those that its seal tells of.

    Args:
        bundle: A bundle.

    Returns:
        Name, e.g. `"tflite-int8"`, to record, sorted by name; empty without exports.

    Raises:
        IntegrityError: If a record is missing, damaged, added or changed.
    """
    try:
        return _records(bundle, read_seal(bundle.folder))
    except IntegrityError:
        with _writers_kept_out(bundle):
            return _records(bundle, read_seal(bundle.folder))


def _writers_kept_out(bundle: "BundleFolder") -> AbstractContextManager[None]:
    """Let who lost a race against a writer try again, and not lose it again."""
    exports = bundle.folder / EXPORTS
    return held(exports, shared=True) if exports.is_dir() else nullcontext()


def _records(bundle: "BundleFolder", seal: Seal | None) -> dict[str, ExportRecord]:
    exports = bundle.folder / EXPORTS
    contents, problems = {}, {}
    for name in sorted({*_names(exports), *(seal or ())}):
        at, allowed = f"{name}/{RECORD_FILE}", (seal or {}).get(name, ())
        if seal is not None and not allowed:
            problems[name] = ADDED
            continue
        try:
            content = read_regular(f"{EXPORTS}/{at}", inside=bundle.folder)
        except OSError as error:
            if ABSENT not in allowed or os.path.lexists(exports / name):
                problems[at] = reason_of(error)
            continue
        if seal is None or hashlib.sha256(content).hexdigest() in allowed:
            contents[name] = content
        else:
            problems[at] = CHANGED
    if contents and seal is None and bundle.manifest.exports_sealed:
        problems[EXPORT_SEAL] = MISSING
    if problems:
        raise not_as_written(exports, problems, _REMEDY, _TO_KEEP)
    return {name: ExportRecord.parse(told, exports / name) for name, told in contents.items()}


def _names(exports: Path) -> list[str]:
    """List what calls itself an export; what is being written, or was when killed, does not."""
    found = os.listdir(exports) if exports.is_dir() else []
    return [
        name
        for name in found
        if name != EXPORT_SEAL and not name.startswith(UNFINISHED) and not is_litter(exports, name)
    ]


def no_exports(bundle: "BundleFolder", format: str = "tflite") -> str:
    """Return the message for a bundle without exported files, or none of a format."""
    other = "" if format == "tflite" else f" as {format}"
    how = "" if other or "int8" in bundle.modality.refused else " --quantization int8"
    called = printable(bundle.folder)
    return (
        f"The bundle '{called}' has no exported file{other} yet. Run: "
        f"kerasrecipes export {called} --format {format}{how}"
    )


def check_digest(record: ExportRecord) -> None:
    """Compare an exported file with its record.

    Args:
        record: Names the file and the digest it had when it was verified.

    Raises:
        IntegrityError: If the file is missing or differs by a byte.
    """
    with opened(record):
        pass


@contextmanager
def opened(record: ExportRecord, bundle: "BundleFolder | None" = None) -> Iterator[ExportRecord]:
    """Give an exported file to a runtime: a copy of its own, whose digest was checked.

    A `.tflite` file with a few changed bytes often still loads and answers something else, and
    what lies in a folder that others write to may change after it was checked.

    Args:
        record: Names the file and the digest it had when it was verified.
        bundle: Where it was read, to take the export that has replaced it in the meantime; `None`
            for this one and no other.

    Yields:
        The record of the copy, which is gone after the block.

    Raises:
        IntegrityError: If the file is missing, is a link or device, or differs by a byte.
    """
    with TemporaryFolder() as made:
        made.chmod(0o700)
        try:
            copy = _checked_copy(record, made / "first")
        except IntegrityError:
            if bundle is None:
                raise
            with _writers_kept_out(bundle):
                now = _records(bundle, read_seal(bundle.folder)).get(record.name, record)
                copy = _checked_copy(now, made / "second")
        try:
            yield copy
        except KerasRecipesError as error:
            error.args = tuple(_told_of(record, copy, one) for one in error.args)
            raise


def _told_of(record: ExportRecord, copy: ExportRecord, told: Any) -> Any:
    """Name the file that people know in a message about its copy."""
    if not isinstance(told, str):
        return told
    return told.replace(printable(copy.path), printable(record.path))


def _checked_copy(record: ExportRecord, to: Path) -> ExportRecord:
    """Copy an exported file, and compare the copy with its record."""
    copy = replace(record, folder=to / record.name)
    if not _copied(record, copy.folder) or digest(copy.path) != record.sha256:
        raise IntegrityError(
            f"'{printable(record.path)}' was changed since it was verified: its SHA-256 or "
            f"size is not the one in '{RECORD_FILE}'. Export again with --overwrite."
        )
    return copy


def _copied(record: ExportRecord, to: Path) -> bool:
    """Copy an exported file, unless it is larger than recorded."""
    left = record.size_bytes
    for name in _files(record):
        with copied_plainly(record.path):
            (to / name).parent.mkdir(parents=True, exist_ok=True)
        try:
            source = open_regular(name, inside=record.folder)
        except OSError as error:
            raise _unreadable(record.folder / name, error) from error
        with source, copied_plainly(record.path), (to / name).open("xb") as target:
            while piece := source.read(min(PIECE, left + 1)):
                target.write(piece)
                left -= len(piece)
                if left < 0:
                    return False
    return True


def _files(record: ExportRecord) -> list[str]:
    """List the files of an export without its record; there must be no others."""
    try:
        names = names_in(record.folder)
    except OSError as error:
        raise _unreadable(record.folder, error) from error
    files = [name for name in names if name.split("/")[0] == record.file]
    strangers = {name.split("/")[0] for name in names} - {record.file, RECORD_FILE}
    if strangers:
        raise IntegrityError(
            f"'{printable(record.folder)}' holds files that were not exported: "
            f"{listed(sorted(strangers))}. Remove them, or export again with --overwrite."
            f"{about_litter(record.folder, strangers)}"
        )
    return files or [record.file]


def _unreadable(path: Path, error: OSError) -> IntegrityError:
    return IntegrityError(
        f"'{printable(path)}' is missing or unreadable: {error.strerror}. Export again with "
        "--overwrite."
    )
