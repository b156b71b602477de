"""What a test of a classifier found, as data and as a table to read."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from kerasrecipes.errors import printable
from kerasrecipes.evaluation.base import Result, Tile
from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.statistics.tables import Table, shorten_text


@dataclass(frozen=True)
class ClassResult:
    """How well one class is recognised.

    Args:
        name: The class.
        support: Number of photos that show it.
        precision: Of the photos called so, the share that is.
        recall: Of the photos that are so, the share that was found.
        f1: Harmonic mean of both.
    """

    name: str
    support: int
    precision: Estimate
    recall: Estimate
    f1: Estimate


@dataclass(frozen=True)
class Evaluation(Result):
    """The result of a test. Every number has a 95 % interval; undefined ones are NaN.

    Args:
        class_names: The classes, in the order of the scores.
        accuracy: Share of photos whose highest score is the true class.
        balanced_accuracy: Mean recall of the classes.
        auc: Area under the ROC curve: of the second class when there are two, else the mean
            over the classes, each against the rest.
        average_precision: Area under the precision-recall curve, of the same classes.
        log_loss: Mean negative logarithm of the true class's score; lower is better.
        calibration_error: Expected calibration error, 15 bins.
        calibration_null: What a perfectly calibrated model would show with so few photos: the
            mean and the middle 95 % of simulations. Only above it is there an error to speak of.
        classes: One result per class.
        confusion: Counts, true class in rows, predicted class in columns.
        item: What people call an example.
    """

    task: ClassVar[str] = "classification"
    headline_name: ClassVar[str] = "accuracy"

    class_names: tuple[str, ...]
    accuracy: Estimate
    balanced_accuracy: Estimate
    auc: Estimate
    average_precision: Estimate
    log_loss: Estimate
    calibration_error: Estimate
    calibration_null: Estimate
    classes: tuple[ClassResult, ...]
    confusion: tuple[tuple[int, ...], ...]
    item: str = field(default="photo", kw_only=True)

    @property
    def headline(self) -> Estimate:
        """Accuracy."""
        return self.accuracy

    def worst_first(self) -> list[ClassResult]:
        """Return the classes by rising recall; classes without photos come last."""
        return sorted(
            self.classes, key=lambda c: (math.isnan(c.recall.value), c.recall.value, c.f1.value)
        )

    def found(self, name: str) -> int:
        """Number of photos of a class that were recognised."""
        place = self.class_names.index(name)
        return self.confusion[place][place]

    def confusions(self) -> list[tuple[str, str, int]]:
        """Return `(true class, taken for, photos)`, most frequent first, without the right ones."""
        return confusions_of(self.class_names, self.confusion)

    def summary(self) -> list[str]:
        right = sum(row[i] for i, row in enumerate(self.confusion))
        lines = [
            f"{right:,} of {self.n:,} {self.item}s right: accuracy {self.accuracy.percent(1)}, "
            f"balanced over classes {self.balanced_accuracy.percent(1)}"
        ]
        of = f" of '{_short(self.class_names[1])}'" if len(self.class_names) == 2 else ""
        ranking = (
            f"AUC {self.auc.number()}, average precision{of} {self.average_precision.number()}"
        )
        lines.append(f"{ranking}, log-loss {self.log_loss.number()}")
        null = self.calibration_null
        lines.append(
            f"calibration error {self.calibration_error.number()}; a perfectly calibrated model "
            f"shows {null.low:.3f}–{null.high:.3f} on so many {self.item}s"
        )
        return lines

    def tables(self) -> list[Table]:
        rows = tuple(
            (
                found.name,
                f"{found.support:,}",
                found.recall.percent(),
                found.precision.percent(),
                found.f1.number(2),
            )
            for found in self.worst_first()
        )
        columns = (
            "class, worst first",
            f"{self.item}s",
            "found (recall)",
            "right when named",
            "F1",
        )
        return [Table("Classes, worst first", columns, rows, right=(1,))]

    def tiles(self) -> list[Tile]:
        right = sum(row[i] for i, row in enumerate(self.confusion))
        names, share = self.class_names, ".1%"
        of = f"of “{printable(names[1])}”" if len(names) == 2 else "mean over classes"
        told = f"{right:,} of {self.n:,} {self.item}s right"
        even = "every class counts alike"
        return [
            Tile.of("Accuracy", self.accuracy, told, form=share),
            Tile.of("Balanced accuracy", self.balanced_accuracy, even, form=share),
            Tile.of("AUC", self.auc, f"{of}; 1 is perfect, 0.5 a guess"),
            Tile.of("Log-loss", self.log_loss, "lower is better"),
        ]

    def remarks(self) -> list[str]:
        return most_frequent(self.confusions())


def confusions_of(
    class_names: Sequence[str], confusion: Sequence[Sequence[int]]
) -> list[tuple[str, str, int]]:
    """Return `(true class, taken for, count)`, most frequent first, without the right ones.

    Args:
        class_names: The classes.
        confusion: Counts, true class in rows, predicted class in columns.
    """
    counts = np.array(confusion)
    found = [
        (class_names[i], class_names[j], int(counts[i, j]))
        for i, j in np.argwhere(counts).tolist()
        if i != j
    ]
    return sorted(found, key=lambda item: -item[2])


def most_frequent(confusions: Sequence[tuple[str, str, int]]) -> list[str]:
    """Name the first three confusions in a line; nothing if there are none."""
    taken = [f"{_short(true)} taken for {_short(said)} {n:,}×" for true, said, n in confusions[:3]]
    return [f"Most frequent mistakes: {'; '.join(taken)}"] if taken else []


def _short(name: str) -> str:
    return shorten_text(printable(name), 28)
