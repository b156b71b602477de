"""The local engine: processes on this machine, and a queue of shards."""

import json
import queue
import subprocess
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from kerasrecipes import errors
from kerasrecipes.console import warn
from kerasrecipes.environment import process_beside
from kerasrecipes.errors import DataError, KerasRecipesError, printable
from kerasrecipes.files import told_error
from kerasrecipes.scoring.job import Job
from kerasrecipes.scoring.worker import AT, DONE

Shard = tuple[int, Sequence[str]]
# So often a worker may end at one example before that is left out.
_ENDS = 3
_BEGINNING = -1
_CODE = "from kerasrecipes.scoring.worker import main; main()"


def run_local(job: Job, to: Path, shards: Iterable[Shard], workers: int) -> Iterator[int]:
    """Let processes of this machine answer shards; one that is killed is replaced.

    Args:
        job: The job.
        to: The folder of the answers.
        shards: The shards, with the names of their examples.
        workers: How many processes.

    Yields:
        The number of each shard that was written.

    Raises:
        KerasRecipesError: What a worker could not use.
        OSError: If a worker could not write.
    """
    waiting = _Waiting(shards)
    found: queue.Queue[int | Exception | None] = queue.Queue()
    hands = [_Worker(job, to) for _ in range(workers)]
    threads = [
        threading.Thread(target=_work, args=(hand, waiting, found), daemon=True) for hand in hands
    ]
    try:
        for thread in threads:
            thread.start()
        ended = 0
        while ended < workers:
            one = found.get()
            if isinstance(one, Exception):
                raise one
            if one is None:
                ended += 1
            else:
                yield one
    finally:
        waiting.end()
        for hand in hands:
            hand.close()
        for thread in threads:
            thread.join()


class _Waiting:
    """Shards that nobody has taken yet: who is done sooner takes more."""

    def __init__(self, shards: Iterable[Shard]):
        self._shards, self._lock = iter(shards), threading.Lock()

    def take(self) -> Shard | None:
        """Return the next one; `None` if there is none."""
        with self._lock:
            return next(self._shards, None)

    def end(self) -> None:
        """Let nobody take any more."""
        with self._lock:
            self._shards = iter(())


def _work(hand: "_Worker", waiting: _Waiting, found: "queue.Queue[int | Exception | None]") -> None:
    try:
        while (shard := waiting.take()) is not None:
            hand.answer(*shard)
            found.put(shard[0])
        found.put(None)
    except Exception as error:
        found.put(error)


class _Worker:
    """A process that answers shards, begun when it is needed, and again when it was killed."""

    def __init__(self, job: Job, to: Path):
        self._first = json.dumps({"job": job.model_dump(mode="json"), "to": str(to.absolute())})
        self._process: subprocess.Popen[bytes] | None = None
        self._closed, self._lock = False, threading.Lock()

    def answer(self, number: int, names: Sequence[str]) -> None:
        """Let the shard be written, whatever becomes of the process meanwhile.

        Raises:
            KerasRecipesError: What the process could not use.
            OSError: If it could not write.
        """
        ended: Counter[int] = Counter()
        skipped: dict[int, str] = {}
        while not self._closed:
            place = self._try(number, names, skipped)
            if place is None or self._closed:
                return
            ended[place] += 1
            how = self._how_it_ended()
            if ended[place] < _ENDS:
                warn(f"A worker {how} in shard {number}; another one begins it anew.")
            elif place == _BEGINNING:
                raise DataError(
                    f"Workers {how} before their first example, {_ENDS} times. Look for the cause "
                    "above, e.g. too little memory; then run the command again."
                )
            else:
                skipped[place] = f"{_ENDS} workers ended while they read it; the last one {how}"
                warn(f"'{printable(names[place])}' is left out: {skipped[place]}.")

    def _try(self, number: int, names: Sequence[str], skipped: dict[int, str]) -> int | None:
        """Return `None` if the shard was written, or else at which example the process ended."""
        place = _BEGINNING
        try:
            process = self._running()
            sent = {"number": number, "names": names, "skipped": skipped}
            _write(process, json.dumps(sent))
            for line in process.stdout or ():
                word, what = json.loads(line)
                if word == AT:
                    place = what
                elif word == DONE:
                    return None
                else:
                    raise _error_of(*what)
        except (BrokenPipeError, json.JSONDecodeError):
            pass
        return place

    def _running(self) -> "subprocess.Popen[bytes]":
        with self._lock:
            if self._closed:
                raise BrokenPipeError
            if self._process is None or self._process.poll() is not None:
                self._process = process_beside(_CODE)
                _write(self._process, self._first)
            return self._process

    def _how_it_ended(self) -> str:
        code = self._process.wait() if self._process is not None else 1
        return f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"

    def close(self) -> None:
        """End the process, whatever it is at: what it writes is whole, or not there."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.kill()
                self._process.wait()


def _write(process: "subprocess.Popen[bytes]", line: str) -> None:
    if process.stdin is not None:
        process.stdin.write(line.encode() + b"\n")
        process.stdin.flush()


def _error_of(name: str, number: int | None, message: str) -> Exception:
    """Return what a worker raised, as far as people can do something about it."""
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, KerasRecipesError):
        return kind(message)
    if number is not None:
        return told_error(number, message.removeprefix(f"[Errno {number}] "))
    return RuntimeError(f"A worker ended with {name}: {message}")
