"""What a watch remembers between its runs, beside the looks at drift, in the same sqlite file."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from kerasrecipes.data.database import told_of_database

# How far requests were counted, predictions looked at, and labels.
ROW, LOOKED, TRUTH = "last row", "last look", "last truth"
_TABLES = """
CREATE TABLE IF NOT EXISTS watch_numbers (name TEXT PRIMARY KEY, value REAL NOT NULL);
CREATE TABLE IF NOT EXISTS watch_alarms (
    cause TEXT NOT NULL, place TEXT NOT NULL, sent REAL NOT NULL, PRIMARY KEY (cause, place)
);
"""


class WatchState:
    """Remembers how far a journal was read, evidence, and which alarms were told to whom.

    Args:
        path: The file; made if it is not there.

    Raises:
        DataError: If it cannot be used.
    """

    def __init__(self, path: Path):
        self.path = path
        with self._open() as sql:
            for statement in _TABLES.split(";"):
                sql.execute(statement)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        remedy = "Restore it from a copy, or remove it to begin anew."
        with (
            told_of_database(self.path, "to remember looks", remedy),
            closing(sqlite3.connect(self.path, timeout=30)) as sql,
            sql,
        ):
            yield sql

    def numbers(self) -> dict[str, float]:
        """Return all numbers by name."""
        with self._open() as sql:
            return dict(sql.execute("SELECT name, value FROM watch_numbers").fetchall())

    def remember(self, numbers: dict[str, float]) -> None:
        """Write numbers down, all or none."""
        with self._open() as sql:
            sql.executemany("REPLACE INTO watch_numbers VALUES (?, ?)", numbers.items())

    def sent(self) -> dict[tuple[str, str], float]:
        """Return when each alarm was told last, by its cause and its place."""
        with self._open() as sql:
            rows = sql.execute("SELECT cause, place, sent FROM watch_alarms").fetchall()
        return {(cause, place): sent for cause, place, sent in rows}

    def mark_sent(self, cause: str, place: str, now: float) -> None:
        """Remember that an alarm was told."""
        with self._open() as sql:
            sql.execute("REPLACE INTO watch_alarms VALUES (?, ?, ?)", (cause, place, now))

    def mark_ended(self, cause: str, place: str) -> None:
        """Forget an alarm that is over."""
        with self._open() as sql:
            sql.execute("DELETE FROM watch_alarms WHERE cause = ? AND place = ?", (cause, place))
