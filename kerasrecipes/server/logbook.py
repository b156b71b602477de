"""What a server writes down: a line for each request, and each answer in a journal."""

import json
import queue
import sys
import threading
from collections.abc import Callable
from typing import Any

from kerasrecipes.console import warn
from kerasrecipes.errors import first_line
from kerasrecipes.serve.entry import JournalEntry, Truth
from kerasrecipes.serve.journal import Journal

_MOST_WAITING = 10_000
_TOGETHER = 500


def write_line(told: dict[str, Any]) -> bool:
    """Write one line of JSON to the standard output.

    Args:
        told: What it says.

    Returns:
        Whether it could be written; a full disk stops no answer.
    """
    try:
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
    except (OSError, ValueError):
        return False
    return True


class JournalWriter:
    """Keeps answers in a journal, in a thread of its own: nobody waits for the disk.

    Args:
        journal: The journal.
        dropped: Called with how many could not be kept.
    """

    def __init__(self, journal: Journal, dropped: Callable[[float], None]):
        self._journal, self._dropped, self._told = journal, dropped, False
        self._entries: queue.Queue[JournalEntry | None] = queue.Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._write, name="journal", daemon=True)
        self._thread.start()

    def add(self, entry: JournalEntry) -> None:
        """Keep an answer, soon.

        Args:
            entry: The answer.
        """
        try:
            self._entries.put_nowait(entry)
        except queue.Full:
            self._dropped(1)

    def tell(self, request_id: str, truth: Truth) -> bool:
        """Keep what should have been answered.

        Args:
            request_id: Of the answer.
            truth: A class, labels, or a number.

        Returns:
            Whether that answer is known.

        Raises:
            OSError: If the disk is full.
        """
        self._entries.join()
        return not self._journal.tell({request_id: truth})

    def find(self, request_id: str) -> JournalEntry | None:
        """Return an answer; `None` if it is not known.

        Args:
            request_id: Its id.

        Raises:
            DataError: If the journal was damaged.
        """
        self._entries.join()
        return self._journal.find(request_id)

    def close(self) -> None:
        """Write what waits, and let the file go."""
        self._entries.put(None)
        self._thread.join()
        self._journal.close()

    def _write(self) -> None:
        ended = False
        while not ended:
            some = [self._entries.get()]
            while len(some) < _TOGETHER and not self._entries.empty():
                some.append(self._entries.get_nowait())
            ended = None in some
            entries = [one for one in some if one is not None]
            try:
                self._journal.add(entries)
            except (OSError, ValueError) as error:
                self._dropped(len(entries))
                if not self._told:
                    self._told = True
                    warn(f"Answers cannot be kept: {first_line(error)}")
            for _ in some:
                self._entries.task_done()
