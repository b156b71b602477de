"""What a model was asked and answered, in one sqlite file of bounded size; no photo is in it.

Order is the order of arrival: clocks jump, and no result depends on them.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

from kerasrecipes.arguments import named
from kerasrecipes.console import warn
from kerasrecipes.data.database import told_of_database
from kerasrecipes.errors import DataError, printable
from kerasrecipes.serve.entry import (
    JournalCounts,
    JournalEntry,
    Logged,
    Truth,
    entry_from_row,
    row_of_entry,
    truth_of,
)

# "KRJL": tells a journal from other sqlite files.
_APPLICATION, _VERSION = 0x4B524A4C, 2
_COLUMNS = (
    "request_id, at, bundle, version, digest, label, confidence, abstained, alarm, novelty, number,"
    " answer, inputs, features, latency_ms, error, degraded, source, stands_for"
)
_TABLES = """
CREATE TABLE IF NOT EXISTS entries (
    row INTEGER PRIMARY KEY AUTOINCREMENT, received REAL NOT NULL,
    request_id TEXT NOT NULL UNIQUE, at REAL NOT NULL, bundle TEXT NOT NULL,
    version INTEGER NOT NULL, digest TEXT NOT NULL, label TEXT NOT NULL, confidence REAL,
    abstained INTEGER, alarm INTEGER, novelty REAL, number REAL, answer BLOB, inputs TEXT NOT NULL,
    features BLOB, latency_ms REAL, error TEXT NOT NULL, source TEXT NOT NULL,
    stands_for INTEGER NOT NULL, degraded TEXT NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS truths (
    row INTEGER PRIMARY KEY AUTOINCREMENT, received REAL NOT NULL,
    request_id TEXT NOT NULL UNIQUE, truth TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS sources (
    source TEXT PRIMARY KEY, last INTEGER NOT NULL, dropped INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS counts (what TEXT PRIMARY KEY, count INTEGER NOT NULL);
"""
# Of the rows this share is dropped at once, so that not every new one has to make room.
_STEP = 20
_SMALLEST = 1 << 20
_PAGE = 1000


@named
class Journal:
    """Keeps predictions, and what they should have been; threads may share one.

    What a call has written stays after a power cut. Several processes may have one file open.

    Args:
        path: The file, e.g. `journal.db`; made if it is not there.
        most_bytes: What it may hold; the oldest lines make room, and are counted. Beside it, sqlite
            keeps a few megabytes in a file of its own.

    Raises:
        DataError: If the file is no journal, or its folder does not exist.
        OSError: If it cannot be written.
        ValueError: If `most_bytes` is below 1 MiB.

    Example:
        >>> import tempfile
        >>> with Journal(Path(tempfile.mkdtemp(), "journal.db")) as journal:
        ...     journal.add([JournalEntry(request_id="a", label="good", confidence=0.9)])
        ...     journal.tell({"a": "defective", "b": "good"})
        ...     [(line.entry.label, line.truth) for line in journal.lines()]
        1
        ('b',)
        [('good', 'defective')]
    """

    def __init__(self, path: str | Path, most_bytes: int = 1 << 28):
        if most_bytes < _SMALLEST:
            raise ValueError(
                f"`most_bytes` must be at least {_SMALLEST:,}, one MiB. Received: {most_bytes:,}."
            )
        self.path, self._most = Path(path), most_bytes
        self._lock, self._is_told_full = threading.RLock(), False
        if not self.path.parent.is_dir():
            raise DataError(f"There is no folder '{printable(self.path.parent)}' for the journal.")
        with self._told():
            self._connection = sqlite3.connect(
                self.path, timeout=30, isolation_level=None, check_same_thread=False
            )
        try:
            self._begin()
        except BaseException:
            self._connection.close()
            raise

    def _begin(self) -> None:
        with self._told():
            found = [self._ask(f"PRAGMA {one}") for one in ("application_id", "user_version")]
            empty = not self._ask("SELECT count(*) FROM sqlite_master")
        if not empty and found not in ([_APPLICATION, 1], [_APPLICATION, _VERSION]):
            what = "was written by a newer version" if found[0] == _APPLICATION else "is none"
            raise DataError(
                f"'{printable(self.path)}' cannot be used as a journal: it {what}. Name another "
                "file, or install the newer version."
            )
        with self._told():
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute(f"PRAGMA journal_size_limit = {_SMALLEST}")
            with self._changing() as sql:
                for statement in _TABLES.split(";"):
                    sql.execute(statement)
                if sql.execute("PRAGMA user_version").fetchone() == (1,):
                    sql.execute("ALTER TABLE entries ADD degraded TEXT NOT NULL DEFAULT ''")
                sql.execute(f"PRAGMA application_id = {_APPLICATION}")
                sql.execute(f"PRAGMA user_version = {_VERSION}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the file go."""
        with self._lock:
            self._connection.close()

    def _told(self) -> AbstractContextManager[None]:
        remedy = "Restore it from a copy, or name a new file."
        return told_of_database(self.path, "as a journal", remedy)

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """Give a connection whose changes are kept together, or not at all."""
        with self._lock, self._told():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _ask(self, statement: str) -> int:
        with self._lock:
            return int(self._connection.execute(statement).fetchone()[0])

    @named
    def add(self, entries: Sequence[JournalEntry]) -> int:
        """Write predictions down, all of them or none; one call for many is quicker.

        Args:
            entries: The predictions. Where one of the same `request_id` is known, nothing is done.

        Returns:
            How many were new.

        Raises:
            OSError: If the disk is full.
            DataError: If the file was damaged.
        """
        with self._changing() as sql:
            new = self._insert(sql, entries)
            self._make_room(sql)
        return new

    @named
    def receive(
        self,
        source: str,
        numbered: Sequence[tuple[int, JournalEntry]],
        dropped: int = 0,
        doubted: Sequence[tuple[int, int]] = (),
    ) -> int:
        """Write down what a device sent, each line once however often it comes.

        Args:
            source: What tells the device, and its queue, from all others.
            numbered: Lines with the numbers that the device gave them, which only rise. Gaps are
                allowed: what a device dropped never comes.
            dropped: How many answers it has dropped before it ever sent them.
            doubted: Numbers of answers that it dropped after it had sent them, and for how many
                each stood: those that have not arrived count as dropped, once.

        Returns:
            How many were new; none up to the highest number that was received before.

        Raises:
            OSError: If the disk is full; nothing was received then.
            DataError: If the file was damaged.
            ValueError: If the numbers do not rise.
        """
        numbers = [number for number, _ in numbered]
        if any(after <= before for before, after in pairwise(numbers)):
            raise ValueError(f"`numbered` must rise from line to line. Received: {numbers[:8]}.")
        with self._changing() as sql:
            last = sql.execute("SELECT last FROM sources WHERE source = ?", (source,)).fetchone()
            fresh = [one for number, one in numbered if last is None or number > last[0]]
            _count(sql, "duplicates", len(numbered) - len(fresh))
            lost = sum(many for number, many in doubted if last is None or number > last[0])
            _count(sql, "dropped_after_sending", lost)
            last_number = max([0 if last is None else last[0], *numbers[-1:]])
            sql.execute(
                "INSERT INTO sources VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET last = ?2, "
                "dropped = max(dropped, ?3)",
                (source, last_number, dropped),
            )
            new = self._insert(sql, fresh, source)
            self._make_room(sql)
        return new

    def _insert(
        self, sql: sqlite3.Connection, entries: Sequence[JournalEntry], source: str = ""
    ) -> int:
        now = time.time()
        places = ", ".join("?" * (1 + len(_COLUMNS.split(","))))
        new = 0
        for entry in entries:
            row = row_of_entry(entry, now, source)
            statement = f"INSERT OR IGNORE INTO entries (received, {_COLUMNS}) VALUES ({places})"
            new += sql.execute(statement, (now, *row)).rowcount
        _count(sql, "duplicates", len(entries) - new)
        return new

    @named
    def tell(self, truths: dict[str, Truth], early: bool = False) -> tuple[str, ...]:
        """Say what should have been answered; a later word takes the place of an earlier one.

        Args:
            truths: By request id the class, the labels, or the number.
            early: Whether to keep those of predictions that are not known yet, as a device may
                still send them.

        Returns:
            The request ids that are not known.

        Raises:
            OSError: If the disk is full.
            DataError: If the file was damaged.
        """
        now, unknown = time.time(), []
        with self._changing() as sql:
            for request_id, truth in truths.items():
                known = "SELECT 1 FROM entries WHERE request_id = ?"
                if sql.execute(known, (request_id,)).fetchone() is None:
                    unknown.append(request_id)
                    if not early:
                        continue
                written = (now, request_id, json.dumps(truth))
                sql.execute(
                    "REPLACE INTO truths (received, request_id, truth) VALUES (?, ?, ?)", written
                )
            self._make_room(sql)
        return tuple(unknown)

    def _make_room(self, sql: sqlite3.Connection) -> None:
        """Drop the oldest lines until the rest is small enough."""
        dropped = 0
        while self._used() > self._most:
            orphans = "request_id NOT IN (SELECT request_id FROM entries)"
            told = _oldest(sql, "truths", orphans)
            old = _oldest(sql, "entries")
            theirs = f"request_id IN (SELECT request_id FROM entries WHERE row < {old})"
            condition = f"{theirs} OR (row < {told} AND {orphans})"
            truths = sql.execute(f"DELETE FROM truths WHERE {condition}").rowcount
            entries = sql.execute("DELETE FROM entries WHERE row < ?", (old,)).rowcount
            if not truths + entries:
                break
            _count(sql, "dropped_entries", entries)
            _count(sql, "dropped_truths", truths)
            dropped += entries
        if dropped and not self._is_told_full:
            self._is_told_full = True
            warn(
                f"'{printable(self.path)}' is full: from now on the oldest predictions make room "
                f"for new ones, {dropped} at first."
            )

    def _used(self) -> int:
        pages = self._ask("PRAGMA page_count") - self._ask("PRAGMA freelist_count")
        return pages * self._ask("PRAGMA page_size")

    @named
    def lines(
        self, after: int = 0, digest: str | None = None, labelled_after: int | None = None
    ) -> Iterator[Logged]:
        """Read lines in the order in which they came.

        Args:
            after: Only lines with a higher `row`.
            digest: Only those of the bundle with this digest.
            labelled_after: Only those whose truth came after that with this `truth_row`, in the
                order of their truths; 0 for all that have one.

        Returns:
            The lines, read some at a time, so that nobody who writes has to wait.

        Raises:
            DataError: If the file was damaged.
        """
        key, join = ("e.row", "LEFT JOIN") if labelled_after is None else ("t.row", "JOIN")
        last = after if labelled_after is None else labelled_after
        columns = ", ".join(f"e.{name.strip()}" for name in _COLUMNS.split(","))
        statement = (
            f"SELECT e.row, e.received, t.row, t.truth, {columns} FROM entries e {join} truths t "
            f"ON t.request_id = e.request_id WHERE {key} > ? AND e.row > ? AND (? IS NULL OR "
            f"e.digest = ?) ORDER BY {key} LIMIT {_PAGE}"
        )
        while True:
            with self._lock, self._told():
                asked = (last, after, digest, digest)
                rows = self._connection.execute(statement, asked).fetchall()
                found = [self._logged(row) for row in rows]
            yield from found
            if len(found) < _PAGE:
                return
            last = found[-1].row if labelled_after is None else found[-1].truth_row

    @named
    def find(self, request_id: str) -> JournalEntry | None:
        """Return one prediction; `None` if it is not known, or no longer.

        Args:
            request_id: Its id.

        Raises:
            DataError: If the file was damaged.
        """
        statement = f"SELECT 0, 0, NULL, NULL, {_COLUMNS} FROM entries WHERE request_id = ?"
        with self._lock, self._told():
            row = self._connection.execute(statement, (request_id,)).fetchone()
            return None if row is None else self._logged(row).entry

    def _logged(self, row: tuple[Any, ...]) -> Logged:
        try:
            entry = entry_from_row(row[4:])
            truth = None if row[3] is None else truth_of(row[3])
        except (ValueError, TypeError) as error:
            raise sqlite3.DatabaseError(f"line {row[0]} is damaged: {printable(error)}") from error
        return Logged(row[0], row[1], entry, truth, row[2] or 0)

    @property
    def last_row(self) -> int:
        """The `row` of the last line that was ever written; 0 if there was none."""
        with self._told():
            return self._ask(
                "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'entries'"
            )

    def counts(self) -> JournalCounts:
        """Return how much it holds, and what it dropped.

        Raises:
            DataError: If the file was damaged.
        """
        with self._lock, self._told():
            kept = dict(self._connection.execute("SELECT what, count FROM counts").fetchall())
            entries, truths, away = (
                self._ask(f"SELECT {one}")
                for one in (
                    "count(*) FROM entries",
                    "count(*) FROM truths",
                    "coalesce(sum(dropped), 0) FROM sources",
                )
            )
        others = ("dropped_entries", "dropped_truths", "duplicates", "dropped_after_sending")
        dropped, dropped_truths, twice, doubted = (kept.get(name, 0) for name in others)
        return JournalCounts(entries, truths, dropped, dropped_truths, twice, away + doubted)


def _count(sql: sqlite3.Connection, what: str, more: int) -> None:
    sql.execute(
        "INSERT INTO counts VALUES (?1, ?2) ON CONFLICT DO UPDATE SET count = count + ?2",
        (what, more),
    )


def _oldest(sql: sqlite3.Connection, table: str, which: str = "1") -> int:
    """Return the row up to which one in `_STEP` of a table is dropped."""
    first, last = sql.execute(f"SELECT min(row), max(row) FROM {table} WHERE {which}").fetchone()
    return 0 if first is None else int(first) + (int(last) - int(first)) // _STEP + 1
