"""What people should look at: what was left to them, is new, or is answered otherwise by a version.

queue/tiles/
    entries/SHA-256.json    why, and what was answered
    photos/SHA-256.jpg      the photo or text, where they are kept
    waiting.jsonl           a table of these, for a review
    waiting.labels.csv      what people decided
"""

import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from kerasrecipes.arguments import named
from kerasrecipes.data.tables.decisions import (
    CANNOT_TELL,
    EXCLUDE,
    RELABEL,
    decisions_file,
    read_decisions,
    write_decision,
)
from kerasrecipes.errors import DataError, printable
from kerasrecipes.files import told_plainly, write_whole
from kerasrecipes.records import checked, parse_json
from kerasrecipes.regular import read_regular

ENTRIES, PHOTOS, TABLE = "entries", "photos", "waiting.jsonl"
ABSTAINED, DISAGREEMENT, NEW = "left_to_a_person", "disagreement", "new"
_ENTRY = re.compile("[0-9a-f]{64}[.]json")
_FILE = "^(photos/[0-9a-f]{64}[.][a-z]{1,5})?$"


class Queued(BaseModel):
    """One photo or text that somebody should look at.

    Args:
        sha256: Digest of its content.
        kind: `"left_to_a_person"`, `"new"` or `"disagreement"`.
        reason: Why, in words.
        label: What the version in use says, or would have said.
        suggestion: What the other version says; empty where none was asked.
        model: Name of the model.
        version: Its version.
        request_id: Id of the answer.
        at: When; seconds since 1970.
        file: Where it is kept, in the queue's folder; empty if it is not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    kind: str
    reason: str
    label: str
    suggestion: str = ""
    model: str
    version: int
    request_id: str
    at: float
    file: str = Field(default="", pattern=_FILE)


@dataclass(frozen=True)
class Taken:
    """What became of the photos or texts that people decided about.

    Args:
        moved: How many were moved to where training finds them.
        removed: How many were removed, as of no use.
    """

    moved: int
    removed: int


@named
class ReviewQueue:
    """Keeps what people should look at, one file each; several processes may share one.

    Args:
        folder: The queue of one model, e.g. `queue/tiles`.
        most: How many may wait; more are not kept, since people may be at work on these.
        most_bytes: How many bytes of photos or texts may.

    Raises:
        ValueError: If nothing could wait.
    """

    def __init__(self, folder: str | Path, most: int = 1000, most_bytes: int = 1 << 30):
        if most < 1 or most_bytes < 0:
            raise ValueError(
                f"`most` must be at least 1, and `most_bytes` at least 0. Received: {most} and "
                f"{most_bytes}."
            )
        self.folder, self._most, self._most_bytes = Path(folder), most, most_bytes

    @property
    def exists(self) -> bool:
        """Whether the folder is a queue."""
        return bool(self._names())

    def _names(self) -> list[str]:
        entries = self.folder / ENTRIES
        if not entries.is_dir():
            return []
        return sorted(path.name for path in entries.iterdir() if _ENTRY.fullmatch(path.name))

    @named
    def add(self, one: Queued, content: bytes = b"", ending: str = "") -> bool:
        """Keep one, unless it waits already.

        Args:
            one: What to look at; its `file` is set here.
            content: The photo or text, if it is to be kept.
            ending: How its file's name ends, e.g. `".jpg"`.

        Returns:
            Whether it waits now; not if the queue is full.

        Raises:
            OSError: If the disk is full; nothing was kept then.
        """
        names = self._names()
        if f"{one.sha256}.json" in names:
            return True
        if len(names) >= self._most:
            return False
        with told_plainly(self.folder):
            (self.folder / ENTRIES).mkdir(parents=True, exist_ok=True)
            (self.folder / PHOTOS).mkdir(exist_ok=True)
        if content:
            held = sum(path.stat().st_size for path in (self.folder / PHOTOS).iterdir())
            if held + len(content) > self._most_bytes:
                return False
            one = one.model_copy(update={"file": f"{PHOTOS}/{one.sha256}{ending}"})
            write_whole(self.folder / one.file, content)
        write_whole(self.folder / ENTRIES / f"{one.sha256}.json", one.model_dump_json().encode())
        return True

    def entries(self) -> list[Queued]:
        """Return all that waits, in the order of their digests.

        Raises:
            DataError: If an entry is damaged.
        """
        return [self._read(name) for name in self._names()]

    def _read(self, name: str) -> Queued:
        try:
            content = read_regular(f"{ENTRIES}/{name}", inside=self.folder)
            return checked(Queued, parse_json(content))
        except (OSError, ValueError) as error:
            raise DataError(
                f"'{printable(self.folder / ENTRIES / name)}' cannot be used: {error}. Remove it."
            ) from error

    @named
    def write_table(self) -> tuple[Path, list[Queued]]:
        """Write the table of what is kept with its photo or text.

        Returns:
            The table, and its rows in their order.

        Raises:
            DataError: If none is kept, or an entry is damaged.
            OSError: If it cannot be written.
        """
        kept = [one for one in self.entries() if one.file]
        if not kept:
            raise DataError(
                f"No photo or text waits in '{printable(self.folder)}'. A server keeps them with "
                "--review-queue and --keep-photos."
            )
        rows = [json.dumps({"path": one.file, "label": one.label}) for one in kept]
        write_whole(self.folder / TABLE, ("\n".join(rows) + "\n").encode())
        return self.folder / TABLE, kept

    @named
    def take_decided(self, to: str | Path) -> Taken:
        """Move photos or texts that people decided about to where training finds them.

        Args:
            to: A folder with one folder for each class.

        Returns:
            How many were moved, and how many removed since they are of no use.

        Raises:
            DataError: If `to` is no folder, or the name of a class can be none.
            OSError: If one cannot be written; it waits still, then.
        """
        to, file = Path(to), decisions_file(self.folder / TABLE)
        if not to.is_dir():
            raise DataError(
                f"'{printable(to)}' is no folder, so that no file can be moved into it. "
                "Name one, with one folder for each class."
            )
        if not self.exists:
            raise DataError(f"'{printable(self.folder)}' is no queue. Name one, e.g. queue/tiles.")
        decisions, done = read_decisions(file) if file.exists() else {}, Counter[str]()
        for one in self.entries():
            made = decisions.get(one.file)
            if made is None or made.sha256 != one.sha256 or made.decision == CANNOT_TELL:
                continue
            if made.decision != EXCLUDE:
                label = made.label if made.decision == RELABEL else one.label
                content = read_regular(one.file, inside=self.folder, largest=1 << 30)
                if hashlib.sha256(content).hexdigest() != one.sha256:
                    continue
                place = _class_folder(to, label)
                place.mkdir(exist_ok=True)
                write_whole(place / Path(one.file).name, content)
            done[made.decision] += 1
            self._remove(one)
            write_decision(file, one.file, None)
        return Taken(done.total() - done[EXCLUDE], done[EXCLUDE])

    def _remove(self, one: Queued) -> None:
        (self.folder / ENTRIES / f"{one.sha256}.json").unlink(missing_ok=True)
        if one.file:
            (self.folder / one.file).unlink(missing_ok=True)


def _class_folder(root: Path, label: str) -> Path:
    if label in ("", ".", "..") or label.startswith(".") or {"/", "\0"} & set(label):
        raise DataError(
            f"A folder cannot have the name of the class '{printable(label)}'. Add these to a "
            "table of yours, and remove them from the queue."
        )
    return root / label
