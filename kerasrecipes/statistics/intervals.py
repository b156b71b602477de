"""Confidence intervals for shares, for any statistic, and for two models on the same photos."""

import math
from collections.abc import Callable, Iterator
from functools import cache
from statistics import NormalDist

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.statistics.sequential import student_tail

# Counts of resampled rows held at once: about 16 MB, whatever the size of the test set.
_CELLS = 2_000_000
# Between what a statistic can lie, see `resampled_interval`.
SHARE, SIZE, ANYWHERE = (0.0, 1.0), (0.0, math.inf), (-math.inf, math.inf)
_LARGEST = 700.0  # of which `exp` is finite


@named
def wilson_interval(
    successes: float, trials: float, confidence: float = 0.95
) -> tuple[float, float]:
    """Find the score interval of a share.

    Unlike the textbook interval it stays in 0…1 and is honest for few trials and for
    shares of 0 and 1.

    Args:
        successes: How often it happened.
        trials: How often it could have happened.
        confidence: Probability that such an interval covers the true share.

    Returns:
        `(low, high)`; `(nan, nan)` when there were no trials.

    Raises:
        ValueError: If the counts are impossible, or `confidence` is not between 0 and 1.

    Example:
        >>> low, high = wilson_interval(84, 100)
        >>> round(low, 3), round(high, 3)
        (0.756, 0.899)

    Reference:
        Wilson, 1927, "Probable inference, the law of succession, and statistical inference".
    """
    if not (0 <= successes <= trials):
        raise ValueError(
            f"`successes` must be between 0 and `trials`. Received: successes={successes}, "
            f"trials={trials}."
        )
    z = z_of(confidence)
    if trials == 0:
        return math.nan, math.nan
    share = successes / trials
    centre = share + z * z / (2 * trials)
    half = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    # Exact at the ends, where rounding would leave 1e-17 or 0.9999999.
    low = 0.0 if successes == 0 else (centre - half) / scale
    high = 1.0 if successes == trials else (centre + half) / scale
    return low, high


@named
def bootstrap_interval(
    statistic: Callable[..., float],
    *arrays: np.ndarray,
    repeats: int = 1000,
    seed: int = 0,
    stratify: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Find the bootstrap interval of any statistic of paired rows.

    Of rows it is the percentile interval, of groups that of `t` with the spread of the resamples,
    since few groups spread too little for percentiles.

    Args:
        statistic: Called with one resample of each array; returns a number, or NaN where it
            is undefined (such resamples are left out).
        *arrays: Arrays with equal first axis, resampled together.
        repeats: Number of resamples.
        seed: Seed of the resampling.
        stratify: Class of each row; each class then keeps its number of rows.
        groups: Number of each row's group, from 0; whole groups are then resampled. Not with
            `stratify`.
        confidence: Probability that such an interval covers the true value.

    Returns:
        `(low, high)`; `(nan, nan)` if the statistic was undefined on most resamples, or all rows
        are of one group.

    Raises:
        ValueError: If there is no array, or lengths differ, or `repeats` or `confidence` is out
            of range.

    Example:
        >>> low, high = bootstrap_interval(np.mean, np.arange(100))
        >>> low < 49.5 < high
        True

    Reference:
        Efron and Tibshirani, 1993, "An Introduction to the Bootstrap", section 13.3.
    """
    arrays = tuple(np.asarray(array) for array in arrays)
    lengths = [len(one) for one in (*arrays, stratify, groups) if one is not None]
    if not arrays or not lengths[0] or len(set(lengths)) > 1:
        raise ValueError(
            "`arrays`, `stratify` and `groups` must have the same length, at least 1. "
            f"Received lengths: {lengths}."
        )
    if repeats < 1:
        raise ValueError(f"`repeats` must be at least 1. Received: {repeats}.")
    z_of(confidence)
    rows = np.arange(lengths[0])
    found = []
    for counts in resample_counts(lengths[0], repeats, seed, stratify, groups):
        for row in counts.astype(np.int64):
            chosen = np.repeat(rows, row)
            found.append(float(statistic(*(array[chosen] for array in arrays))))
    value = float(statistic(*arrays))
    return resampled_interval(value, np.array(found), units_of(groups), confidence=confidence)


@named
def paired_difference_interval(
    correct_a: np.ndarray, correct_b: np.ndarray, confidence: float = 0.95
) -> tuple[float, float]:
    """Find the interval of the difference in accuracy, a − b, of two models on the same photos.

    Photos that both get right or both get wrong carry no information on the difference, so
    the interval is much narrower than that of two separate accuracies.

    Args:
        correct_a: Whether model a was right, per photo.
        correct_b: Whether model b was right, for the same photos in the same order.
        confidence: Probability that such an interval covers the true difference.

    Returns:
        `(low, high)` of `mean(correct_a) - mean(correct_b)`.

    Raises:
        ValueError: If the arrays are empty or differ in length, or `confidence` is not in 0…1.

    Example:
        >>> right = np.ones(198, bool)
        >>> low, high = paired_difference_interval(right, right)
        >>> round(low, 4), round(high, 4)
        (-0.0139, 0.0139)

    Reference:
        Bonett and Price, 2012, "Adjusted Wald confidence interval for a difference of binomial
        proportions based on paired data", equation 5; recommended by Fagerland et al., 2014.
    """
    a, b = np.asarray(correct_a, dtype=bool), np.asarray(correct_b, dtype=bool)
    if a.ndim != 1 or a.shape != b.shape or not len(a):
        raise ValueError(
            "`correct_a` and `correct_b` must be one-dimensional, of equal length, at least 1. "
            f"Received shapes: {a.shape} and {b.shape}."
        )
    counts = float(np.sum(a & ~b)), float(np.sum(b & ~a))
    return difference_interval(*counts, len(a), confidence)


def difference_interval(
    only_a: float, only_b: float, rows: float, confidence: float = 0.95
) -> tuple[float, float]:
    """Find the interval of `paired_difference_interval` from counts, which need not be whole.

    Args:
        only_a: On how many rows only a was right.
        only_b: On how many only b was.
        rows: Number of rows.
        confidence: Probability that such an interval covers the true difference.
    """
    z = z_of(confidence)
    share_a, share_b = (only_a + 1) / (rows + 2), (only_b + 1) / (rows + 2)
    difference = share_a - share_b
    half = z * math.sqrt((share_a + share_b - difference**2) / (rows + 2))
    return max(-1.0, difference - half), min(1.0, difference + half)


def resample_counts(
    rows: int,
    repeats: int,
    seed: int,
    stratify: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> Iterator[np.ndarray]:
    """Draw bootstrap resamples as how often each row was drawn, in chunks of bounded size.

    Args:
        rows: Number of rows to draw from, and to draw.
        repeats: Number of resamples in all.
        seed: Seed; the same one gives the same resamples.
        stratify: Class of each row; each class then keeps its number of rows.
        groups: Number of each row's group, 0 to the largest: whole groups are drawn, as many as
            there are. Not with `stratify`.

    Yields:
        Float arrays of shape `(some, rows)`; each line adds up to `rows`, unless groups of
        different sizes are drawn.
    """
    generator = np.random.default_rng(seed)
    units = rows if groups is None else int(groups.max()) + 1
    if stratify is None:
        strata = [np.arange(units)]
    else:
        _, starts = np.unique(np.sort(stratify), return_index=True)
        strata = np.split(np.argsort(stratify, kind="stable"), starts[1:])
    size = max(1, _CELLS // rows)
    for start in range(0, repeats, size):
        chunk = min(size, repeats - start)
        counts = np.zeros((chunk, units))
        offset = np.arange(chunk)[:, None]
        for members in strata:
            drawn = generator.integers(len(members), size=(chunk, len(members)))
            flat = np.bincount((drawn + offset * len(members)).ravel(), minlength=drawn.size)
            counts[:, members] = flat.reshape(drawn.shape)
        yield counts if groups is None else counts[:, groups]


def units_of(groups: np.ndarray | None) -> int | None:
    """Return how many groups are resampled, given the number of each row's, from 0."""
    return None if groups is None else int(groups.max()) + 1


def independent(
    rows: int, groups: np.ndarray | None, lies: tuple[float, float] = ANYWHERE
) -> int | None:
    """Return the `units` of `resampled_interval`.

    A size may hang on few large rows, of which resamples have no more than the sample has. Cutting
    their tails off covers 90 to 93 % of a promised 95 (log-losses of 100 photos, 1,000 draws);
    going as far as Student does, on the logarithm, covers 93 to 94 %.

    Args:
        rows: How many rows there are.
        groups: Number of each row's group, from 0; `None` if they are independent.
        lies: Between what the statistic can lie.
    """
    return rows if groups is None and lies == SIZE else units_of(groups)


def percentile_interval(values: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """Cut equal tails off resampled values; `(nan, nan)` if most of them are undefined.

    Args:
        values: What a statistic was in each resample.
        confidence: Probability that such an interval covers the true value.
    """
    values = _defined(values)
    if not len(values):
        return math.nan, math.nan
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def resampled_interval(
    value: float,
    values: np.ndarray,
    units: int | None = None,
    lies: tuple[float, float] = ANYWHERE,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Find the interval of a statistic from what it was in resamples of rows, or of groups.

    Of a few groups, resamples reach no further than these groups do, which is not far enough. So
    their spread is taken, and how far one has to go in it as for a mean of so many groups; on
    the scale on which the statistic is nearest to symmetric.

    Args:
        value: The statistic on the sample.
        values: What it was in each resample.
        units: How many groups were resampled; `None` for rows, whose tails are cut off.
        lies: Between what the statistic can lie. From 0 to 1 it is taken for a share, with the
            score interval of as many rows as would spread so; from 0 on, for a size, by its
            logarithm.
        confidence: Probability that such an interval covers the true value.

    Returns:
        `(low, high)`; `(nan, nan)` for one group, or if most resamples are undefined.

    Reference:
        Hesterberg, 2015, "What Teachers Should Know About the Bootstrap", section 5.3: why
        intervals of resamples are too narrow for few of them.
    """
    if units is None:
        low, high = percentile_interval(values, confidence)
        # Of few rows, resamples may all be better than the sample, or all worse.
        return min(low, value), max(high, value)
    values = _defined(values)
    if not len(values) or units == 1:
        return math.nan, math.nan
    spread = float(values.std()) * math.sqrt(units / (units - 1))
    reach = t_of(confidence, units - 1) * spread
    if lies == SHARE and reach and 0 < value < 1:
        rows = value * (1 - value) * (z_of(confidence) / reach) ** 2
        return wilson_interval(value * rows, rows, confidence)
    if lies == SIZE and value > 0:
        factor = math.exp(min(reach / value, _LARGEST))
        return value / factor, value * factor
    return max(lies[0], value - reach), min(lies[1], value + reach)


def _defined(values: np.ndarray) -> np.ndarray:
    """Leave out what is undefined; all, if most is."""
    return values[np.isfinite(values)] if np.isfinite(values).mean() > 0.5 else values[:0]


def z_of(confidence: float) -> float:
    """Return within how many standard errors a normal variable is, with such a probability.

    Raises:
        ValueError: If `confidence` is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"`confidence` must be between 0 and 1. Received: {confidence}.")
    return NormalDist().inv_cdf((1 + confidence) / 2)


@cache
def t_of(confidence: float, freedom: int) -> float:
    """Return within how many estimated standard errors a mean is, with such a probability.

    Args:
        confidence: The probability.
        freedom: Degrees of freedom, a whole number of at least 1.

    Raises:
        ValueError: If `confidence` is not between 0 and 1.

    Example:
        >>> round(t_of(0.95, 20), 3)
        2.086
    """
    t, wanted = z_of(confidence), (1 - confidence) / 2
    height = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)
    height -= math.log(freedom * math.pi) / 2
    while True:  # Newton's method comes from below, since the tail is convex
        density = math.exp(height - (freedom + 1) / 2 * math.log1p(t * t / freedom))
        further = t + (student_tail(t, freedom) - wanted) / density
        if not further > t:
            return t
        t = further
