"""A moment at which work ends as it would by Ctrl-C: what was done is kept."""

import signal
import threading
import time
from types import FrameType
from typing import Any

from kerasrecipes.errors import DataError

_SOON = 1e-3


class NothingMeasured(DataError):
    """The minutes were over before there was anything to compare."""


class Deadline:
    """So many minutes from now; as a context, it ends what runs inside when they are over.

    What runs gets a KeyboardInterrupt, in the way in which Ctrl-C reaches it: between two steps
    of training. Outside the main thread nothing can be interrupted, and `passed` must be asked.

    Args:
        minutes: How long.
    """

    def __init__(self, minutes: float):
        self.minutes = minutes
        self._began = time.monotonic()

    @property
    def spent(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    @property
    def left(self) -> float:
        """Seconds that are left, below 0 afterwards."""
        return 60 * self.minutes - self.spent

    @property
    def passed(self) -> bool:
        """Whether it is over."""
        return self.left <= 0

    def __enter__(self) -> "Deadline":
        self._ours = threading.current_thread() is threading.main_thread()
        if self._ours:
            self._former: Any = signal.signal(signal.SIGALRM, _interrupt)
            around, _ = signal.setitimer(signal.ITIMER_REAL, max(self.left, _SOON))
            # One around this one may end earlier, and goes on afterwards.
            self._around = time.monotonic() + around if around else None
            if around and around < self.left:
                signal.setitimer(signal.ITIMER_REAL, around)
        return self

    def __exit__(self, *error: object) -> None:
        if self._ours:
            left = 0.0 if self._around is None else max(self._around - time.monotonic(), _SOON)
            signal.signal(signal.SIGALRM, self._former)
            signal.setitimer(signal.ITIMER_REAL, left)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Do what Ctrl-C does now, also where a shell has it ignored."""
    handler = signal.getsignal(signal.SIGINT)
    if callable(handler):
        handler(signal.SIGINT, frame)
    else:
        raise KeyboardInterrupt
