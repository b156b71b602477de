"""Photos inspected by processes beside this one, where they are very many.

Small photos keep the interpreter busy rather than a decoder, so that threads do not help. A process
takes photos only that need hardly any memory, and gives the others back: what all photos together
may take is counted in one place.
"""

import os
import pickle
import queue
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kerasrecipes.environment import process_beside
from kerasrecipes.errors import DataError, KerasRecipesError, printable
from kerasrecipes.photos.decoding import budget
from kerasrecipes.photos.decoding.policy import DecodePolicy
from kerasrecipes.photos.inspection import inspect_photo
from kerasrecipes.photos.photo_set import PhotoFacts

Found = PhotoFacts | str
_CODE = "from kerasrecipes.photos.inspecting import main; main()"


def facts_of(path: Path, policy: DecodePolicy, content: bytes | None = None) -> Found:
    """Return what `inspect_photo` finds, or why the photo cannot be used.

    Args:
        path: See `inspect_photo`.
        policy: See `inspect_photo`.
        content: See `inspect_photo`.
    """
    try:
        return inspect_photo(path, policy, content)
    except DataError as error:
        return str(error)


class Inspectors:
    """Processes that inspect photos; as a context, they end with it.

    Args:
        count: How many.
        policy: Decides which photos are refused.
    """

    def __init__(self, count: int, policy: DecodePolicy):
        self._policy = policy
        self._all: list[subprocess.Popen[bytes]] = []
        self._free: queue.SimpleQueue[subprocess.Popen[bytes]] = queue.SimpleQueue()
        for _ in range(count):
            self._all.append(process_beside(_CODE))
            self._free.put(self._all[-1])

    def __enter__(self) -> "Inspectors":
        return self

    def __exit__(self, *error: object) -> None:
        for one in self._all:
            one.kill()
            one.communicate()

    def inspect(self, paths: Sequence[Path]) -> list[Found]:
        """Inspect photos in a process that is free; called by as many threads as there are.

        Args:
            paths: The photos.

        Raises:
            DataError: If the process ends meanwhile.
        """
        process = self._free.get()
        try:
            if process.stdin is None or process.stdout is None:
                raise BrokenPipeError
            pickle.dump((self._policy, list(map(str, paths))), process.stdin)
            process.stdin.flush()
            found = pickle.load(process.stdout)
        except (EOFError, OSError, ValueError, pickle.UnpicklingError) as error:
            raise DataError(
                f"A process that read photos ended with exit code {process.wait()} between "
                f"'{printable(paths[0])}' and '{printable(paths[-1])}'. If one of them is the "
                "reason, leave it out; else there may be too little memory."
            ) from error
        finally:
            self._free.put(process)  # also where it ended: nobody must wait for it
        return [
            facts_of(path, self._policy) if facts is None else facts
            for path, facts in zip(paths, found, strict=True)
        ]


class _ElsewhereError(BaseException):
    """A photo needs memory that is counted in another process; nothing takes it for its fault."""


class _NoMemory(budget.Memory):
    @contextmanager
    def taken(self, size: int) -> Iterator[None]:
        raise _ElsewhereError
        yield


def main() -> None:
    """Inspect photos until whoever sends their paths is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with the process that began it
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing that a library prints may come between
    budget.MEMORY = _NoMemory(0)
    while True:
        try:
            policy, paths = pickle.load(sys.stdin.buffer)
            pickle.dump([_small_facts_of(Path(path), policy) for path in paths], out)
            out.flush()
        except EOFError:
            return


def _small_facts_of(path: Path, policy: DecodePolicy) -> Found | None:
    try:
        return facts_of(path, policy)
    except (_ElsewhereError, KerasRecipesError):  # as well a library that is not installed
        return None
