"""What a model's scores are worth at any threshold, small enough to travel inside a page.

Scores are counted between the thresholds that can be set, so the counts at each of these are those
of the scores themselves, and a page is no larger for a million examples than for ten thousand.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasrecipes.evaluation.operating.thresholds import AlarmScores
from kerasrecipes.statistics.intervals import z_of
from kerasrecipes.statistics.shares import counted_share
from kerasrecipes.statistics.tables import Table

# Thresholds between 0 and 1; fewer where many labels share a page.
FINE, COARSE = 10_000, 1_000
MOST_FINE = 20
CONFIDENCE = 0.95
_SHOWN = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
_COLUMNS = ("From a score of", "Found (recall)", "False alarms", "Right when raised (precision)")


@dataclass(frozen=True)
class CountedScores:
    """How often each score was given to a question of yes or no.

    Args:
        about: What the question is about, e.g. `"crack"`.
        chosen: The threshold that the model has; `None` if it has none.
        item: What was counted, e.g. `"photos"`.
        positives: How many should be answered by yes.
        negatives: How many should not.
        levels: Thresholds, float64, rising.
        positive: How many of the positives score at least that, and less than the next.
        negative: The same of the negatives.
    """

    about: str
    chosen: float | None
    item: str
    positives: int
    negatives: int
    levels: np.ndarray
    positive: np.ndarray
    negative: np.ndarray

    @classmethod
    def of(
        cls, scores: AlarmScores, chosen: float | None = None, steps: int = FINE
    ) -> "CountedScores":
        """Count scores.

        Args:
            scores: Of examples that the model did not learn from.
            chosen: The threshold that the model has.
            steps: How many thresholds there are from 0 to 1, beside the chosen one.
        """
        levels = np.arange(steps + 1) / steps
        if chosen is not None:
            levels = np.union1d(levels, [chosen])
        counted = []
        for side in (scores.positive, scores.negative):
            place = np.searchsorted(levels, side, side="right") - 1
            counted.append(np.bincount(place[place >= 0], minlength=len(levels)))
        some = (counted[0] + counted[1]) > 0
        sizes = len(scores.positive), len(scores.negative)
        held = levels[some], counted[0][some], counted[1][some]
        return cls(" + ".join(scores.alarm), chosen, scores.item, *sizes, *held)

    def at(self, threshold: float) -> tuple[int, int]:
        """Return how many positives and how many negatives score at least a threshold."""
        above = self.levels >= threshold
        return int(self.positive[above].sum()), int(self.negative[above].sum())

    def table(self) -> Table:
        """Return some thresholds, and the chosen one, with 95 % intervals."""
        shown = sorted({*_SHOWN, *(() if self.chosen is None else (self.chosen,))})
        return Table(f"{self.about}, by threshold", _COLUMNS, tuple(map(self._row, shown)))

    def _row(self, threshold: float) -> tuple[str, ...]:
        found, wrong = self.at(threshold)
        sides = (found, self.positives), (wrong, self.negatives), (found, found + wrong)
        cells = (
            f"{part:,} of {whole:,}: {counted_share(part, whole, CONFIDENCE).percent(1)}"
            for part, whole in sides
        )
        mark = ", as chosen" if threshold == self.chosen else ""
        return (f"{threshold:.4g}{mark}", *cells)

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as a page's script reads them; no text is among them."""
        arrays = {name: getattr(self, name).tolist() for name in ("levels", "positive", "negative")}
        return {
            "chosen": self.chosen,
            "positives": self.positives,
            "negatives": self.negatives,
            **arrays,
        }


@dataclass(frozen=True)
class ThresholdSlider:
    """Questions whose threshold can be moved on a page, one at a time.

    Args:
        questions: At least one.
        steps: How many thresholds there are from 0 to 1, beside the chosen ones.
    """

    questions: tuple[CountedScores, ...]
    steps: int

    @classmethod
    def of(cls, asked: Sequence[tuple[AlarmScores, float | None]]) -> "ThresholdSlider":
        """Count the scores of questions, each given with the threshold that the model has."""
        steps = FINE if len(asked) <= MOST_FINE else COARSE
        return cls(tuple(CountedScores.of(one, chosen, steps) for one, chosen in asked), steps)

    def tables(self) -> Iterator[Table]:
        """Yield a table for each question, for readers without scripts."""
        return (one.table() for one in self.questions)

    def to_dict(self) -> dict[str, Any]:
        """Return what a page's script reads."""
        questions = [one.to_dict() for one in self.questions]
        return {"steps": self.steps, "z": z_of(CONFIDENCE), "questions": questions}
