"""Shares counted on photos that are not independent: several of one part, or one photo twice."""

import math

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.errors import DataError
from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.statistics.intervals import difference_interval, t_of, wilson_interval, z_of

# Correlations within a unit that are told apart: finely where large units show the least.
_EDGES = np.linspace(0, 1, 41) ** 2
_CORRELATIONS = (_EDGES[1:] + _EDGES[:-1]) / 2


@named
def clustered_share(right: np.ndarray, units: np.ndarray, confidence: float = 0.95) -> Estimate:
    """Estimate a share from rows of which some belong together.

    Ten photos of one part tell less than photos of ten parts. How much less is measured on
    the rows themselves (the design effect), and the score interval counts so many fewer. Few
    units, or few rows that differ, may happen to look independent, so the effect counts at least
    as what a beta-binomial model makes of them that expects any correlation in a unit at first.
    Where all rows agree, nothing can be measured, and every unit counts once.

    Args:
        right: Whether it happened, per row, shape `(n,)`.
        units: What each row belongs to, shape `(n,)`; rows of one unit depend on each other.
        confidence: Probability that such an interval covers the true share.

    Returns:
        The share of all rows, with its interval; NaN without rows.

    Raises:
        DataError: If the lengths differ.
        ValueError: If `confidence` is not between 0 and 1.

    Example:
        >>> right = np.arange(60) % 6 < 5
        >>> print(clustered_share(right, np.arange(60)).percent())
        83% (72–91)
        >>> print(clustered_share(np.repeat(right, 5), np.repeat(np.arange(60), 5)).percent())
        83% (72–91)

    Reference:
        Dean and Pagano, 2015, "Evaluating Confidence Interval Methods for Binomial Proportions
        in Clustered Surveys"; the correction for few units is of Korn and Graubard, 1998.
        Williams, 1975, "The Analysis of Binary Responses from Toxicological Experiments Involving
        Reproduction and Teratogenicity": the beta-binomial model of such rows.
    """
    right, units = np.asarray(right, dtype=np.float64), np.asarray(units)
    _check(right, units)
    if not len(right):
        return Estimate(math.nan)
    share, count = float(right.mean()), len(np.unique(units))
    if count == 1 and 0 < share < 1:
        return Estimate(share, 0.0, 1.0)
    if share in (0, 1):
        effective = float(count)
    else:
        effective = _effective_rows(right, units, _expected_effect(right, units), confidence)
    return Estimate(share, *wilson_interval(share * effective, effective, confidence))


def clustered_error(values: np.ndarray, units: np.ndarray) -> float:
    """Return the standard error of the mean of rows of which some belong together.

    Args:
        values: One number per row, shape `(n,)`, e.g. differences of two models.
        units: What each row belongs to, shape `(n,)`.

    Returns:
        The error; infinite if all rows belong to one unit.

    Raises:
        DataError: If the lengths differ.

    Example:
        >>> round(clustered_error([0, 1, 0, 1], [1, 2, 3, 4]), 3)
        0.289
    """
    values, units = np.asarray(values, dtype=np.float64), np.asarray(units)
    _check(values, units)
    return math.sqrt(_variance(values, units)) if len(np.unique(units)) > 1 else math.inf


def clustered_difference(
    first: np.ndarray, second: np.ndarray, units: np.ndarray, confidence: float = 0.95
) -> tuple[float, float]:
    """Find the interval of the difference of two shares on the same rows, some of which belong
    together.

    It is `paired_difference_interval` of as many rows as tell as much, which are counted as in
    `clustered_share`: few units may differ by luck, and two models that happen to agree on all
    rows may yet differ on the units to come. So it tends to be too wide, and covers 95 to 100 %.

    Args:
        first, second: Whether it happened, per row, shape `(n,)` each.
        units: What each row belongs to, shape `(n,)`.
        confidence: Probability that such an interval covers the true difference.

    Returns:
        `(low, high)` of `mean(first) - mean(second)`; `(-1, 1)` if all rows are of one unit.

    Raises:
        DataError: If the lengths differ.

    Example:
        >>> right = np.repeat([True] * 9 + [False], 6)
        >>> low, high = clustered_difference(right, ~right, np.repeat(np.arange(10), 6))
        >>> round(low, 2), round(high, 2)
        (0.1, 1.0)

    Reference:
        Bonett and Price, 2012, "Adjusted Wald confidence interval for a difference of binomial
        proportions based on paired data"; the effect of units as in `clustered_share`.
    """
    units = np.asarray(units)
    differences = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    _check(differences, units)
    if len(np.unique(units)) < 2:
        return -1.0, 1.0
    sides = [(differences > 0).astype(np.float64), (differences < 0).astype(np.float64)]
    # What neither side shows is not known to be absent.
    weights = [side.sum() + 0.5 for side in sides]
    effects = [_expected_effect(side, units) for side in sides]
    expected = float(np.average(effects, weights=weights))
    rows = _effective_rows(differences, units, expected, confidence)
    only_first, only_second = (float(side.mean()) * rows for side in sides)
    return difference_interval(only_first, only_second, rows, confidence)


def _effective_rows(
    values: np.ndarray, units: np.ndarray, expected: float, confidence: float
) -> float:
    """Return how many independent rows would tell as much of the mean, by the larger of the effect
    that is measured and the one that is expected."""
    count, plain = len(np.unique(units)), float(values.var()) / len(values)
    if count == len(values):
        return float(count)
    fewer = z_of(confidence) / t_of(confidence, count - 1)
    measured = max(1.0, _variance(values, units) / plain) if plain else 1.0
    return len(values) / max(measured / fewer**2, expected)


def _expected_effect(right: np.ndarray, units: np.ndarray) -> float:
    """Return how many times more the variance of a share is than if rows were independent, as
    expected of rows of which anything may be correlated: from a uniform prior of the correlation
    in a unit, and one of the share over what so many units leave open, uniform in its angle."""
    places = np.unique(units, return_inverse=True)[1]
    pairs = np.stack([np.bincount(places, weights=right), np.bincount(places)])
    size = float((pairs[1] ** 2).sum() / len(right))
    (happened, sizes), times = np.unique(pairs, axis=1, return_counts=True)
    angle = math.asin(math.sqrt((right.sum() + 0.5) / (len(right) + 1)))
    angles = angle + np.linspace(-1, 1, 9) / math.sqrt(times.sum())
    shares = np.sin(angles[(angles > 0) & (angles < math.pi / 2)])[:, None, None] ** 2
    others = (1 - _CORRELATIONS[:, None]) / _CORRELATIONS[:, None]
    a, b = shares * others, (1 - shares) * others
    chances = _log_beta(happened + a, sizes - happened + b) - _log_beta(a, b)
    likely = (chances * times).sum(axis=-1)
    weights = np.exp(likely - likely.max()).sum(axis=0) * np.diff(_EDGES)
    return float(1 + weights @ _CORRELATIONS / weights.sum() * (size - 1))


def _log_beta(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    log_gamma = np.vectorize(math.lgamma, otypes=[np.float64])
    return log_gamma(a) + log_gamma(b) - log_gamma(a + b)


def _check(values: np.ndarray, units: np.ndarray) -> None:
    if values.ndim != 1 or values.shape != units.shape:
        raise DataError(
            "Rows and `units` must be one-dimensional and of equal length. Received shapes: "
            f"{values.shape} and {units.shape}."
        )


def _variance(values: np.ndarray, units: np.ndarray) -> float:
    """Return the variance of the mean, from the sums of each unit's deviations."""
    _, places = np.unique(units, return_inverse=True)
    sums = np.bincount(places, weights=values - values.mean())
    # Two units that happen to agree would otherwise claim to know everything.
    return max(
        len(sums) / (len(sums) - 1) * float(sums @ sums) / len(values) ** 2,
        np.finfo(np.float64).tiny,
    )
