"""What a bundle remembers about one exported file: `exports/<name>/export.json`."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasrecipes.bundles.decision import Decision
from kerasrecipes.errors import IntegrityError, listed, printable
from kerasrecipes.files import digest, size_bytes
from kerasrecipes.records import checked, parse_json

if TYPE_CHECKING:
    from kerasrecipes.bundles.bundle import BundleFolder

RECORD_FILE = "export.json"


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
    def read(cls, folder: str | Path) -> "ExportRecord":
        """Read the record of one export.

        Args:
            folder: `exports/<name>` of a bundle.

        Returns:
            The record. The exported file itself is not opened.

        Raises:
            IntegrityError: If the record is missing, damaged, or names a file elsewhere.
        """
        folder = Path(folder)
        path = folder / RECORD_FILE
        try:
            values = checked(dict[str, Any], parse_json(path.read_bytes()))
            # Without what was measured, nothing is known of the file.
            record = checked(cls, {"verification": None, **values, "folder": folder})
        except (OSError, ValueError) as error:
            missing = isinstance(error, FileNotFoundError)
            reason = getattr(error, "strerror", None) or error
            raise IntegrityError(
                f"'{printable(path)}' is {'missing' if missing else f'damaged: {reason}'}. "
                "Export again with --overwrite."
            ) from error
        if Path(record.file).name != record.file or record.name != folder.name:
            raise IntegrityError(
                f"'{printable(path)}' was changed: it describes another export. Export again with "
                "--overwrite."
            )
        return record


def read_exports(bundle: "BundleFolder | str | Path") -> dict[str, ExportRecord]:
    """Read the records of all exports of a bundle.

    Args:
        bundle: A bundle, or the folder of one version of it.

    Returns:
        Name, e.g. `"tflite-int8"`, to record, sorted by name; empty without exports.

    Raises:
        IntegrityError: If a record is missing, damaged, or was moved.
    """
    exports = Path(bundle if isinstance(bundle, str | Path) else bundle.folder) / "exports"
    if not exports.is_dir():
        return {}
    # A folder with a leading dot is an export that was killed before it was complete.
    folders = sorted(f for f in exports.iterdir() if f.is_dir() and not f.name.startswith("."))
    return {folder.name: ExportRecord.read(folder) for folder in folders}


def no_exports(folder: str | Path) -> str:
    """Return the message for a bundle without exported files."""
    return (
        f"The bundle '{printable(folder)}' has no exported file yet. Run: "
        f"kerasrecipes export {printable(folder)} --format tflite --quantization int8"
    )


def check_digest(record: ExportRecord) -> None:
    """Compare an exported file with its record before a runtime sees it.

    A `.tflite` file with a few changed bytes often still loads and answers something else.

    Args:
        record: Names the file and the digest it had when it was verified.

    Raises:
        IntegrityError: If the file is missing or differs by a byte.
    """
    try:
        found, size = digest(record.path), size_bytes(record.path)
    except OSError as error:
        raise IntegrityError(
            f"'{printable(error.filename or record.path)}' is missing or unreadable: "
            f"{error.strerror}. Export again with --overwrite."
        ) from error
    strangers = {path.name for path in record.folder.iterdir()} - {record.file, RECORD_FILE}
    if strangers:
        raise IntegrityError(
            f"'{printable(record.folder)}' holds files that were not exported: "
            f"{listed(sorted(strangers))}. Remove them, or export again with --overwrite."
        )
    if found != record.sha256:
        raise IntegrityError(
            f"'{printable(record.path)}' was changed since it was verified: its SHA-256 begins "
            f"with {found[:12]}, recorded is {record.sha256[:12]} ({size} bytes, recorded "
            f"{record.size_bytes}). Export again with --overwrite."
        )
