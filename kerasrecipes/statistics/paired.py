"""Two models on the same photos: what chance alone would do."""

import math

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.errors import is_number
from kerasrecipes.statistics.clustered import clustered_difference
from kerasrecipes.statistics.intervals import bootstrap_interval, paired_difference_interval

_MOST = 10**7  # each is a step of the exact sum


@named
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
    if not all(is_number(count, 0, _MOST, whole=True) for count in (lost, gained)):
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


@named
def bootstrap_difference(
    correct_a: np.ndarray,
    correct_b: np.ndarray,
    seed: int = 0,
    groups: np.ndarray | None = None,
) -> tuple[float, float]:
    """Find the difference in accuracy, a − b, over resampled photos.

    Args:
        correct_a: Whether model a was right, per photo.
        correct_b: Whether model b was right, for the same photos in the same order.
        seed: Seed of the resampling.
        groups: Number of each photo's group, from 0; whole groups are then resampled.

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
    apart = a.astype(np.int8) - b.astype(np.int8)
    return bootstrap_interval(np.mean, apart, seed=seed, groups=groups)


def mean_difference_interval(
    first: np.ndarray, second: np.ndarray, groups: np.ndarray | None = None
) -> tuple[float, float]:
    """Find the 95 % interval of the difference of two means over the same rows.

    Args:
        first, second: How good two models are on each row, shape `(n,)` each: 0 or 1 throughout,
            or any numbers.
        groups: Number of each row's group, from 0; `None` if rows are independent.

    Returns:
        `(low, high)` of `mean(first) - mean(second)`: of shares in closed form, else by
        bootstrap; without ends for numbers that are all of one group.

    Example:
        >>> low, high = mean_difference_interval(np.ones(198), np.ones(198))
        >>> round(low, 4), round(high, 4)
        (-0.0139, 0.0139)
    """
    if not (np.isin(first, (0, 1)).all() and np.isin(second, (0, 1)).all()):
        low, high = bootstrap_interval(np.mean, first - second, groups=groups)
        return (-math.inf, math.inf) if math.isnan(low) else (low, high)
    first, second = first.astype(bool), second.astype(bool)
    if groups is None:
        return paired_difference_interval(first, second)
    return clustered_difference(first, second, groups)


def sign_flip_p_value(differences: np.ndarray, groups: np.ndarray) -> float:
    """Find how likely two equally good models would differ so much on rows that belong together.

    If they are equally good, what one gains in a group might as well be the other's gain. All
    ways to swap the models, group by group, are counted; with groups of one row each this is
    McNemar's exact test.

    Args:
        differences: −1 for a row that only the first model gets right, 1 for one that only the
            second does, else 0, shape `(n,)`.
        groups: Number of each row's group, from 0, shape `(n,)`.

    Returns:
        The two-sided p-value; 1 when no row tells the models apart.

    Example:
        >>> sign_flip_p_value(np.ones(12, int), np.arange(12) // 3)
        0.125

    Reference:
        Fisher, 1935, "The Design of Experiments", section 21.
    """
    sums = np.bincount(groups, weights=differences).astype(np.int64)
    chances = np.ones(1)
    for size in np.abs(sums[sums != 0]).tolist():
        wider = np.zeros(len(chances) + 2 * size)
        wider[: len(chances)] += chances / 2
        wider[2 * size :] += chances / 2
        chances = wider
    reach = np.abs(np.arange(len(chances)) - len(chances) // 2)
    return min(1.0, float(chances[reach >= abs(int(sums.sum()))].sum()))
