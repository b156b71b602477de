"""Computing answers: as many at once as there are cores, and a queue that ends."""

import asyncio
import os
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, cast

from kerasrecipes.console import warn
from kerasrecipes.errors import first_line
from kerasrecipes.server.refused import overloaded

T = TypeVar("T")
# Work that nobody waits for yields to all other.
_NICE = 10
# How long work that nobody waits for looks away while all threads are taken.
_PAUSE = 0.002


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
        answer: asyncio.Future[T] = loop.create_future()

        def punctual() -> T:
            if time.monotonic() > due:
                raise overloaded(f"It has waited for more than {self._wait_seconds:g} seconds.")
            return work()

        def ended(found: T | None, error: BaseException | None) -> None:
            self.held -= 1
            if not answer.done():  # else nobody waits any more
                answer.set_exception(error) if error else answer.set_result(cast(T, found))

        begun = self._pool.submit(_compute, punctual, loop, ended)
        try:
            return await answer
        except asyncio.CancelledError:
            # The thread of what has begun is taken until it ends.
            if begun.cancel():
                self.held -= 1
            raise

    def close(self) -> None:
        """Let the threads end after what they compute now."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _compute(
    work: Callable[[], T],
    loop: asyncio.AbstractEventLoop,
    ended: Callable[[T | None, BaseException | None], None],
) -> None:
    """Do some work, and wake the loop once, for all that follows."""
    try:
        found = work()
    except BaseException as error:
        loop.call_soon_threadsafe(ended, None, error)
    else:
        loop.call_soon_threadsafe(ended, found, None)


class Unseen:
    """Work that nobody waits for: one piece at a time, while a thread of the lane is free.

    Args:
        lane: What goes first.
        most: How many pieces may wait.
        most_bytes: How many bytes they may hold in all.
        dropped: Told how many could not wait.
    """

    def __init__(self, lane: Lane, most: int, most_bytes: int, dropped: Callable[[float], None]):
        self._lane, self._room, self._dropped = lane, most_bytes, dropped
        self._waiting: queue.Queue[tuple[Callable[[], None], int] | None] = queue.Queue(most)
        self._lock, self._ends, self._is_told = threading.Lock(), False, False
        self._thread = threading.Thread(target=self._work, name="unseen", daemon=True)
        self._thread.start()

    def add(self, work: Callable[[], None], size: int) -> None:
        """Do something later, or not at all where too much waits.

        Args:
            work: What to do.
            size: How many bytes it holds.
        """
        with self._lock:
            if self._ends or size > self._room or self._waiting.full():
                self._dropped(1)
                return
            self._room -= size
            self._waiting.put_nowait((work, size))

    @property
    def idle(self) -> bool:
        """Whether nothing waits, and nothing is done now."""
        return not self._waiting.unfinished_tasks

    def close(self) -> None:
        """Do no more than what was begun."""
        with self._lock:
            self._ends = True
            while not self._waiting.empty():
                self._waiting.get_nowait()
            self._waiting.put_nowait(None)
        self._thread.join()

    def _work(self) -> None:
        nice = min(19, os.getpriority(os.PRIO_PROCESS, 0) + _NICE)
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)
        while (found := self._waiting.get()) is not None:
            work, size = found
            while self._lane.held >= self._lane.workers and not self._ends:
                time.sleep(_PAUSE)
            try:
                work()
            except Exception as error:
                if not self._is_told:
                    self._is_told = True
                    warn(f"What nobody waits for failed: {first_line(error)}")
            with self._lock:
                self._room += size
            self._waiting.task_done()


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
