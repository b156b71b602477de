"""What a device has to tell, kept until a receiver has it: at least once, in order, none twice.

It stands alone: its text becomes part of the one file that a device has.
"""

import json
import os
import sqlite3
import sys
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any, TypeVar

Found = TypeVar("Found")

# From such a share of a full queue on, one answer in so many is kept, and stands for all of them.
SAMPLING = ((0.9, 8), (0.75, 4), (0.5, 2), (0.0, 1))
MOST_WAITING, BATCH, SECONDS = 20_000, 200, 20.0
MOST_DOUBTED = 1000
# A receiver takes 8 MiB at once; a line may come on top.
BATCH_SIGNS = 4 << 20


class Queue:
    """What waits to be sent; a power cut loses nothing that `put` has returned from.

    Args:
        path: The file.
        most: How many lines it holds; the oldest make room.

    Raises:
        ValueError: If that is none.
    """

    def __init__(self, path: str | Path, most: int = MOST_WAITING):
        if most < 1:
            raise ValueError(f"a queue must hold 1 line or more, not {most}")
        self._path, self._most = str(path), most
        self._sql = sqlite3.connect(self._path, timeout=30, isolation_level=None)
        try:
            self._whole(self._begin)
        except sqlite3.Error:
            self._sql.close()
            raise

    def _begin(self) -> None:
        self._sql.execute("PRAGMA journal_mode = WAL")
        self._sql.execute("PRAGMA synchronous = FULL")
        with self._changing():
            self._sql.execute(
                "CREATE TABLE IF NOT EXISTS waiting (number INTEGER PRIMARY KEY AUTOINCREMENT, "
                "entry TEXT NOT NULL, stands_for INTEGER NOT NULL)"
            )
            self._sql.execute(
                "CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL)"
            )
            # Dropped after they were sent, before it was known whether they arrived.
            self._sql.execute(
                "CREATE TABLE IF NOT EXISTS doubted "
                "(number INTEGER PRIMARY KEY, stands_for INTEGER NOT NULL)"
            )
            # A queue that was lost and begun anew counts from 1 again: it is another one.
            self._sql.execute("INSERT OR IGNORE INTO about VALUES ('id', ?)", (uuid.uuid4().hex,))

    def _whole(self, do: Callable[[], Found]) -> Found:
        """Do something with the file; one that is damaged is set aside, and another begins."""
        try:
            return do()
        except sqlite3.DatabaseError as error:
            # What is derived from it, e.g. of a full disk, says that it cannot be done now.
            if type(error) is not sqlite3.DatabaseError:
                raise
            print(f"{self._path} is set aside, and begun anew: {error}", file=sys.stderr)
        self._sql.close()
        for end in ("-wal", "-shm", ""):
            if os.path.exists(self._path + end):
                os.replace(self._path + end, f"{self._path}.damaged{end}")
        self._sql = sqlite3.connect(self._path, timeout=30, isolation_level=None)
        self._begin()
        return do()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        self._sql.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._sql.execute("COMMIT")
        except BaseException:
            if self._sql.in_transaction:  # a full disk has ended it already
                self._sql.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Let the file go."""
        self._sql.close()

    def _about(self, name: str) -> str:
        row = self._sql.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
        return row[0] if row else "0"

    def _add(self, name: str, more: int) -> None:
        total = int(self._about(name)) + more
        self._sql.execute("REPLACE INTO about VALUES (?, ?)", (name, str(total)))

    def _one(self, statement: str) -> int:
        return int(self._sql.execute(statement).fetchone()[0] or 0)

    @property
    def id(self) -> str:
        """What tells this queue from all others."""
        return self._about("id")

    @property
    def dropped(self) -> int:
        """How many answers were dropped, ever, and surely never arrived."""
        return int(self._about("dropped"))

    @property
    def doubted(self) -> int:
        """How many answers were dropped that may have arrived; the receiver knows, and counts."""
        return sum(many for _, many in self._doubted())

    @property
    def waiting(self) -> int:
        """How many answers wait, those too that a sampled one will stand for."""
        held = self._one("SELECT sum(stands_for) FROM waiting")
        return held + int(self._about("skipped"))

    @property
    def sparing(self) -> str:
        """What `put` was told last of a smaller model."""
        return self._whole(lambda: self._about("sparing"))

    def put(self, entry: dict[str, Any], sparing: str = "") -> None:
        """Queue an answer; where the queue fills, one in several, which stands for the others.

        Args:
            entry: The answer.
            sparing: What to keep beside it of when a smaller model answers.
        """
        self._whole(lambda: self._put(entry, sparing))

    def _put(self, entry: dict[str, Any], sparing: str) -> None:
        with self._changing():
            if sparing:
                self._sql.execute("REPLACE INTO about VALUES ('sparing', ?)", (sparing,))
            fill = self._one("SELECT count(*) FROM waiting") / self._most
            skipped = int(self._about("skipped")) + 1
            if skipped < next(one_in for share, one_in in SAMPLING if fill >= share):
                self._add("skipped", 1)
                return
            self._sql.execute("REPLACE INTO about VALUES ('skipped', '0')")
            told = json.dumps({**entry, "stands_for": skipped})
            self._sql.execute(
                "INSERT INTO waiting (entry, stands_for) VALUES (?, ?)", (told, skipped)
            )
            oldest = "SELECT number FROM waiting ORDER BY number DESC LIMIT -1 OFFSET " + str(
                self._most
            )
            rows = "SELECT number, stands_for FROM waiting WHERE number IN"
            gone = self._sql.execute(f"{rows} ({oldest})").fetchall()
            self._sql.execute(f"DELETE FROM waiting WHERE number IN ({oldest})")
            sent, room = int(self._about("sent")), MOST_DOUBTED - len(self._doubted())
            doubted = [row for row in gone if row[0] <= sent][:room]
            self._sql.executemany("INSERT INTO doubted VALUES (?, ?)", doubted)
            if many := sum(row[1] for row in gone if row not in doubted):
                self._add("dropped", many)

    def _doubted(self) -> list[tuple[int, int]]:
        return self._sql.execute(
            "SELECT number, stands_for FROM doubted ORDER BY number"
        ).fetchall()

    def batch(self, most: int = BATCH) -> dict[str, Any]:
        """Return the oldest lines as they are sent; they stay until they are acknowledged."""
        return self._whole(lambda: self._batch(most))

    def _batch(self, most: int) -> dict[str, Any]:
        lines, signs = [], 0
        oldest = "SELECT number, entry FROM waiting ORDER BY number LIMIT ?"
        with self._changing():
            with closing(self._sql.execute(oldest, (most,))) as rows:
                for number, entry in rows:
                    lines.append([number, json.loads(entry)])
                    signs += len(entry)
                    if signs > BATCH_SIGNS:
                        break
            # It may arrive from now on, whatever comes of it.
            if lines and lines[-1][0] > int(self._about("sent")):
                self._sql.execute("REPLACE INTO about VALUES ('sent', ?)", (str(lines[-1][0]),))
            return {
                "queue": self.id,
                "dropped": self.dropped,
                "doubted": self._doubted(),
                "lines": lines,
            }

    def acknowledged(self, last: int) -> None:
        """Forget what the receiver has."""
        with self._changing():
            self._sql.execute("DELETE FROM waiting WHERE number <= ?", (last,))
            self._sql.execute("DELETE FROM doubted WHERE number <= ?", (last,))


def drain(queue: Queue, post: Callable[[dict[str, Any]], dict[str, Any]]) -> int:
    """Send all that waits; what fails stays for the next time.

    Args:
        queue: The queue.
        post: Sends a batch, and returns what the receiver answered.

    Returns:
        How many lines were sent.
    """
    sent = 0
    while lines := (batch := queue.batch())["lines"]:
        last = min(post(batch)["last"], lines[-1][0])
        if last < lines[0][0]:
            raise OSError("the receiver did not take what it was sent")
        queue.acknowledged(last)
        sent += sum(number <= last for number, _ in lines)
    return sent


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows nobody elsewhere: what is sent on has lost its lines, but not the token."""

    def redirect_request(self, *_: Any) -> None:
        return None


def poster(address: str, device: str, token: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return what sends a batch to a receiver.

    Args:
        address: Of the receiver, e.g. `"https://collect.example.com/collect"`.
        device: Name of this device.
        token: What it shows to be let in.
    """

    opener = urllib.request.build_opener(_Stay)

    def post(batch: dict[str, Any]) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        content = json.dumps({"device": device, **batch}).encode()
        request = urllib.request.Request(address, content, headers, method="POST")
        try:
            with opener.open(request, timeout=SECONDS) as answer:
                return {"last": int(json.loads(answer.read(1 << 16))["last"])}
        except (HTTPException, ValueError, LookupError, TypeError) as error:
            # E.g. the page of a network that wants a password first.
            raise OSError(f"no receiver answered: {error!r}") from error

    return post
