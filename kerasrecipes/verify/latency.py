"""How long an exported file takes for one photo on this machine."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasrecipes.errors import DataError, listed, printable
from kerasrecipes.export import get_format, list_formats

_WARM_UP = 5
_MAX_SECONDS = 8.0
_MIN_ROUNDS = 10


@dataclass(frozen=True)
class Latency:
    """Time for one decoded photo, in milliseconds.

    Args:
        median_ms: Half of the runs were faster.
        p95_ms: 95 of 100 runs were faster.
        runs: How many runs were timed, after warm-up.
    """

    median_ms: float
    p95_ms: float
    runs: int


def benchmark_export(
    path: str | Path, threads: Sequence[int] = (1, 2), runs: int = 50
) -> dict[int, Latency]:
    """Time an exported file on this machine, photo by photo.

    Runs with different numbers of threads take turns, so that a busy moment of the machine
    hits all of them. Check the digest of the file first.

    Args:
        path: An exported file.
        threads: The numbers of CPU threads to time.
        runs: Timed runs each, ≥ 10; fewer when the model is slow.

    Returns:
        Threads to latency.

    Raises:
        DataError: If no format has the file's suffix, or the file cannot be opened.
        ValueError: If `runs` or `threads` cannot be used.
    """
    if runs < _MIN_ROUNDS:
        raise ValueError(f"`runs` must be at least {_MIN_ROUNDS}, received {runs}.")
    if not threads:
        raise ValueError("`threads` must name at least one number of threads, e.g. (1, 2).")
    path = Path(path)
    formats = [get_format(name) for name in list_formats()]
    fitting = [f for f in formats if f.suffix == path.suffix]
    if not fitting:
        raise DataError(
            f"'{printable(path)}' is no exported file: known suffixes are "
            f"{listed(f.suffix for f in formats)}. Pass the file inside a bundle's exports/."
        )
    models = {count: fitting[0].load(path, threads=count) for count in threads}
    height, width = models[threads[0]].image_size
    photo = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), dtype=np.uint8)
    return time_in_turns({n: lambda m=m: m(photo) for n, m in models.items()}, runs)


def time_in_turns(calls: Mapping[int, Callable[[], object]], runs: int) -> dict[int, Latency]:
    """Time several calls so that they meet the same load of the machine.

    Args:
        calls: Key to the function that is timed.
        runs: Timed runs each; stops early, after ten, when they take too long.

    Returns:
        Key to latency.
    """
    for call in calls.values():
        for _ in range(_WARM_UP):
            call()
    times: dict[int, list[float]] = {key: [] for key in calls}
    begin = time.perf_counter()
    for done in range(runs):
        if done >= _MIN_ROUNDS and time.perf_counter() - begin > _MAX_SECONDS:
            break
        for key, call in calls.items():
            start = time.perf_counter()
            call()
            times[key].append(1000 * (time.perf_counter() - start))
    return {
        key: Latency(float(np.median(t)), float(np.percentile(t, 95)), len(t))
        for key, t in times.items()
    }
