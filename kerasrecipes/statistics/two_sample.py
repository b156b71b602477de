"""Whether two samples come from one distribution. numpy alone, so that a small device can ask."""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

# Smaller ones are as good as none, and their logarithms stay finite.
SMALLEST_P = 1e-300
# Below this many expected photos, the chi-square approximation is poor (Cochran, 1954).
_EXPECTED = 5
# Rows of either side that the kernel matrix holds: 2,000 in all are 32 MB.
MMD_ROWS = 1000
# So many shuffled sides that differ as much settle a p-value.
_SETTLED = 10
_AT_ONCE = 1000
# Points that tell the median distance well enough.
_FOR_WIDTH = 300


class TwoSample(NamedTuple):
    """The result of a two-sample test.

    Args:
        p_value: How likely samples of one distribution would differ so much.
        effect: How much they differ, 0 for not at all; what it counts depends on the test.
    """

    p_value: float
    effect: float


def ks_test(reference: np.ndarray, window: np.ndarray) -> TwoSample:
    """Compare the distributions of one number, by Kolmogorov and Smirnov.

    Args:
        reference: Finite numbers, shape `(n,)`.
        window: Finite numbers, shape `(m,)`.

    Returns:
        The p-value, which is too large rather than too small where numbers are tied; and the
        largest gap between the two cumulative distributions, 0…1.

    Raises:
        ValueError: If a side is empty.

    Example:
        >>> ks_test(np.arange(100.0), np.arange(100.0) + 50).effect
        0.5

    Reference:
        Stephens, 1970, "Use of the Kolmogorov-Smirnov, Cramér-von Mises and related statistics
        without extensive tables", for the correction of small samples.
    """
    a, b = np.asarray(reference, float), np.asarray(window, float)
    if not len(a) or not len(b):
        raise ValueError(f"Both sides need numbers. Received: {len(a)} and {len(b)}.")
    gap = float(_gaps(a[:, None], b[:, None])[0])
    return TwoSample(_of_gap(gap, len(a), len(b)), gap)


def _gaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the largest gap between the cumulative distributions of each column."""
    both = np.concatenate([a, b])
    order = np.argsort(both, axis=0)
    below_a = np.cumsum(order < len(a), axis=0)
    below_b = np.arange(1, len(both) + 1)[:, None] - below_a
    gaps = np.abs(below_a / len(a) - below_b / len(b))
    ordered = np.take_along_axis(both, order, axis=0)
    # Among equal numbers, a gap is one behind the last of them only.
    gaps[:-1][ordered[:-1] == ordered[1:]] = 0
    return gaps.max(axis=0)


def _of_gap(gap: float, n: int, m: int) -> float:
    root = math.sqrt(n * m / (n + m))
    return _kolmogorov_tail((root + 0.12 + 0.11 / root) * gap)


def _kolmogorov_tail(x: float) -> float:
    if x < 0.3:  # the series needs more and more terms, and the value is 1 to nine digits
        return 1.0
    last = 2 + int(4.5 / x)  # the terms after it are below 1e-17
    terms = (2 * (-1) ** (k - 1) * math.exp(-2 * (k * x) ** 2) for k in range(1, last + 1))
    return min(1.0, max(SMALLEST_P, sum(terms)))


def counts_test(reference: np.ndarray, window: np.ndarray) -> TwoSample:
    """Compare how often each class occurs, by Pearson's chi-square of homogeneity.

    Args:
        reference: Counts, shape `(classes,)`.
        window: Counts of the same classes.

    Returns:
        The p-value, with rare classes counted as one; and half the sum of the differences
        between the shares (the total variation distance), 0…1.

    Raises:
        ValueError: If the shapes differ or a side has no counts.

    Example:
        >>> counts_test(np.array([90, 10]), np.array([45, 5]))
        TwoSample(p_value=1.0, effect=0.0)

    Reference:
        Pearson, 1900; pooling as Cochran, 1954, "Some methods for strengthening the common
        chi-square tests".
    """
    table = np.array([reference, window], dtype=float)
    sums = table.sum(axis=1, keepdims=True)
    if table.ndim != 2 or not sums.all():
        raise ValueError("Both sides need counts of the same classes.")
    effect = float(np.abs(table[0] / sums[0] - table[1] / sums[1]).sum() / 2)
    table = _pooled(table)
    expected = sums * table.sum(axis=0) / sums.sum()
    statistic = float(((table - expected) ** 2 / expected).sum())
    return TwoSample(chi_square_tail(statistic, table.shape[1] - 1), effect)


def _pooled(table: np.ndarray) -> np.ndarray:
    """Add up classes of which too few are expected, and drop what never occurs."""
    smaller = table.sum(axis=1).min() / table.sum()
    rare = table.sum(axis=0) * smaller < _EXPECTED
    kept = [table[:, ~rare], table[:, rare].sum(axis=1, keepdims=True)]
    joined = np.concatenate(kept, axis=1)
    return joined[:, joined.sum(axis=0) > 0]


def chi_square_tail(statistic: float, freedom: int) -> float:
    """Return how likely a chi-square variable is at least this large.

    Args:
        statistic: Not negative.
        freedom: Degrees of freedom; with none the answer is 1.

    Example:
        >>> round(chi_square_tail(3.841, 1), 3)
        0.05
    """
    if freedom <= 0 or statistic <= 0:
        return 1.0
    half = statistic / 2
    odd = freedom % 2
    tail = math.erfc(math.sqrt(half)) if odd else math.exp(-half)
    # The regularized upper gamma function, one degree of freedom pair after the other.
    for a in np.arange(0.5 if odd else 1.0, freedom / 2):
        tail += math.exp(a * math.log(half) - half - math.lgamma(a + 1))
    return min(1.0, max(SMALLEST_P, tail))


def mmd_test(
    reference: np.ndarray, window: np.ndarray, *, permutations: int = 10_000, seed: int = 0
) -> TwoSample:
    """Compare two clouds of points by their maximum mean discrepancy.

    Args:
        reference: Points, shape `(n, d)`.
        window: Points, shape `(m, d)`; of either side at most 1,000 are used, drawn at random.
        permutations: How often the points are shuffled between the sides, unless ten of fewer
            shuffles differ as much; the smallest p-value is one over one more than that.
        seed: Seed of the shuffling.

    Returns:
        The p-value, valid whatever the points are; and the discrepancy, a distance between the
        mean kernels, 0 when nothing differs beyond chance.

    Raises:
        ValueError: If a side has fewer than two points, or the dimensions differ.

    Reference:
        Gretton et al., 2012, "A kernel two-sample test"; a Gaussian kernel as wide as the median
        distance. Besag and Clifford, 1991, "Sequential Monte Carlo p-values", for stopping early.
    """
    rng = np.random.default_rng(seed)
    sides = [_some(np.asarray(side, np.float64), rng) for side in (reference, window)]
    if min(map(len, sides)) < 2 or sides[0].shape[1:] != sides[1].shape[1:]:
        raise ValueError(
            f"Both sides need two points of one dimension. Received: {sides[0].shape} and "
            f"{sides[1].shape}."
        )
    n, m = map(len, sides)
    differ = partial(_unbiased_mmd, _gaussian_kernel(np.concatenate(sides)), n=n, m=m)
    p_value, found = _shuffled(differ, n, m, permutations, rng)
    return TwoSample(p_value, math.sqrt(max(0.0, found)))


def lower_mean_test(
    reference: np.ndarray, window: np.ndarray, *, permutations: int = 10_000, seed: int = 0
) -> TwoSample:
    """Tell whether the mean of one number has fallen, by shuffling the numbers.

    Args:
        reference: Finite numbers, shape `(n,)`.
        window: Finite numbers, shape `(m,)`.
        permutations: As for `mmd_test`.
        seed: Seed of the shuffling.

    Returns:
        The p-value, valid whatever the numbers are; and by how much the mean fell, below 0
        where it rose.

    Raises:
        ValueError: If a side is empty.

    Example:
        >>> lower_mean_test(np.ones(50), np.ones(50)).p_value
        1.0

    Reference:
        Fisher, 1935, "The design of experiments".
    """
    n, m = len(reference), len(window)
    if not n or not m:
        raise ValueError(f"Both sides need numbers. Received: {n} and {m}.")
    both = np.concatenate([reference, window]).astype(float)
    rng = np.random.default_rng(seed)
    fallen = partial(_fallen, both, n=n, m=m)
    return TwoSample(*_shuffled(fallen, n, m, permutations, rng))


def _fallen(both: np.ndarray, members: np.ndarray, n: int, m: int) -> np.ndarray:
    own = both @ members
    return own / n - (both.sum() - own) / m


def _shuffled(
    differ: Callable[[np.ndarray], np.ndarray],
    n: int,
    m: int,
    permutations: int,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """Return how often shuffled sides differ as much, and how much the real ones do.

    Args:
        differ: How much, for each column of 1 (one side) and 0 (the other one).
        n: Rows of the one side, which come first.
        m: Rows of the other.
        permutations: At most so many are drawn, and no more than it takes.
        rng: What draws them.
    """
    own = np.repeat([1.0, 0.0], (n, m))
    found = float(differ(own[:, None])[0])
    at_least = drawn = 0
    while drawn < permutations:
        count = min(max(_AT_ONCE // 10, drawn), _AT_ONCE, permutations - drawn)
        members = rng.permuted(np.tile(own, (count, 1)), axis=1).T
        larger = differ(members) >= found - 1e-9
        reached = at_least + np.cumsum(larger)
        if reached[-1] >= _SETTLED:
            return _SETTLED / (drawn + 1 + int(np.argmax(reached >= _SETTLED))), found
        at_least, drawn = int(reached[-1]), drawn + count
    return (1 + at_least) / (1 + permutations), found


def points_test(
    reference: np.ndarray,
    window: np.ndarray,
    directions: np.ndarray | None = None,
    *,
    seed: int = 0,
) -> TwoSample:
    """Compare two clouds of points as such, and along lines, of which a clear one tells more.

    Args:
        reference: Points, shape `(n, d)`.
        window: Points, shape `(m, d)`.
        directions: The lines, shape `(d, lines)`; `None` for the axes.
        seed: Seed of the shuffling; see `mmd_test`.

    Returns:
        The p-value of both together, and the discrepancy that `mmd_test` finds.
    """
    cloud = mmd_test(reference, window, seed=seed)
    sides = (reference, window)
    if directions is not None:
        sides = (reference @ directions, window @ directions)
    lines = [_of_gap(gap, *map(len, sides)) for gap in _gaps(*sides)]
    return TwoSample(any_of([cloud.p_value, any_of(lines)]), cloud.effect)


def _some(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if len(points) <= MMD_ROWS:
        return points
    return points[np.sort(rng.permutation(len(points))[:MMD_ROWS])]


def _gaussian_kernel(points: np.ndarray) -> np.ndarray:
    squares = (points**2).sum(axis=1)
    distances = np.maximum(squares[:, None] + squares - 2 * points @ points.T, 0)
    some = distances[:: 1 + len(points) // _FOR_WIDTH, :: 1 + len(points) // _FOR_WIDTH]
    width = np.median(some[np.triu_indices(len(some), 1)])
    distances = distances.astype(np.float32)
    kernel = np.exp(distances / -width) if width > 0 else (distances == 0).astype(np.float32)
    np.fill_diagonal(kernel, 0)  # a point is no news about itself: the unbiased estimate
    return kernel


def _unbiased_mmd(kernel: np.ndarray, members: np.ndarray, n: int, m: int) -> np.ndarray:
    """Return the squared discrepancy for each column of 1 (reference) and 0 (window)."""
    # The product is all the work; what is added up from it needs the digits.
    towards = (kernel @ members.astype(np.float32)).astype(float)
    within = (members * towards).sum(axis=0)
    across = towards.sum(axis=0) - within
    rest = kernel.sum(dtype=float) - within - 2 * across
    return within / (n * (n - 1)) + rest / (m * (m - 1)) - 2 * across / (n * m)


def any_of(p_values: "np.ndarray | list[float]") -> float:
    """Return how likely the smallest of several p-values would be so small by chance.

    Args:
        p_values: One or more, of tests that may depend on each other.

    Returns:
        Close to the smallest times their number, and never 1 unless all are.

    Example:
        >>> round(any_of([0.01, 0.4, 0.9]), 4)
        0.0297

    Reference:
        Šidák, 1967, "Rectangular confidence regions for the means of multivariate normal
        distributions".
    """
    smallest, count = float(np.min(p_values)), len(p_values)
    return float(max(SMALLEST_P, -math.expm1(count * math.log1p(-min(smallest, 1 - 1e-16)))))
