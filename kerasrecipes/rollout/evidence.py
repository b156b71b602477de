"""What was seen of a candidate so far, in one sqlite file: a restart, or a second server, adds."""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from kerasrecipes.data.database import told_of_database
from kerasrecipes.rollout.judge import Evidence

_TABLES = """
CREATE TABLE IF NOT EXISTS evidence (
    rollout TEXT NOT NULL, guard TEXT NOT NULL, count INTEGER NOT NULL, total BLOB NOT NULL,
    logs BLOB NOT NULL, PRIMARY KEY (rollout, guard)
);
CREATE TABLE IF NOT EXISTS outcomes (
    rollout TEXT NOT NULL, request_id TEXT NOT NULL, PRIMARY KEY (rollout, request_id)
);
"""


class EvidenceFile:
    """Adds up what servers see; processes may share one.

    Args:
        path: The file; made by the first `add`.
    """

    def __init__(self, path: Path):
        self._path = path

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        remedy = "Stop the rollout, remove the file, and start again."
        with (
            told_of_database(self._path, "to remember what was seen", remedy),
            closing(sqlite3.connect(self._path, timeout=10, isolation_level=None)) as sql,
        ):
            for statement in _TABLES.split(";"):
                sql.execute(statement)
            sql.execute("BEGIN IMMEDIATE")
            yield sql
            sql.execute("COMMIT")

    def read(self, rollout: str, like: Mapping[str, Evidence]) -> dict[str, Evidence]:
        """Return what is known of a rollout.

        Args:
            rollout: Its `id`.
            like: The guards, with evidence of their widths.

        Raises:
            DataError: If the file is damaged.
        """
        if not os.path.lexists(self._path):
            return dict(like)
        with self._open() as sql:
            return self._known(sql, rollout, like)

    def add(self, rollout: str, fresh: Mapping[str, Evidence]) -> dict[str, Evidence]:
        """Add what was seen, and forget other rollouts.

        Args:
            rollout: Its `id`.
            fresh: What is new, by guard.

        Returns:
            What is known now of these guards.

        Raises:
            DataError: If the file is damaged.
            OSError: If it cannot be written; nothing was added then.
        """
        with self._open() as sql:
            for table in ("evidence", "outcomes"):
                sql.execute(f"DELETE FROM {table} WHERE rollout != ?", (rollout,))
            known = self._known(sql, rollout, fresh)
            for name, one in fresh.items():
                known[name].add(one)
            rows = [
                (rollout, name, one.count, _bytes(one.total), _bytes(one.logs))
                for name, one in known.items()
            ]
            sql.executemany("REPLACE INTO evidence VALUES (?, ?, ?, ?, ?)", rows)
        return known

    def is_new(self, rollout: str, request_id: str) -> bool:
        """Tell whether nobody has reported of a request yet, and remember that somebody has.

        Args:
            rollout: Its `id`.
            request_id: Of the answer.

        Raises:
            DataError: If the file is damaged.
            OSError: If it cannot be written.
        """
        with self._open() as sql:
            asked = "INSERT OR IGNORE INTO outcomes VALUES (?, ?)"
            return sql.execute(asked, (rollout, request_id)).rowcount == 1

    def _known(
        self, sql: sqlite3.Connection, rollout: str, like: Mapping[str, Evidence]
    ) -> dict[str, Evidence]:
        found = {name: Evidence.none(len(one.total)) for name, one in like.items()}
        asked = "SELECT guard, count, total, logs FROM evidence WHERE rollout = ?"
        for name, count, total, logs in sql.execute(asked, (rollout,)):
            if name in found:
                none = found[name]
                try:
                    found[name] = Evidence(
                        int(count),
                        np.frombuffer(total, "<f8").reshape(none.total.shape),
                        np.frombuffer(logs, "<f8").reshape(none.logs.shape),
                    )
                except (TypeError, ValueError) as error:
                    raise sqlite3.DatabaseError(f"what it says of {name} is damaged") from error
        return found


def _bytes(values: np.ndarray) -> bytes:
    return np.asarray(values, "<f8").tobytes()
