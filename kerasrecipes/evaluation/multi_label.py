"""How good is a model that says of each label whether it applies?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.data.specs import DEFAULT_THRESHOLD
from kerasrecipes.errors import DataError, listed
from kerasrecipes.evaluation.base import Result, Tile, latency_summary, notes_on_size
from kerasrecipes.evaluation.scores import check_finite, check_rows, group_numbers
from kerasrecipes.statistics import resampled
from kerasrecipes.statistics.bootstrap import bootstrap_estimates
from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.statistics.intervals import SHARE
from kerasrecipes.statistics.ranking import Ranking, as_drawn, column_sums
from kerasrecipes.statistics.shares import f1_from_shares, share_of
from kerasrecipes.statistics.tables import Table

FEWEST_TO_CHOOSE = 5
_FEW_POSITIVES = 10


@dataclass(frozen=True)
class LabelResult:
    """How well one label is recognised.

    Args:
        name: The label.
        support: Number of examples that have it.
        threshold: Score from which on an example is named so.
        average_precision: Area under the precision-recall curve, whatever the threshold.
        precision: Of the examples named so, the share that is.
        recall: Of the examples that are so, the share that was found.
        f1: Harmonic mean of both.
    """

    name: str
    support: int
    threshold: float
    average_precision: Estimate
    precision: Estimate
    recall: Estimate
    f1: Estimate


@dataclass(frozen=True)
class MultiLabelEvaluation(Result):
    """The result of a test. Every number has a 95 % interval; undefined ones are NaN.

    Args:
        class_names: The labels, in the order of the scores.
        mean_average_precision: Mean average precision of the labels that occur.
        baseline: What scores without any meaning would reach: the mean share of examples that
            have a label.
        micro_f1: F1 over all examples and labels together.
        macro_f1: Mean F1 of the labels that occur.
        exact_match: Share of examples of which every label is right.
        labels: One result per label.
    """

    task: ClassVar[str] = "multi_label"
    headline_name: ClassVar[str] = "mean average precision"

    class_names: tuple[str, ...]
    mean_average_precision: Estimate
    baseline: Estimate
    micro_f1: Estimate
    macro_f1: Estimate
    exact_match: Estimate
    labels: tuple[LabelResult, ...]

    @property
    def headline(self) -> Estimate:
        """Mean average precision."""
        return self.mean_average_precision

    def worst_first(self) -> list[LabelResult]:
        """Return the labels by rising average precision; those without examples come last."""
        return sorted(
            self.labels,
            key=lambda label: (not label.support, label.average_precision.value, label.f1.value),
        )

    def summary(self) -> list[str]:
        return [
            f"mean average precision {self.mean_average_precision.number()} on {self.n:,} "
            f"examples; scores without meaning: {self.baseline.number()}",
            f"F1 over all answers {self.micro_f1.number()} (micro), mean over labels "
            f"{self.macro_f1.number()} (macro)",
            f"every label right: {self.exact_match.percent(1)} of the examples",
        ]

    def tiles(self) -> list[Tile]:
        by_chance = f"scores without meaning: {self.baseline.value:.3f}"
        return [
            Tile.of("Mean average precision", self.mean_average_precision, by_chance),
            Tile.of("F1, macro", self.macro_f1, "mean over labels"),
            Tile.of("F1, micro", self.micro_f1, "over all answers"),
            Tile.of("All labels right", self.exact_match, "share of examples", form=".1%"),
        ]

    def tables(self) -> list[Table]:
        rows = tuple(
            (
                found.name,
                f"{found.support:,}",
                found.average_precision.number(2),
                f"{found.threshold:.2f}",
                found.recall.percent(),
                found.precision.percent(),
                found.f1.number(2),
            )
            for found in self.worst_first()
        )
        columns = (
            "label, worst first", "examples", "average precision", "named from",
            "found (recall)", "right when named", "F1",
        )  # fmt: skip
        return [Table("Labels, worst first", columns, rows, right=(1, 3))]


@named
def evaluate_labels(
    targets: np.ndarray,
    scores: np.ndarray,
    class_names: Sequence[str],
    *,
    thresholds: float | np.ndarray | None = None,
    groups: Sequence[object] | None = None,
    latency_ms: Sequence[float] | None = None,
    seed: int = 0,
) -> MultiLabelEvaluation:
    """Judge a model of several labels by its scores on examples that it did not train on.

    Shares (exact matches, precision, recall) get Wilson intervals, for which examples of one
    group count as often as they tell something new; the other intervals are bootstrapped.

    Args:
        targets: Whether each label applies, 0 or 1, shape `(n, labels)`.
        scores: Probability of each label, 0…1, shape `(n, labels)`.
        class_names: The labels, in the order of the scores.
        thresholds: Score from which on an example is named so: one for all labels, or one per
            label, e.g. from `best_thresholds`; `None` for 0.5.
        groups: What each example belongs to, shape `(n,)`, e.g. the part that it shows; examples
            of one group are then resampled together. `None` for one that stands alone.
        latency_ms: Milliseconds that each prediction took.
        seed: Seed of the resampling.

    Returns:
        The result.

    Raises:
        DataError: If targets, scores, labels and thresholds do not fit together, or are not what
            they should be.

    Example:
        >>> targets = [[1, 0], [1, 1], [0, 1], [0, 0]]
        >>> scores = [[0.9, 0.2], [0.8, 0.4], [0.3, 0.7], [0.1, 0.1]]
        >>> found = evaluate_labels(targets, scores, ["scratch", "dent"])
        >>> found.mean_average_precision.value, found.exact_match.value
        (1.0, 0.75)
    """
    class_names = tuple(str(name) for name in class_names)
    targets, scores = checked_label_scores(targets, scores, class_names)
    limits = _checked_thresholds(thresholds, len(class_names))
    places, named = group_numbers(groups, len(targets)), scores >= limits
    pairs = zip(targets.T, scores.T, strict=True)
    rankings = [Ranking(target, score, len(class_names)) for target, score in pairs]
    sums = [column_sums(flags) for flags in (targets, named, targets & named)]
    measure = partial(_measure, rankings, sums)
    estimates = bootstrap_estimates(measure, len(targets), groups=places, seed=seed, lies=[SHARE])
    mean, baseline, micro, macro, *by_label = estimates
    labels = tuple(
        _label_result(
            name, targets[:, i], named[:, i], places, limits[i], by_label[i :: len(limits)]
        )
        for i, name in enumerate(class_names)
    )
    return MultiLabelEvaluation(
        n=len(targets),
        class_names=class_names,
        mean_average_precision=mean,
        baseline=baseline,
        micro_f1=micro,
        macro_f1=macro,
        exact_match=share_of((named == targets).all(axis=1), places),
        labels=labels,
        latency_ms=latency_summary(latency_ms),
        notes=_notes(labels, len(targets), places),
    )


@named
def best_thresholds(targets: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Choose for each label the threshold with the best F1.

    It lies halfway between two scores, so that rounding turns no decision; among equally good
    ones it is the nearest to 0.5. Labels with fewer than 5 examples keep 0.5, since their best
    threshold would be chance.

    Args:
        targets: Whether each label applies, 0 or 1, shape `(n, labels)`.
        scores: Probability of each label, 0…1, shape `(n, labels)`, on validation examples: F1
            at thresholds chosen on the same examples is too good.

    Returns:
        The thresholds, shape `(labels,)`, as `evaluate_labels` takes them.

    Raises:
        DataError: If targets and scores do not fit together, or are not what they should be.

    Example:
        >>> targets, scores = [[1]] * 6 + [[0]] * 3, [[0.3]] * 6 + [[0.2]] * 2 + [[0.6]]
        >>> best_thresholds(targets, scores)
        array([0.25])
    """
    targets, scores = checked_label_scores(targets, scores, range(np.atleast_2d(scores).shape[1]))
    pairs = zip(targets.T, scores.T, strict=True)
    return np.array([_best_threshold(target, score) for target, score in pairs])


def _best_threshold(target: np.ndarray, score: np.ndarray) -> float:
    positives = int(target.sum())
    if positives < FEWEST_TO_CHOOSE:
        return DEFAULT_THRESHOLD
    values, place = np.unique(-score, return_inverse=True)
    values = -values  # from the highest score down
    named = np.cumsum(np.bincount(place))
    f1 = 2 * np.cumsum(np.bincount(place, weights=target)) / (named + positives)
    halfway = (values + np.append(values[1:], 0)) / 2
    best = halfway[f1 == f1.max()]
    return float(best[np.argmin(np.abs(best - DEFAULT_THRESHOLD))])


def _measure(rankings: Sequence[Ranking], sums: Sequence[Any], counts: np.ndarray) -> np.ndarray:
    """Return mean AP, baseline, micro and macro F1, then AP and F1 of each label, as columns."""
    drawn = as_drawn(counts)
    support, said, right = (np.ascontiguousarray((one @ counts.T).T) for one in sums)
    with np.errstate(invalid="ignore"):
        micro = 2 * right.sum(axis=1) / (support + said).sum(axis=1)
        f1 = np.where(support > 0, 2 * right / (support + said), np.nan)
    share = np.where(support > 0, support, np.nan) / counts.sum(axis=1, keepdims=True)
    precision = np.column_stack([one.average_precision(drawn) for one in rankings])
    means = [resampled.means_of_defined(columns) for columns in (precision, share, f1)]
    return np.column_stack([*means[:2], micro, means[2], precision, f1])


def _label_result(
    name: str,
    target: np.ndarray,
    named: np.ndarray,
    places: np.ndarray | None,
    threshold: float,
    resampled_ones: Sequence[Estimate],
) -> LabelResult:
    average_precision, f1 = resampled_ones
    precision, recall = (
        share_of((target & named)[rows], None if places is None else places[rows])
        for rows in (named, target)
    )
    if math.isnan(f1.low):
        f1 = f1_from_shares(f1.value, precision, recall)
    support = int(target.sum())
    return LabelResult(name, support, float(threshold), average_precision, precision, recall, f1)


def checked_label_scores(
    targets: np.ndarray, scores: np.ndarray, names: Sequence[object]
) -> tuple[np.ndarray, np.ndarray]:
    """Return targets as booleans and scores as float64, or say what is wrong with them."""
    targets, scores = np.asarray(targets), np.asarray(scores, dtype=np.float64)
    if not len(names) or len(set(names)) < len(names):
        raise DataError(
            f"`class_names` must name different labels, at least one. Received: {listed(names)}. "
            "Pass them in the order of the scores."
        )
    for argument, values in (("targets", targets), ("scores", scores)):
        if values.ndim != 2 or values.shape[1] != len(names):
            raise DataError(
                f"`{argument}` must have shape (n, {len(names)}): one column per label. "
                f"Received shape: {values.shape}."
            )
    check_rows("scores", scores, len(targets), "target")
    check_finite("scores", scores)
    if not np.isin(targets, (0, 1)).all():
        raise DataError(
            "`targets` must be 0 or 1, whether each label applies. Received: "
            f"{listed(np.unique(targets[~np.isin(targets, (0, 1))]))}."
        )
    if scores.min() < -1e-6 or scores.max() > 1 + 1e-6:
        raise DataError(
            "`scores` must be probabilities, between 0 and 1. Received: "
            f"{scores.min():.4g} to {scores.max():.4g}. Apply a sigmoid to logits."
        )
    return targets.astype(bool), scores


def _checked_thresholds(thresholds: float | np.ndarray | None, labels: int) -> np.ndarray:
    found = np.asarray(DEFAULT_THRESHOLD if thresholds is None else thresholds, dtype=np.float64)
    if found.shape not in {(), (labels,)} or not ((found >= 0) & (found <= 1)).all():
        raise DataError(
            f"`thresholds` must be a number between 0 and 1, or {labels} of them, one per label. "
            f"Received: {thresholds!r:.80}."
        )
    return np.broadcast_to(found, (labels,))


def _notes(labels: Sequence[LabelResult], n: int, places: np.ndarray | None) -> tuple[str, ...]:
    notes = notes_on_size(n, MultiLabelEvaluation.item, places)
    few = [label.name for label in labels if 0 < label.support < _FEW_POSITIVES]
    if few:
        notes.insert(
            0, f"Fewer than {_FEW_POSITIVES} examples of {listed(few)}: read the intervals."
        )
    everywhere = [label.name for label in labels if label.support == n]
    if everywhere:
        notes.insert(
            0,
            f"Every example is of {listed(everywhere)}, so the average precision is 1 whatever "
            "the scores.",
        )
    missing = [label.name for label in labels if not label.support]
    if missing:
        notes.insert(
            0,
            f"No example of {listed(missing)}: nothing is known about such, and means over labels "
            "leave them out.",
        )
    return tuple(notes)
