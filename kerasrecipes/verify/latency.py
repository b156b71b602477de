"""How long an exported file takes for one photo on this machine."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.data.shapes import stand_in
from kerasrecipes.errors import DataError, listed, printable
from kerasrecipes.export import ExportFormat, LoadedModel, find_format, usable_formats

_WARM_UP = 5
_MIN_ROUNDS = 10
MAX_SECONDS = 8.0
Key = TypeVar("Key")


@dataclass(frozen=True)
class Latency:
    """Time for one decoded photo, in milliseconds.

    Args:
        median_ms: Half of the runs were faster.
        p95_ms: 95 of 100 runs were faster.
        runs: How many runs were timed, after warm-up.
        p99_ms: 99 of 100 runs were faster; `None` in older records.
    """

    median_ms: float
    p95_ms: float
    runs: int
    p99_ms: float | None = None

    @classmethod
    def of(cls, milliseconds: Sequence[float]) -> "Latency":
        """Sum up single runs.

        Args:
            milliseconds: Their times.

        Example:
            >>> print(Latency.of(range(101)))
            50.00 ms median, 95.00 ms p95, 99.00 ms p99
        """
        median, p95, p99 = (float(np.percentile(milliseconds, q)) for q in (50, 95, 99))
        return cls(median, p95, len(milliseconds), p99)

    def __str__(self) -> str:
        last = "" if self.p99_ms is None else f", {self.p99_ms:.2f} ms p99"
        return f"{self.median_ms:.2f} ms median, {self.p95_ms:.2f} ms p95{last}"


@named
def benchmark_export(
    path: str | Path, threads: Sequence[int] = (1, 2), runs: int = 50
) -> dict[int, Latency]:
    """Time an exported file on this machine, photo by photo.

    Runs with different numbers of threads take turns, so that a busy moment of the machine
    hits all of them. Check the digest of the file first.

    Args:
        path: An exported file.
        threads: The numbers of CPU threads to time; all cores where the runtime cannot be told.
        runs: Timed runs each, ≥ 10; fewer when the model is slow.

    Returns:
        Threads to latency.

    Raises:
        DataError: If no format has the file's suffix, or the file cannot be opened.
        ValueError: If `runs` or `threads` cannot be used.
    """
    check_timing(threads, runs)
    path = Path(path)
    if (chosen := find_format(path)) is None:
        known = (format.suffix for format in usable_formats().values())
        raise DataError(
            f"'{printable(path)}' is no exported file: known suffixes are "
            f"{listed(known)}. Pass the file inside a bundle's exports/."
        )
    return time_in_turns(calls_by_threads(chosen, path, threads), runs)


def calls_by_threads(
    chosen: ExportFormat, path: Path, threads: Sequence[int]
) -> dict[int, Callable[[], object]]:
    """Open a file once per number of threads, to be timed on a photo of noise.

    Args:
        chosen: The format of the file.
        path: The file.
        threads: The numbers of CPU threads.

    Returns:
        Threads to a call that scores one photo.
    """
    models = _load(chosen, path, threads)
    takes = next(iter(models.values()))
    noise = stand_in(takes.shape, takes.dtype)[None]
    if None not in takes.shape:
        drawn = np.random.default_rng(0).integers(0, 256, noise.shape, dtype=np.uint8)
        noise = drawn.astype(takes.dtype)
    return {count: partial(model, noise) for count, model in models.items()}


def check_timing(threads: Sequence[int], runs: int) -> None:
    """Make sure that there is something to time, before anything is loaded.

    Raises:
        ValueError: If `runs` or `threads` cannot be used.
    """
    if not isinstance(runs, int) or runs < _MIN_ROUNDS:
        raise ValueError(f"`runs` must be at least {_MIN_ROUNDS}, received {runs}.")
    if not threads:
        raise ValueError("`threads` must name at least one number of threads, e.g. (1, 2).")


def _load(chosen: ExportFormat, path: Path, threads: Sequence[int]) -> dict[int, LoadedModel]:
    if not chosen.sets_threads:  # then all cores are used, whatever was asked for
        return {len(os.sched_getaffinity(0)): chosen.load(path)}
    return {count: chosen.load(path, threads=count) for count in threads}


def time_in_turns(
    calls: Mapping[Key, Callable[[], object]], runs: int, max_seconds: float = MAX_SECONDS
) -> dict[Key, Latency]:
    """Time several calls so that they meet the same load of the machine.

    Args:
        calls: Key to the function that is timed.
        runs: Timed runs each, at most.
        max_seconds: Stops early then, but not before ten runs each.

    Returns:
        Key to latency.
    """
    for call in calls.values():
        for _ in range(_WARM_UP):
            call()
    times: dict[Key, list[float]] = {key: [] for key in calls}
    begin = time.perf_counter()
    for done in range(runs):
        if done >= _MIN_ROUNDS and time.perf_counter() - begin > max_seconds:
            break
        for key, call in calls.items():
            start = time.perf_counter()
            call()
            times[key].append(1000 * (time.perf_counter() - start))
    return {key: Latency.of(milliseconds) for key, milliseconds in times.items()}
