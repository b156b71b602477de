"""Two models on the same photos: what chance alone would do."""

import math

import numpy as np

from kerasrecipes.statistics.intervals import bootstrap_interval


def mcnemar_p_value(lost: int, gained: int) -> float:
    """Find how likely two equally good models would differ so much, exactly.

    Only the photos that one model gets right and the other wrong say which is better. If they
    are equally good, each such photo falls to either side like a coin.

    Args:
        lost: Photos that only the first model gets right.
        gained: Photos that only the second model gets right.

    Returns:
        The two-sided p-value; 1 when there are no such photos. It is exact and so rather too
        large than too small: a small one is evidence, a large one is none of equality.

    Raises:
        ValueError: If a count is negative.

    Example:
        >>> mcnemar_p_value(lost=9, gained=1)
        0.021484375

    Reference:
        McNemar, 1947, "Note on the sampling error of the difference between correlated
        proportions or percentages"; the exact form is the conditional test of Fagerland,
        Lydersen and Laake, 2013, "The McNemar test for binary matched-pairs data".
    """
    if lost < 0 or gained < 0:
        raise ValueError(
            f"`lost` and `gained` must be counts. Received: lost={lost}, gained={gained}."
        )
    differing = lost + gained
    # Whole numbers of any size divide exactly where floats would overflow.
    ways = tail = 1
    for k in range(min(lost, gained)):
        ways = ways * (differing - k) // (k + 1)
        tail += ways
    return min(1.0, 2 * tail / 2**differing)


def bootstrap_difference(
    correct_a: np.ndarray, correct_b: np.ndarray, seed: int = 0
) -> tuple[float, float]:
    """Find the difference in accuracy, a − b, over resampled photos.

    Args:
        correct_a: Whether model a was right, per photo.
        correct_b: Whether model b was right, for the same photos in the same order.
        seed: Seed of the resampling.

    Returns:
        The middle 95 % of the differences; `(nan, nan)` when no photo tells the models apart,
        since resamples that all agree know nothing of chance.
        `paired_difference_interval` holds then, too.

    Raises:
        ValueError: If the arrays are empty or differ in length.

    Example:
        >>> right = np.arange(100) >= 6
        >>> bootstrap_difference(right, np.ones(100, bool))
        (-0.11, -0.02)

    Reference:
        Efron and Tibshirani, 1993, "An Introduction to the Bootstrap", section 13.3.
    """
    a, b = np.asarray(correct_a, dtype=bool), np.asarray(correct_b, dtype=bool)
    if a.ndim != 1 or a.shape != b.shape or not len(a):
        raise ValueError(
            "`correct_a` and `correct_b` must be one-dimensional, of equal length, at least 1. "
            f"Received shapes: {a.shape} and {b.shape}."
        )
    if np.array_equal(a, b):
        return math.nan, math.nan
    return bootstrap_interval(np.mean, a.astype(np.int8) - b.astype(np.int8), seed=seed)
