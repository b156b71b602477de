"""How good is a classifier whose classes have an order, e.g. degrees of wear?"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.errors import listed
from kerasrecipes.evaluation.base import (
    Result,
    Tile,
    latency_summary,
    notes_on_log_loss,
    notes_on_size,
)
from kerasrecipes.evaluation.classification import confusion_of
from kerasrecipes.evaluation.result import confusions_of, most_frequent
from kerasrecipes.evaluation.scores import checked_scores, group_numbers, median_classes
from kerasrecipes.statistics import resampled
from kerasrecipes.statistics.bootstrap import bootstrap_estimates
from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.statistics.intervals import SIZE
from kerasrecipes.statistics.ranking import class_sums
from kerasrecipes.statistics.shares import share_of
from kerasrecipes.statistics.tables import Table


@dataclass(frozen=True)
class OrderedClassResult:
    """How well one class is recognised, and how far off its examples are.

    Args:
        name: The class.
        support: Number of examples of it.
        recall: Share of them that was found.
        mean_absolute_error: By how many classes they are off on average.
    """

    name: str
    support: int
    recall: Estimate
    mean_absolute_error: Estimate


@dataclass(frozen=True)
class OrdinalEvaluation(Result):
    """The result of a test. Every number has a 95 % interval; undefined ones are NaN.

    Args:
        class_names: The classes, in order.
        mean_absolute_error: By how many classes the answers are off on average.
        baseline: What it would be if the answer were always the middle one of these labels.
        quadratic_kappa: Cohen's kappa with squared distances: 1 if all are right, 0 if no better
            than chance.
        accuracy: Share of examples whose class is right.
        within_one: Share of examples that are off by one class at most.
        log_loss: Mean negative logarithm of the true class's score; lower is better.
        classes: One result per class, in order.
        confusion: Counts, true class in rows, predicted class in columns.
    """

    task: ClassVar[str] = "ordinal"
    headline_name: ClassVar[str] = "mean absolute error"
    higher_is_better: ClassVar[bool] = False

    class_names: tuple[str, ...]
    mean_absolute_error: Estimate
    baseline: Estimate
    quadratic_kappa: Estimate
    accuracy: Estimate
    within_one: Estimate
    log_loss: Estimate
    classes: tuple[OrderedClassResult, ...]
    confusion: tuple[tuple[int, ...], ...]

    @property
    def headline(self) -> Estimate:
        """Mean absolute error, in classes."""
        return self.mean_absolute_error

    def summary(self) -> list[str]:
        return [
            f"off by {self.mean_absolute_error.number(2)} classes on average over {self.n:,} "
            f"examples; always answering the middle one: {self.baseline.number(2)}",
            f"right: {self.accuracy.percent(1)}, at most one class off: "
            f"{self.within_one.percent(1)}",
            f"quadratic kappa {self.quadratic_kappa.number()}, log-loss {self.log_loss.number()}",
        ]

    def tiles(self) -> list[Tile]:
        middle = f"in classes; always the middle one: {self.baseline.value:.2f}"
        kappa = "1 is perfect, 0 a guess"
        return [
            Tile.of("Mean absolute error", self.mean_absolute_error, middle, form=".2f"),
            Tile.of("Quadratic kappa", self.quadratic_kappa, kappa),
            Tile.of("Accuracy", self.accuracy, "share of classes right", form=".1%"),
            Tile.of("Within one class", self.within_one, "off by one at most", form=".1%"),
        ]

    def tables(self) -> list[Table]:
        rows = tuple(
            (
                found.name,
                f"{found.support:,}",
                found.recall.percent(),
                found.mean_absolute_error.number(2),
            )
            for found in self.classes
        )
        columns = ("class, in order", "examples", "found (recall)", "off by, in classes")
        return [Table("Classes, in order", columns, rows, right=(1,))]

    def remarks(self) -> list[str]:
        return most_frequent(confusions_of(self.class_names, self.confusion))


@named
def evaluate_order(
    labels: np.ndarray,
    scores: np.ndarray,
    class_names: Sequence[str],
    *,
    groups: Sequence[object] | None = None,
    latency_ms: Sequence[float] | None = None,
    seed: int = 0,
) -> OrdinalEvaluation:
    """Judge a classifier of ordered classes by its scores on examples it did not train on.

    It answers with the median class, which is off by the least on average. Shares get Wilson
    intervals, for which examples of one group count as often as they tell something new; the
    other intervals are bootstrapped.

    Args:
        labels: True class indices, shape `(n,)`.
        scores: Class probabilities, shape `(n, classes)`.
        class_names: The classes in their order, which is that of the scores.
        groups: What each example belongs to, shape `(n,)`, e.g. the part that it shows; examples
            of one group are then resampled together. `None` for one that stands alone.
        latency_ms: Milliseconds that each prediction took.
        seed: Seed of the resampling.

    Returns:
        The result.

    Raises:
        DataError: If labels, scores and classes do not fit together, or are not what they
            should be.

    Example:
        >>> scores = [[0.8, 0.1, 0.1], [0.1, 0.1, 0.8], [0.2, 0.2, 0.6]]
        >>> found = evaluate_order([0, 2, 0], scores, ["new", "worn", "broken"])
        >>> round(found.mean_absolute_error.value, 3), round(found.within_one.value, 3)
        (0.667, 0.667)
    """
    class_names = tuple(str(name) for name in class_names)
    labels, scores = checked_scores(labels, scores, class_names)
    places = group_numbers(groups, len(labels))
    predicted = median_classes(scores)
    measure = partial(_measure, labels, predicted, resampled.log_losses(labels, scores))
    measure = partial(measure, len(class_names))
    lies = [SIZE, SIZE, (-1.0, 1.0), SIZE]
    estimates = bootstrap_estimates(measure, len(labels), groups=places, seed=seed, lies=lies)
    error, baseline, kappa, log_loss, *class_errors = estimates
    confusion = confusion_of(labels, predicted, len(class_names))
    return OrdinalEvaluation(
        n=len(labels),
        class_names=class_names,
        mean_absolute_error=error,
        baseline=baseline,
        quadratic_kappa=kappa,
        accuracy=share_of(predicted == labels, places),
        within_one=share_of(np.abs(predicted - labels) <= 1, places),
        log_loss=log_loss,
        classes=_classes(class_names, labels, predicted, places, class_errors),
        confusion=tuple(map(tuple, confusion.tolist())),
        latency_ms=latency_summary(latency_ms),
        notes=_notes(labels, class_names, places),
    )


def _measure(
    labels: np.ndarray,
    predicted: np.ndarray,
    losses: np.ndarray,
    classes: int,
    counts: np.ndarray,
) -> np.ndarray:
    """Return error, baseline, kappa, log-loss and the error of each class as columns."""
    total = counts.sum(axis=1)
    support = class_sums(labels, classes, counts)
    distance = np.abs(np.arange(classes)[:, None] - np.arange(classes))
    errors = class_sums(labels, classes, counts * np.abs(labels - predicted))
    with np.errstate(invalid="ignore"):
        by_class = errors / support
    return np.column_stack(
        [
            errors.sum(axis=1) / total,
            (support @ distance).min(axis=1) / total,
            resampled.quadratic_kappas(labels, predicted, counts),
            counts @ losses / total,
            by_class,
        ]
    )


def _classes(
    class_names: Sequence[str],
    labels: np.ndarray,
    predicted: np.ndarray,
    places: np.ndarray | None,
    errors: Sequence[Estimate],
) -> tuple[OrderedClassResult, ...]:
    found = []
    for i, (name, error) in enumerate(zip(class_names, errors, strict=True)):
        members = labels == i
        recall = share_of(predicted[members] == i, None if places is None else places[members])
        found.append(OrderedClassResult(name, int(members.sum()), recall, error))
    return tuple(found)


def _notes(
    labels: np.ndarray, class_names: Sequence[str], places: np.ndarray | None
) -> tuple[str, ...]:
    notes = notes_on_size(len(labels), OrdinalEvaluation.item, places)
    notes += notes_on_log_loss(len(labels), OrdinalEvaluation.item)
    missing = [name for i, name in enumerate(class_names) if not np.any(labels == i)]
    if missing:
        notes.insert(0, f"No example of {listed(missing)}: nothing is known about such.")
    return tuple(notes)
