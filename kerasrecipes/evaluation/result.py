"""What a test of a classifier found, as data and as a table to read."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kerasrecipes.errors import DataError, printable
from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.statistics.tables import align_columns, shorten_text, underlined

_METRICS = (
    "accuracy",
    "balanced_accuracy",
    "auc",
    "average_precision",
    "log_loss",
    "calibration_error",
    "calibration_null",
)


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
class Evaluation:
    """The result of a test. Every number has a 95 % interval; undefined ones are NaN.

    Args:
        n: Number of photos.
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
        latency_ms: `{"median": …, "p95": …}` per photo, or `None` if not measured.
        notes: What a reader should know about these numbers.
    """

    n: int
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
    latency_ms: dict[str, float] | None = None
    notes: tuple[str, ...] = ()

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
        found = [
            (self.class_names[i], self.class_names[j], count)
            for i, row in enumerate(self.confusion)
            for j, count in enumerate(row)
            if i != j and count
        ]
        return sorted(found, key=lambda item: -item[2])

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-safe data; each estimate is `[value, low, high]`."""
        return {
            "n": self.n,
            "class_names": list(self.class_names),
            **{name: getattr(self, name).to_list() for name in _METRICS},
            "classes": [
                {
                    "name": found.name,
                    "support": found.support,
                    "precision": found.precision.to_list(),
                    "recall": found.recall.to_list(),
                    "f1": found.f1.to_list(),
                }
                for found in self.classes
            ],
            "confusion": [list(row) for row in self.confusion],
            "latency_ms": self.latency_ms,
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Evaluation":
        """Build the result from what `to_dict` returned.

        Raises:
            DataError: If a part is missing.
        """
        try:
            return cls(
                n=data["n"],
                class_names=tuple(data["class_names"]),
                **{name: Estimate.from_list(data[name]) for name in _METRICS},
                classes=tuple(_class_from_dict(found) for found in data["classes"]),
                confusion=tuple(tuple(row) for row in data["confusion"]),
                latency_ms=data["latency_ms"],
                notes=tuple(data["notes"]),
            )
        except KeyError as error:
            raise DataError(
                f"The evaluation lacks {error.args[0]!r}. The file is damaged or was edited; "
                "restore it or evaluate again."
            ) from error

    def __str__(self) -> str:
        return "\n".join([*self._headline(), "", *self._table(), *self._footer()])

    def _headline(self) -> list[str]:
        right = sum(row[i] for i, row in enumerate(self.confusion))
        lines = [
            f"{right:,} of {self.n:,} photos right: accuracy {self.accuracy.percent(1)}, "
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
            f"shows {null.low:.3f}–{null.high:.3f} on so many photos"
        )
        if self.latency_ms:
            median, p95 = self.latency_ms["median"], self.latency_ms["p95"]
            lines.append(f"latency per photo {median:.1f} ms, 95th percentile {p95:.1f} ms")
        return lines

    def _table(self) -> list[str]:
        rows = [("class, worst first", "photos", "found (recall)", "right when named", "F1")]
        rows += [
            (
                _short(found.name),
                f"{found.support:,}",
                found.recall.percent(),
                found.precision.percent(),
                found.f1.number(2),
            )
            for found in self.worst_first()
        ]
        return underlined(align_columns(rows, right={1}), rows)

    def _footer(self) -> list[str]:
        taken = [
            f"{_short(true)} taken for {_short(said)} {n:,}×"
            for true, said, n in self.confusions()[:3]
        ]
        lines = ["", f"Most frequent mistakes: {'; '.join(taken)}"] if taken else []
        lines += ["", "In brackets: 95% confidence intervals."]
        return lines + [f"Note: {printable(note)}" for note in self.notes]


def _class_from_dict(data: Mapping[str, Any]) -> ClassResult:
    return ClassResult(
        name=data["name"],
        support=data["support"],
        precision=Estimate.from_list(data["precision"]),
        recall=Estimate.from_list(data["recall"]),
        f1=Estimate.from_list(data["f1"]),
    )


def _short(name: str) -> str:
    return shorten_text(printable(name), 28)
