"""The looks so far, in one sqlite file: what an alarm with a budget has to remember."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from kerasrecipes.data.database import told_of_database
from kerasrecipes.drift.recent import SPANS
from kerasrecipes.errors import DataError, printable

# Evidence that chance alone leaves behind now and then, at one look of ten or more.
CALM = 10.0
# Measurements of so many windows are kept, to be looked at together with the next one.
_KEPT = SPANS[-1] - 1
_TABLE = """CREATE TABLE IF NOT EXISTS {} (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    profile TEXT NOT NULL,
    window TEXT NOT NULL,
    p_value REAL NOT NULL,
    used_p REAL NOT NULL,
    earlier INTEGER NOT NULL,
    level REAL NOT NULL,
    declared INTEGER NOT NULL,
    moved TEXT NOT NULL,
    span INTEGER NOT NULL,
    measured BLOB
)"""

_FORGET = """UPDATE {0} SET measured = NULL WHERE number NOT IN (
    SELECT number FROM {0} WHERE measured IS NOT NULL ORDER BY number DESC LIMIT ?
)"""


@dataclass(frozen=True)
class Look:
    """One window that was looked at.

    Args:
        number: 1 for the first.
        at: When, ISO 8601 in UTC.
        window: Digest of its examples.
        p_value: How likely it would be so strange, compared with the reference alone.
        used_p: The same, compared with earlier windows, too, where these suffice.
        earlier: Number of these windows.
        level: Evidence for a change, which is an alarm where it reaches the number of looks per
            alarm without cause.
        declared: Whether somebody said that the window is ordinary; it adds no evidence then.
        moved: What had moved most.
        span: Number of windows that were most of all unlike the reference, taken together.
    """

    number: int
    at: str
    window: str
    p_value: float
    used_p: float
    earlier: int
    level: float
    declared: bool
    moved: str
    span: int = 1


class DriftHistory:
    """Remembers looks in a file.

    Args:
        path: The file; made at the first look.
        profile: Digest of the profile that is compared with.
        labelled: Whether the looks are those at answers whose truth is known; they have a
            sequence of their own.

    Raises:
        DataError: If the file holds something else, or looks with another profile.
    """

    def __init__(self, path: str | Path, profile: str, labelled: bool = False):
        self.path, self.profile = Path(path), profile
        self._table = "labelled_looks" if labelled else "looks"
        if not self.path.parent.is_dir():
            raise DataError(f"There is no folder '{printable(self.path.parent)}' for the history.")
        if self.path.exists() and not self.path.is_file():
            raise DataError(f"'{printable(self.path)}' is no file. Name one for the history.")
        with self._open() as connection:
            others = connection.execute(
                f"SELECT count(*) FROM {self._table} WHERE profile != ?", (profile,)
            ).fetchone()
        if others[0]:
            raise DataError(
                f"'{printable(self.path)}' holds {others[0]} looks with another profile, so with "
                "another model. Name a file for this model alone."
            )

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Give a connection whose changes are kept together, or not at all."""
        remedy = "Restore it from a copy, or name a new file."
        with (
            told_of_database(self.path, "as a history of looks", remedy),
            closing(sqlite3.connect(self.path, timeout=30)) as connection,
            connection,
        ):
            connection.execute(_TABLE.format(self._table))
            yield connection

    def looks(self) -> list[Look]:
        """Return all looks, the first one first."""
        columns = ", ".join(field.name for field in fields(Look))
        with self._open() as connection:
            rows = connection.execute(
                f"SELECT {columns} FROM {self._table} ORDER BY number"
            ).fetchall()
        return [Look(*row) for row in rows]

    def measured(self) -> list[bytes]:
        """Return what was measured of the last windows, the last one first."""
        with self._open() as connection:
            rows = connection.execute(
                f"SELECT measured FROM {self._table} WHERE measured IS NOT NULL "
                "ORDER BY number DESC"
            ).fetchall()
        return [bytes(content) for (content,) in rows]

    def add(self, look: Look, measured: bytes | None = None) -> Look:
        """Write a look down, and return it with its number.

        Args:
            look: What was found.
            measured: What was measured of the window, to be looked at with the next ones.

        Raises:
            DataError: If another process looked in the meantime, or the file is damaged.
            OSError: If nothing can be written there.
        """
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            (last,) = connection.execute(
                f"SELECT coalesce(max(number), 0) FROM {self._table}"
            ).fetchone()
            if last != look.number - 1:
                raise DataError("Another process looked at the same time. Look again.")
            values = {**asdict(look), "profile": self.profile, "measured": measured}
            columns = ", ".join(values)
            places = ", ".join(f":{name}" for name in values)
            connection.execute(f"INSERT INTO {self._table} ({columns}) VALUES ({places})", values)
            connection.execute(_FORGET.format(self._table), (_KEPT,))
        return look


def rising_from(looks: Sequence[Look]) -> int:
    """Return how many looks came before evidence began to add up that has not faded since.

    Args:
        looks: All looks, the first one first.
    """
    calm = (number for number, look in enumerate(looks, start=1) if look.level < CALM)
    return max(calm, default=0)


def ordinary_p_values(looks: Sequence[Look]) -> list[float]:
    """Return the p-values of the windows that tell what is ordinary.

    Those in which evidence is adding up at present may be the change itself, unless somebody
    declared them ordinary.

    Args:
        looks: All looks, the first one first.
    """
    calm = rising_from(looks)
    return [look.p_value for look in looks if look.declared or look.number <= calm]
