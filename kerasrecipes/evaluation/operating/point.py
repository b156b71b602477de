"""The score from which on an alarm is raised, and what is known of its alarms."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kerasrecipes.errors import listed
from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.statistics.shown import Part, Shown


@dataclass(frozen=True)
class OperatingPoint(Shown):
    """Where a model raises an alarm, and how often it is then right.

    Args:
        alarm: The classes that are alarmed about; their scores are added up.
        threshold: From this sum on there is an alarm.
        wish: What it was chosen for, in words.
        met: Whether the wish is shown to hold with `confidence`; if not, the point is the one
            that comes closest.
        confidence: Probability that the bounds hold for photos to come.
        recall: Share of the photos of these classes that raise an alarm.
        least_recall: What it is at least, with `confidence`.
        false_rejects: Share of the other photos that raise one.
        most_false_rejects: What that is at most, with `confidence`.
        positives: Number of photos, or of groups, of the alarm's classes.
        negatives: Number of others.
        item: What was counted, e.g. `"photos"`.
        stated: Between what the recall of so many new photos was to lie, with 95 % probability,
            by the photos that the threshold was chosen on; `None` if these are the same.
    """

    alarm: tuple[str, ...]
    threshold: float
    wish: str
    met: bool
    confidence: float
    recall: Estimate
    least_recall: float
    false_rejects: Estimate
    most_false_rejects: float
    positives: int
    negatives: int
    item: str = "photos"
    stated: tuple[float, float] | None = None

    @property
    def as_stated(self) -> bool | None:
        """Whether the recall is what was to be expected; `None` if nothing was stated."""
        if self.stated is None:
            return None
        low, high = self.stated
        return low <= self.recall.value <= high

    def to_dict(self) -> dict[str, Any]:
        """Return the point as JSON-safe data; each estimate is `[value, low, high]`."""
        plain = {**vars(self), "alarm": list(self.alarm)}
        plain |= {"stated": self.stated and list(self.stated), "as_stated": self.as_stated}
        return {k: v.to_list() if isinstance(v, Estimate) else v for k, v in plain.items()}

    def parts(self) -> Iterator[Part]:
        """Yield the threshold, what it costs, and what could not be shown."""
        sure = f"with {self.confidence:.0%} confidence"
        yield f"Alarm if {' + '.join(map(repr, self.alarm))} scores {self.threshold:.4f} or more."
        if not self.met:
            yield (
                f"NOT SHOWN: {self.wish} cannot be shown {sure} by {self.positives} {self.item} "
                f"of {listed(self.alarm)} and {self.negatives} others; this comes closest."
            )
        yield (
            f"Finds {self.recall.percent(1)} of them, {sure} at least {self.least_recall:.1%} "
            f"({self.positives} {self.item})."
        )
        if self.stated is not None:
            low, high = self.stated
            verdict = "as it is" if self.as_stated else "NOT as it is: have the photos changed?"
            expected = f"{low:.1%} to {high:.1%} was to be expected of so many"
            yield f"By validation, {expected}, {verdict}."
        yield (
            f"Rejects {self.false_rejects.percent(1)} of the others, {sure} at most "
            f"{self.most_false_rejects:.1%} ({self.negatives} {self.item})."
        )
