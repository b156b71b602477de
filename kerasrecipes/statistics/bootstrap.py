"""Many metrics at once, each with its interval, from one set of resamples."""

from collections.abc import Callable, Sequence

import numpy as np

from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.statistics.intervals import (
    ANYWHERE,
    independent,
    resample_counts,
    resampled_interval,
)

REPEATS = 1000


def bootstrap_estimates(
    measure: Callable[[np.ndarray], np.ndarray],
    rows: int,
    *,
    seed: int = 0,
    stratify: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    lies: Sequence[tuple[float, float]] = (ANYWHERE,),
) -> list[Estimate]:
    """Estimate metrics on a sample, with intervals from a thousand resamples.

    Args:
        measure: Called with how often each row counts, shape `(resamples, rows)`; returns one
            metric per column, shape `(resamples, metrics)`, NaN where undefined.
        rows: Number of rows of the sample.
        seed: Seed of the resampling.
        stratify: Class of each row; each class then keeps its number of rows.
        groups: Number of each row's group, from 0; whole groups are then resampled.
        lies: Between what each metric can lie, see `resampled_interval`; the last one holds for
            all that follow.

    Returns:
        One estimate per metric. It has no interval where all resamples agree: they say nothing
        about the uncertainty then.

    Example:
        >>> values = np.arange(100.0)
        >>> mean = lambda counts: (counts @ values / counts.sum(axis=1))[:, None]
        >>> print(bootstrap_estimates(mean, 100)[0].number(0))
        50 (44–55)

    Reference:
        Efron and Tibshirani, 1993, "An Introduction to the Bootstrap", section 13.3; groups as in
        Davison and Hinkley, 1997, "Bootstrap Methods and their Application", section 3.8.
    """
    values = measure(np.ones((1, rows)))[0]
    drawn = resample_counts(rows, REPEATS, seed, stratify, groups)
    columns = np.concatenate([measure(counts) for counts in drawn])
    estimates = []
    ends = [*lies, *[lies[-1]] * len(values)][: len(values)]
    for value, column, between in zip(values, columns.T, ends, strict=True):
        low, high = resampled_interval(value, column, independent(rows, groups, between), between)
        estimates.append(Estimate(value, low, high) if high > low else Estimate(value))
    return estimates
