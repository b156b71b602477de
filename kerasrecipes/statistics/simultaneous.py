"""Means of several sets of rows at once, with intervals that hold for all of them together."""

import math
from collections.abc import Sequence

import numpy as np

from kerasrecipes.statistics.clustered import clustered_difference, clustered_error
from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.statistics.intervals import paired_difference_interval, t_of
from kerasrecipes.statistics.shares import share_of


def confidence_of_each(count: int, confidence: float = 0.95) -> float:
    """Return the confidence of a single interval, for all of several to hold with another.

    Args:
        count: How many are looked at, at least 1.
        confidence: Probability that all of them cover what they estimate.

    Example:
        >>> round(confidence_of_each(10), 4)
        0.9949

    Reference:
        Šidák, 1967, "Rectangular confidence regions for the means of multivariate normal
        distributions": exact for independent ones, and on the safe side for others.
    """
    return float(confidence ** (1 / count))


def mean_of(
    values: np.ndarray, groups: np.ndarray | None = None, confidence: float = 0.95
) -> Estimate:
    """Estimate the mean of rows, of which some may belong together.

    Args:
        values: Zeros and ones throughout, whose mean is a share; or any numbers, shape `(n,)`.
        groups: Number of each row's group; `None` if rows are independent.
        confidence: Probability that such an interval covers the true mean.

    Returns:
        Shares with their score interval, other means with Student's; NaN without rows, and no
        interval for numbers that are one row or one group, or of which one is not finite.

    Example:
        >>> print(mean_of(np.array([1.0, 2.0, 3.0, 4.0])))
        2.50 (0.45–4.55)
    """
    values = np.asarray(values, np.float64)
    if len(values) and np.isin(values, (0, 1)).all():
        return share_of(values, groups, confidence)
    return mean_of_numbers(values, groups, confidence)


def mean_of_numbers(
    values: np.ndarray, groups: np.ndarray | None = None, confidence: float = 0.95
) -> Estimate:
    """Estimate the mean of numbers, by Student; see `mean_of`."""
    if not len(values):
        return Estimate(math.nan)
    mean = float(values.mean())
    units = np.arange(len(values)) if groups is None else np.asarray(groups)
    count = len(np.unique(units))
    if count < 2 or not math.isfinite(mean):
        return Estimate(mean)
    half = t_of(confidence, count - 1) * clustered_error(values, units)
    return Estimate(mean, mean - half, mean + half)


def mean_of_estimates(estimates: Sequence[Estimate]) -> Estimate:
    """Estimate the mean of means that were measured on different rows; undefined ones are left out.

    Args:
        estimates: The means; their intervals are of one confidence, which is the result's.

    Example:
        >>> print(mean_of_estimates([Estimate(0.9, 0.8, 0.95), Estimate(0.7, 0.6, 0.8)]))
        0.80 (0.73–0.86)

    Reference:
        Zou and Donner, 2008, "Construction of confidence limits about effect measures: a general
        approach". Of recalls from two or three groups each it covers 98 % and more of a promised
        95.
    """
    known = [one for one in estimates if not math.isnan(one.value)]
    value = sum(one.value for one in known) / len(known)
    below = math.hypot(*(one.value - one.low for one in known)) / len(known)
    above = math.hypot(*(one.high - one.value for one in known)) / len(known)
    return Estimate(value, value - below, value + above)


def difference_of(first: Estimate, second: Estimate) -> Estimate:
    """Estimate the difference of two means that were measured on different rows.

    Args:
        first, second: The means; their intervals are of one confidence, which is the difference's.

    Example:
        >>> print(difference_of(Estimate(0.9, 0.8, 0.95), Estimate(0.7, 0.6, 0.8)))
        0.20 (0.06–0.31)

    Reference:
        Newcombe, 1998, "Interval estimation for the difference between independent proportions",
        method 10; for any means Zou and Donner, 2008.
    """
    below = math.hypot(first.value - first.low, second.high - second.value)
    above = math.hypot(first.high - first.value, second.value - second.low)
    value = first.value - second.value
    return Estimate(value, value - below, value + above)


def paired_difference_of(
    first: np.ndarray,
    second: np.ndarray,
    groups: np.ndarray | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """Estimate the difference of two means that were measured on the same rows.

    Args:
        first, second: Zeros and ones throughout, or any numbers, shape `(n,)` each.
        groups: Number of each row's group; `None` if rows are independent.
        confidence: Probability that such an interval covers the true difference.

    Returns:
        `mean(first) - mean(second)`; without an interval where `mean_of` has none.

    Example:
        >>> print(paired_difference_of(np.ones(198), np.ones(198)).percent(1))
        0.0% (-1.4–1.4)
    """
    first, second = (np.asarray(side, np.float64) for side in (first, second))
    if not len(first) or not (np.isin(first, (0, 1)).all() and np.isin(second, (0, 1)).all()):
        return mean_of_numbers(first - second, groups, confidence)
    value = float(first.mean() - second.mean())
    if groups is None:
        ends = paired_difference_interval(first > 0, second > 0, confidence)
    else:
        ends = clustered_difference(first, second, np.asarray(groups), confidence)
    return Estimate(value, *ends)
