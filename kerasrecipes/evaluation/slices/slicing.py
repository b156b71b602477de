"""How good a model is on each slice of the examples, and which slice is the worst."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.errors import DataError, printable
from kerasrecipes.evaluation.scores import checked_numbers, group_numbers
from kerasrecipes.evaluation.slices.cutting import cut
from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.statistics.shown import Part, Shown
from kerasrecipes.statistics.simultaneous import confidence_of_each, difference_of, mean_of
from kerasrecipes.statistics.tables import Table


@dataclass(frozen=True)
class SliceResult:
    """How good a model is on some of the examples.

    Args:
        column: What they were cut by.
        value: What they have in common there.
        n: Number of them.
        quality: How good it is on them; the interval holds for all slices at once.
        gap: By how much that differs from all other examples; the interval likewise.
        shown: Whether they are shown to be worse than the others.
    """

    column: str
    value: str
    n: int
    quality: Estimate
    gap: Estimate
    shown: bool


@dataclass(frozen=True)
class SliceReport(Shown):
    """How good a model is on slices of the examples, those first that are most surely worse.

    Args:
        quality_name: What was measured, e.g. `"accuracy"`.
        higher_is_better: Whether a higher quality is a better one.
        overall: The quality on all examples, with its own 95 % interval.
        n: Number of examples.
        confidence: Probability that all intervals of slices hold at once.
        slices: The slices.
        groups: Number of groups that intervals go by; `None` if none are declared.
    """

    quality_name: str
    higher_is_better: bool
    overall: Estimate
    n: int
    confidence: float
    slices: tuple[SliceResult, ...]
    groups: int | None = None

    @property
    def worst(self) -> SliceResult:
        """The slice that is most surely worse than the others."""
        return self.slices[0]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-safe data; each estimate is `[value, low, high]`."""
        slices = [
            {**asdict(one), "quality": one.quality.to_list(), "gap": one.gap.to_list()}
            for one in self.slices
        ]
        return {**asdict(self), "overall": self.overall.to_list(), "slices": slices}

    def parts(self) -> Iterator[Part]:
        """Yield the verdict, and the table."""
        yield self._verdict()
        rows = tuple(
            (
                f"{one.column}: {one.value}",
                f"{one.n:,}",
                self._written(one.quality),
                self._written(one.gap, signed=True),
                "worse" if one.shown else "",
            )
            for one in self.slices
        )
        columns = ("slice", "n", self.quality_name, "beside the others", "")
        yield Table("Slices", columns, rows, right=(1,), name_width=44)
        by = "" if self.groups is None else f" They go by {self.groups:,} groups."
        yield (
            f"In brackets: intervals that hold for all {len(self.slices)} slices at once, with "
            f"{self.confidence:.0%} confidence.{by}"
        )

    def _verdict(self) -> str:
        worst, count = self.worst, len(self.slices)
        name = f"{printable(worst.column)}: {printable(worst.value)}"
        if not worst.shown:
            return (
                f"Of {count} slices none is shown to be worse than the other examples "
                f"({self.quality_name} {self._written(self.overall)} of all {self.n:,})."
            )
        return (
            f"The worst of {count} slices is {name}: {self.quality_name} "
            f"{self._written(worst.quality)} of {worst.n:,} examples, "
            f"{self._written(worst.gap, signed=True)} beside the others."
        )

    def _written(self, found: Estimate, signed: bool = False) -> str:
        if math.isnan(found.value):
            return "–"
        if "accuracy" in self.quality_name and not signed:
            return found.percent(1)
        share, unit = (100, " points") if "accuracy" in self.quality_name else (1, "")
        form = ("+" if signed else "") + (".1f" if unit else ".3g")
        ends = [format(share * end, form) for end in (found.value, found.low, found.high)]
        interval = "" if math.isnan(found.low) else f" ({ends[1]} to {ends[2]})"
        return f"{ends[0]}{interval}{unit}"


@named
def evaluate_slices(
    quality: np.ndarray,
    columns: Mapping[str, Sequence[object]],
    *,
    groups: Sequence[object] | None = None,
    quality_name: str = "accuracy",
    higher_is_better: bool = True,
    confidence: float = 0.95,
) -> SliceReport:
    """Measure a model on slices of the examples, with intervals that hold for all at once.

    The more slices are looked at, the worse the worst of them is by chance alone: intervals are as
    much wider as that takes.

    Args:
        quality: How good each answer is, shape `(n,)`: 1 where it is right, else 0; or any
            numbers, e.g. errors.
        columns: Name of each thing to cut by to its values, one per example: names, numbers or
            times. Many different numbers, and times, are cut into four parts of equal size; blank
            values are a slice of their own.
        groups: What each example belongs to, shape `(n,)`; intervals then go by groups.
        quality_name: What its mean is called.
        higher_is_better: Whether a higher quality is a better one.
        confidence: Probability that the intervals of all slices hold at once.

    Returns:
        The report; print it.

    Raises:
        DataError: If there is not one value per example, or a column tells none apart.
        ValueError: If `confidence` is not between 0 and 1.

    Example:
        >>> right = np.repeat([1, 1, 1, 0], 40)
        >>> report = evaluate_slices(right, {"camera": ["left"] * 80 + ["right"] * 80})
        >>> report.worst.value, report.worst.quality.percent(), report.worst.shown
        ('right', '50% (37–63)', True)

    Reference:
        Šidák, 1967, for all intervals at once; Newcombe, 1998, for differences.
    """
    values = checked_numbers("quality", quality)
    places = group_numbers(groups, len(values))
    if not 0 < confidence < 1:
        raise ValueError(f"`confidence` must be between 0 and 1. Received: {confidence}.")
    if not columns:
        raise DataError("`columns` must name at least one thing to cut by, e.g. a camera.")
    slices = [
        (name, value, rows)
        for name, given in columns.items()
        for value, rows in cut(name, given, len(values)).items()
    ]
    # Each slice is estimated, and compared with the others.
    each = confidence_of_each(2 * len(slices), confidence)
    found = [_measured(values, places, higher_is_better, each, *one) for one in slices]
    sign = 1 if higher_is_better else -1
    found.sort(key=lambda one: (_surely(one.gap, sign), sign * one.gap.value, one.value))
    return SliceReport(
        quality_name=quality_name,
        higher_is_better=higher_is_better,
        overall=mean_of(values, places),
        n=len(values),
        confidence=confidence,
        slices=tuple(found),
        groups=None if places is None else int(places.max()) + 1,
    )


def _measured(
    values: np.ndarray,
    places: np.ndarray | None,
    higher_is_better: bool,
    confidence: float,
    column: str,
    value: str,
    rows: np.ndarray,
) -> SliceResult:
    inside, others = (
        mean_of(values[chosen], None if places is None else places[chosen], confidence)
        for chosen in (rows, ~rows)
    )
    gap = difference_of(inside, others)
    worse = _surely(gap, 1 if higher_is_better else -1) < 0
    return SliceResult(column, value, int(rows.sum()), inside, gap, worse)


def _surely(gap: Estimate, sign: int) -> float:
    """Return what a slice is at most, beside the others; infinite where nothing is known."""
    end = sign * (gap.high if sign > 0 else gap.low)
    return math.inf if math.isnan(end) else end
