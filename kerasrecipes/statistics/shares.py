"""Shares of what was counted, with score intervals, and F1 where only shares bound it."""

import math

import numpy as np

from kerasrecipes.statistics.clustered import clustered_share
from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.statistics.intervals import wilson_interval


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
