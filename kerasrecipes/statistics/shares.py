"""Shares of what was counted, with score intervals, and F1 where only shares bound it."""

import math
from functools import lru_cache

import numpy as np

from kerasrecipes.statistics.clustered import clustered_share
from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.statistics.intervals import wilson_interval

_DRAWS = 2000
# The level falls by less than half from here to a hundred thousand, so that half of it is enough.
_MOST = 400


def counted_share(successes: float, trials: float, confidence: float = 0.95) -> Estimate:
    """Estimate a share from counts.

    Args:
        successes: How often it happened.
        trials: How often it could have happened.
        confidence: Probability that such an interval covers the true share.

    Returns:
        The share with its Wilson interval; NaN without trials.

    Example:
        >>> print(counted_share(84, 100).percent())
        84% (76–90)
    """
    if not trials:
        return Estimate(math.nan)
    return Estimate(successes / trials, *wilson_interval(successes, trials, confidence))


def share_of(
    right: np.ndarray, groups: np.ndarray | None = None, confidence: float = 0.95
) -> Estimate:
    """Estimate a share from rows, of which some may belong together.

    Args:
        right: Whether it happened, per row, shape `(n,)`.
        groups: What each row belongs to, shape `(n,)`; `None` if rows are independent.
        confidence: Probability that such an interval covers the true share.

    Returns:
        The share with its Wilson interval, or that of `clustered_share`; NaN without rows.
    """
    if groups is None:
        return counted_share(float(np.sum(right)), len(right), confidence)
    return clustered_share(right, groups, confidence)


def f1_from_shares(value: float, precision: Estimate, recall: Estimate) -> Estimate:
    """Bound F1 by the ends of precision and recall, where resampling shows no spread.

    Args:
        value: F1; NaN where it is undefined.
        precision: Share that is right when named; NaN if never named.
        recall: Share that was found.
    """
    if math.isnan(value):
        return Estimate(math.nan)
    if math.isnan(precision.value):
        precision = Estimate(0.0, 0.0, 1.0)
    low, high = (
        2 * p * r / (p + r) if p + r else 0.0
        for p, r in ((precision.low, recall.low), (precision.high, recall.high))
    )
    return Estimate(value, low, high)


@lru_cache(maxsize=64)
def level_of_each(count: int, confidence: float) -> float:
    """Return the level of exact one-sided bounds of which all hold together.

    The share of all that lies below the k-th smallest of n values follows the beta distribution
    (k, n − k + 1). A threshold that is chosen after a look at the values may fall where one of
    these n shares is far from what is seen: only bounds that hold at all of them hold there.

    Args:
        count: Number of values, ≥ 1.
        confidence: Probability that no bound fails, between 0 and 1.

    Returns:
        What each may fail with by itself; simulated with a fixed seed.

    Example:
        >>> round(level_of_each(1, 0.95), 2)
        0.05
        >>> level_of_each(80, 0.95) < 0.005
        True

    Reference:
        Berk and Jones, 1979, "Goodness-of-fit test statistics that dominate the Kolmogorov
        statistics".
    """
    from scipy.special import betaincc

    kept = min(count, _MOST)
    shares = np.sort(np.random.default_rng(0).random((_DRAWS, kept)), axis=1)
    places = np.arange(1, kept + 1)
    least = betaincc(places, kept - places + 1, shares).min(axis=1)
    level = float(np.quantile(least, 1 - confidence))
    return level if count <= _MOST else level / 2
