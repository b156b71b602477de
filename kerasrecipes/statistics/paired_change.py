"""How a mean changed from one model to another on the same rows, and whether chance could do it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from kerasrecipes.statistics.estimate import encode_float
from kerasrecipes.statistics.paired import (
    mcnemar_p_value,
    mean_difference_interval,
    sign_flip_p_value,
)

# How often the models are swapped at random where not all ways can be counted.
FLIPS = 1999
_CELLS = 4_000_000


@dataclass(frozen=True)
class PairedChange:
    """The mean of something under two models.

    Args:
        name: What it is, e.g. `"accuracy"`.
        rows: Number of rows that it is the mean of.
        before: Under the first model.
        after: Under the second.
        low, high: 95 % interval of the second minus the first.
        p_value: How likely two equally good models would differ so much; among several changes,
            corrected for their number by `holm_adjusted`.
        higher_is_better: Whether more of it is better.
        is_share: Whether it is a share, 0…1.
        unit: Unit, if it is none.
    """

    name: str
    rows: int
    before: float
    after: float
    low: float
    high: float
    p_value: float
    higher_is_better: bool = True
    is_share: bool = True
    unit: str = ""

    @classmethod
    def of(
        cls,
        name: str,
        before: np.ndarray,
        after: np.ndarray,
        groups: np.ndarray | None = None,
        **meaning: Any,
    ) -> "PairedChange":
        """Compare two models on the same rows.

        Args:
            name: What is compared.
            before, after: Its value for each row under the models, shape `(n,)` each, n ≥ 1.
            groups: Number of each row's group; `None` if rows are independent.
            **meaning: The last three fields.
        """
        before, after = np.asarray(before, np.float64), np.asarray(after, np.float64)
        if groups is not None:
            groups = np.unique(groups, return_inverse=True)[1]
        low, high = mean_difference_interval(after, before, groups)
        p = swap_p_value(after - before, groups)
        means = float(before.mean()), float(after.mean())
        return cls(name, len(before), *means, low, high, p, **meaning)

    @property
    def difference(self) -> float:
        """The second minus the first."""
        return self.after - self.before

    def verdict(self, significance: float = 0.05) -> int:
        """Return 1 if the second is shown to be better, −1 if to be worse, else 0."""
        if self.p_value >= significance or not self.difference:
            return 0
        return 1 if (self.difference > 0) == self.higher_is_better else -1

    def written(self) -> tuple[str, str, str]:
        """Write both means, and their difference with its interval."""
        if self.is_share:
            ends = f"{100 * self.low:+.1f} to {100 * self.high:+.1f}"
            change = f"{100 * self.difference:+.1f} points ({ends})"
            return f"{self.before:.1%}", f"{self.after:.1%}", change
        before, after = (f"{one:.4g} {self.unit}".rstrip() for one in (self.before, self.after))
        return before, after, f"{self.difference:+.3g} ({self.low:+.3g} to {self.high:+.3g})"

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as JSON-safe data."""
        plain = {**asdict(self), "difference": self.difference}
        return {k: encode_float(v) if isinstance(v, float) else v for k, v in plain.items()}


def swap_p_value(differences: np.ndarray, groups: np.ndarray | None = None, seed: int = 0) -> float:
    """Find how likely two equally good models would differ so much, if each row, or group of
    rows, might as well have fallen to the other.

    Args:
        differences: Any numbers, second minus first, shape `(n,)`.
        groups: Number of each row's group, from 0; `None` if rows are independent.
        seed: Of the random swaps, where the numbers are not whole.

    Returns:
        The two-sided p-value: McNemar's of rows that are right or wrong, all ways to swap of whole
        numbers, else those of 1,999 random swaps.

    Reference:
        Fisher, 1935, "The Design of Experiments", section 21; Phipson and Smyth, 2010,
        "Permutation P-values Should Never Be Zero".
    """
    if groups is None and np.isin(differences, (-1, 0, 1)).all():
        return mcnemar_p_value(int(np.sum(differences < 0)), int(np.sum(differences > 0)))
    units = np.arange(len(differences)) if groups is None else groups
    if (differences == np.round(differences)).all():
        return sign_flip_p_value(differences, units)
    sums = np.bincount(units, weights=differences)
    sums, rng = sums[sums != 0], np.random.default_rng(seed)
    found, reach, step = 0, abs(float(sums.sum())), max(1, _CELLS // max(1, len(sums)))
    for start in range(0, FLIPS, step):
        signs = rng.integers(0, 2, (min(step, FLIPS - start), len(sums)), np.int8)
        drawn = np.abs((2.0 * signs - 1) @ sums)
        found += int(np.sum(drawn >= reach * (1 - 1e-12)))
    return (1 + found) / (1 + FLIPS)


def holm_adjusted(changes: Sequence[PairedChange]) -> tuple[PairedChange, ...]:
    """Correct p-values for how many changes were looked at.

    Args:
        changes: All of a family, in any order, which stays.

    Returns:
        The same with larger p-values: where nothing differs, one below 0.05 is among them in no
        more than 5 % of comparisons.

    Reference:
        Holm, 1979, "A Simple Sequentially Rejective Multiple Test Procedure".
    """
    order = sorted(range(len(changes)), key=lambda i: changes[i].p_value)
    adjusted, largest = list(changes), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * changes[i].p_value))
        adjusted[i] = replace(changes[i], p_value=largest)
    return tuple(adjusted)
