"""Computing answers: as many at once as there are cores, and a queue that ends."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from kerasrecipes.server.refused import overloaded

T = TypeVar("T")


class Lane:
    """Threads that compute, and requests that wait for them.

    Args:
        workers: How many are computed at once.
        queue: How many may wait.
        wait_seconds: How long one may wait; what comes later is of no use to who asked.
    """

    def __init__(self, workers: int, queue: int, wait_seconds: float):
        self.workers, self.queue, self.held = workers, queue, 0
        self._wait_seconds = wait_seconds
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="answers")

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return max(0, self.held - self.workers)

    async def run(self, work: Callable[[], T]) -> T:
        """Compute something as soon as there is a thread for it.

        Args:
            work: What to compute; it goes on when nobody waits for it any more.

        Raises:
            Refused: If too many wait already, or it has waited too long.
        """
        if self.held >= self.workers + self.queue:
            raise overloaded(f"{self.held} requests are being answered or wait, no more may.")
        self.held += 1
        loop, due = asyncio.get_running_loop(), time.monotonic() + self._wait_seconds

        def punctual() -> T:
            if time.monotonic() > due:
                raise overloaded(f"It has waited for more than {self._wait_seconds:g} seconds.")
            return work()

        future = self._pool.submit(punctual)
        # Also of what was cancelled: its thread is taken until it ends.
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._ended))
        return await asyncio.wrap_future(future)

    def _ended(self) -> None:
        self.held -= 1

    def close(self) -> None:
        """Let the threads end after what they compute now."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class Held:
    """How many bytes of requests are in memory.

    Args:
        most: How many may be.
    """

    def __init__(self, most: int):
        self.most, self.held = most, 0

    def take(self, size: int) -> None:
        """Take room for so many more bytes.

        Raises:
            Refused: If there is none.
        """
        if self.held + size > self.most:
            raise overloaded(f"Requests of {self.held:,} bytes are in memory already.")
        self.held += size

    def give(self, size: int) -> None:
        """Give room back."""
        self.held -= size
