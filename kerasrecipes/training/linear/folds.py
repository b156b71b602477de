"""Folds that keep apart what belongs together, and never learn from what came later."""

import warnings
from dataclasses import dataclass, replace

import numpy as np

from kerasrecipes.data.examples import Examples
from kerasrecipes.data.strata import join_units

FOLDS = 5
# Folds are drawn anew until so many examples were judged: one draw of few is mostly chance.
ENOUGH, MOST_REPEATS = 400, 4

# Indices of the examples to learn from, and to judge by.
Fold = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Folds:
    """Ways to divide examples.

    Args:
        folds: For each, indices of the examples to learn from, and to judge by.
        units: What each example belongs to, shape `(n,)`.
        first: How many of the folds judge each example once, at most.
    """

    folds: tuple[Fold, ...]
    units: np.ndarray
    first: int

    def judging(self, labels: np.ndarray) -> "Folds":
        """Leave out of what is judged the examples of a class that nothing is learned from.

        Args:
            labels: Class indices, shape `(n,)`.
        """
        kept = ((a, b[np.isin(labels[b], labels[a])]) for a, b in self.folds)
        return replace(self, folds=tuple(kept))


def folds_of(examples: Examples, split_by: str, seed: int) -> Folds:
    """Divide examples several times, each time into some to learn from and others to judge by.

    Those of one group, and those that look alike, stay on one side, and every class has its share
    on both. What was split by time is learned from what came before.

    Args:
        examples: All that may be learned from.
        split_by: How they were split into sides; see `Examples`.
        seed: Seed of the folds.

    Returns:
        The folds: one draw of five after the other; fewer where no class has five independent
        examples, and none where none has two, or all are of one moment.
    """
    units = units_of(examples, any(group is not None for group in examples.groups))
    if split_by == "time":
        later = _by_time(examples)
        return Folds(tuple(later), units, len(later))
    strata = examples.strata()
    parts = min(FOLDS, max(len(set(units[strata == k])) for k in np.unique(strata)))
    if parts < 2:
        return Folds((), units, 0)
    repeats = min(MOST_REPEATS, max(1, round(ENOUGH / len(examples))))
    folds: list[Fold] = []
    for again in range(repeats):
        folds += draw_folds(strata, units, parts, seed + again)
    return Folds(tuple(folds), units, parts)


def units_of(examples: Examples, by_group: bool) -> np.ndarray:
    """Number what must not be parted, copies and near duplicates among it, from 0.

    Args:
        examples: The examples.
        by_group: Whether those of one group belong together.
    """
    units = np.zeros(len(examples), np.int64)
    for number, members in enumerate(join_units(examples, by_group, near=True)):
        units[members] = number
    return units


def draw_folds(strata: np.ndarray, units: np.ndarray, parts: int, seed: int) -> list[Fold]:
    """Draw folds in which every class has its share, and no unit is on both sides.

    Args:
        strata: What each fold should have its share of, shape `(n,)`.
        units: What each example belongs to, shape `(n,)`.
        parts: How many folds.
        seed: Seed of the draw.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    kind = StratifiedGroupKFold(parts, shuffle=True, random_state=seed)
    with warnings.catch_warnings():  # of classes of which there are fewer
        warnings.simplefilter("ignore")
        return list(kind.split(strata, strata, units))


def _by_time(examples: Examples) -> list[Fold]:
    """Learn from the first half, judge the next sixth; and so on to the end."""
    times = np.array([item.time.timestamp() for item in examples.items if item.time is not None])
    moments = np.unique(times)
    cuts = [moments[len(moments) * k // 6] for k in (3, 4, 5)]
    ends = [*cuts[1:], np.inf]
    folds = [
        (np.flatnonzero(times < cut), np.flatnonzero((times >= cut) & (times < end)))
        for cut, end in zip(cuts, ends, strict=True)
    ]
    return [fold for fold in folds if all(map(len, fold))]
