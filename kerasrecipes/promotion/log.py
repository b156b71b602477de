"""Writing the log of a model's aliases: one writer at a time, and never half a line."""

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kerasrecipes.bundles.aliases import ALIASES, HISTORY, AliasLog, LogEntry, read_aliases
from kerasrecipes.errors import DataError, printable
from kerasrecipes.files import complete_file, locked_folder, told_plainly
from kerasrecipes.regular import append_whole


@dataclass
class OpenLog:
    """The log of a model that nobody else writes to now.

    Args:
        folder: The model's folder.
        log: What it tells so far.
    """

    folder: Path
    log: AliasLog

    def add(self, **fields: Any) -> LogEntry:
        """Write one change down, and make it so.

        Args:
            **fields: Of the `LogEntry`, but for its number, time and the digest before it.

        Raises:
            OSError: If it cannot be written; all is as before then.
        """
        when = datetime.now(UTC).isoformat(timespec="seconds")
        number, previous = len(self.log.entries) + 1, self.log.head
        entry = LogEntry(number=number, when=when, previous=previous, **fields)
        after = self.log.followed_by(entry)
        with told_plainly(self.folder), complete_file(self.folder / ALIASES) as file:
            file.write(after.head_file())
            file.flush()
            # On the disk before the log counts: there is room for both, or for neither.
            os.fsync(file.fileno())
            # From where it was whole: a writer that was killed may have left half a line.
            line = entry.line().decode() + "\n"
            append_whole(HISTORY, line, inside=self.folder, begin=self.log.whole_bytes)
        self.log = after
        return entry


@contextmanager
def changing(folder: Path) -> Iterator[OpenLog]:
    """Keep other changes of a model's aliases out while the block runs.

    Args:
        folder: The model's folder.

    Raises:
        DataError: If somebody else changes them now.
        IntegrityError: If the log was changed.
    """
    with locked_folder(folder):
        yield OpenLog(folder, read_aliases(folder))


def this_user(who: str | None) -> str:
    """Return who does something.

    Args:
        who: What the caller said; `None` for the user of this process.

    Raises:
        DataError: If nobody is named, and the system does not know.
    """
    if who is not None and who.strip():
        return who
    try:
        if who is None:
            return getpass.getuser()
    except (KeyError, OSError):
        pass
    raise DataError(
        f"It is not known who does this ({printable(who)}): the log needs a name. Say it by `who`."
    )
