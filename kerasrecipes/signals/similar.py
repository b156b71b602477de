"""Near duplicates: signals that differ by little more than noise."""

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from kerasrecipes.signals.signal_set import Signal

# Largest distance of two signals, as a share of how much the signals of a set vary.
NEAR_DISTANCE = 0.02
_SEGMENTS = 8


def near_duplicates(
    signals: "Sequence[Signal]", distance: float = NEAR_DISTANCE
) -> list[tuple[int, int]]:
    """Find pairs of signals of one length that are nearly equal.

    The distance is the root of the mean squared difference, each channel divided by its standard
    deviation over all signals, or over these two where they vary less. Every pair up to the largest
    distance is found.

    Args:
        signals: Signals with the same channels.
        distance: The largest distance, above 0.

    Returns:
        Pairs `(i, j)` of indices, `i < j`, sorted.

    Raises:
        ValueError: If `distance` is not above 0.
    """
    if not distance > 0:
        raise ValueError(f"`distance` must be above 0, got {distance!r}.")
    return list(_near(tuple(signals), distance))


@lru_cache(maxsize=2)  # a split and the check of it look at the same signals
def _near(signals: "tuple[Signal, ...]", distance: float) -> tuple[tuple[int, int], ...]:
    from scipy.spatial import KDTree

    scale = _scale(signals)
    by_length: dict[int, list[int]] = defaultdict(list)
    for i, one in enumerate(signals):
        by_length[len(one.values)].append(i)
    pairs = []
    for steps, members in by_length.items():
        if len(members) < 2:
            continue
        flat = [np.nan_to_num(signals[i].values / scale) for i in members]
        own = [float(one.var(axis=0).mean()) for one in flat]
        # The mean of squared differences of means over segments is at most that of all steps.
        cuts = np.array_split(np.arange(steps), min(_SEGMENTS, steps))
        weights = np.array([len(cut) / steps for cut in cuts])
        means = np.array([[one[cut].mean(axis=0) for cut in cuts] for one in flat])
        means *= np.sqrt(weights / means.shape[2])[None, :, None]
        tree = KDTree(means.reshape(len(flat), -1))
        for a, b in tree.query_pairs(distance * (1 + 1e-6)):
            if np.mean((flat[a] - flat[b]) ** 2) <= distance**2 * min(1.0, own[a], own[b]):
                pairs.append((min(members[a], members[b]), max(members[a], members[b])))
    return tuple(sorted(pairs))


def _scale(signals: "tuple[Signal, ...]") -> np.ndarray:
    """Return the standard deviation of each channel over all signals; 1 where nothing varies."""
    if not signals:
        return np.ones(1)
    spread = np.nan_to_num(np.sqrt(moments(signals)[1]))
    return np.where(spread > 0, spread, 1.0)


def moments(signals: "Sequence[Signal]") -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the variance of each channel over all steps of signals, float64.

    Args:
        signals: At least one; missing values do not count, and a channel without any is NaN.
    """
    count, total, squares = np.zeros((3, signals[0].values.shape[1]))
    for one in signals:
        values = one.values.astype(np.float64)
        count += np.isfinite(values).sum(axis=0)
        total += np.nansum(values, axis=0)
    with np.errstate(invalid="ignore"):
        mean = total / count
    for one in signals:
        squares += np.nansum((one.values - mean) ** 2, axis=0)
    with np.errstate(invalid="ignore"):
        return mean, squares / count
