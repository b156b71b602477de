"""From labels and scores to an honest result."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from kerasrecipes.errors import listed
from kerasrecipes.evaluation.base import latency_summary, notes_on_size
from kerasrecipes.evaluation.result import ClassResult, Evaluation
from kerasrecipes.evaluation.scores import check_rows, checked_scores
from kerasrecipes.statistics import resampled
from kerasrecipes.statistics.bootstrap import REPEATS, bootstrap_estimates
from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.statistics.intervals import percentile_interval, resample_counts
from kerasrecipes.statistics.ranking import Ranking, as_drawn, class_sums
from kerasrecipes.statistics.shares import counted_share, f1_from_shares

__all__ = ["ClassResult", "Evaluation", "evaluate_scores", "most_confident_mistakes"]


def evaluate_scores(
    labels: np.ndarray,
    scores: np.ndarray,
    class_names: Sequence[str],
    *,
    latency_ms: Sequence[float] | None = None,
    seed: int = 0,
) -> Evaluation:
    """Judge a classifier by its scores on photos that it did not train on.

    Shares (accuracy, precision, recall) get Wilson intervals. Balanced accuracy, F1, AUC and
    average precision are bootstrapped with the class counts held, log-loss and calibration
    error without.

    Args:
        labels: True class indices, shape `(n,)`.
        scores: Class probabilities, shape `(n, classes)`.
        class_names: The classes, in the order of the scores.
        latency_ms: Milliseconds that each prediction took.
        seed: Seed of the resampling.

    Returns:
        The result.

    Raises:
        DataError: If labels, scores and classes do not fit together, or are not what they
            should be.

    Example:
        >>> labels = np.arange(40) % 2
        >>> scores = np.where(labels[:, None] == [0, 1], 0.8, 0.2)
        >>> evaluate_scores(labels, scores, ["ok", "crack"]).accuracy.percent()
        '100% (91–100)'
    """
    class_names = tuple(str(name) for name in class_names)
    labels, scores = checked_scores(labels, scores, class_names)
    predicted = scores.argmax(axis=1)
    confusion = confusion_of(labels, predicted, len(class_names))
    shares = _bootstrap_by_class(labels, predicted, scores, confusion, seed)
    classes = tuple(
        _class_result(name, i, confusion, shares["f1"][i]) for i, name in enumerate(class_names)
    )
    right = float(np.trace(confusion))
    error, null = _calibration(scores.max(axis=1), predicted == labels, seed)
    return Evaluation(
        n=len(labels),
        class_names=class_names,
        accuracy=counted_share(right, len(labels)),
        balanced_accuracy=shares["balanced_accuracy"],
        auc=shares["auc"],
        average_precision=shares["average_precision"],
        log_loss=_log_loss(labels, scores, seed),
        calibration_error=error,
        calibration_null=null,
        classes=classes,
        confusion=tuple(map(tuple, confusion.tolist())),
        latency_ms=latency_summary(latency_ms),
        notes=_notes(labels, class_names, shares["auc"]),
    )


def most_confident_mistakes(labels: np.ndarray, scores: np.ndarray, limit: int = 12) -> np.ndarray:
    """Find the photos that were misjudged with the highest scores.

    They are the first to look at: wrong labels, odd photos, and blind spots of the model.

    Args:
        labels: True class indices, shape `(n,)`.
        scores: Class probabilities, shape `(n, classes)`.
        limit: Number of photos at most.

    Returns:
        Indices, most confident mistake first.

    Raises:
        DataError: If the lengths differ.

    Example:
        >>> most_confident_mistakes([0, 0, 1], [[0.9, 0.1], [0.3, 0.7], [0.8, 0.2]])
        array([2, 1])
    """
    labels, scores = np.asarray(labels), np.asarray(scores)
    check_rows("scores", scores, len(labels))
    predicted, confidence = scores.argmax(axis=1), scores.max(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    return wrong[np.argsort(-confidence[wrong], kind="stable")][:limit]


def _bootstrap_by_class(
    labels: np.ndarray, predicted: np.ndarray, scores: np.ndarray, confusion: np.ndarray, seed: int
) -> dict:
    """Compute what depends on the classes, on the sample and on one set of resamples."""
    classes = scores.shape[1]
    shown = np.unique(labels).tolist()
    ranked = [] if len(shown) < 2 else [1] if classes == 2 else shown
    rankings = [Ranking(labels == i, scores[:, i], len(ranked)) for i in ranked]
    measure = partial(_by_class, labels, predicted, classes, rankings)
    estimates = bootstrap_estimates(measure, len(labels), seed=seed, stratify=labels)
    balanced, auc, average_precision, *f1 = estimates
    if np.isnan(balanced.low):
        balanced = _balanced_from_recalls(balanced.value, confusion)
    for i, found in enumerate(f1):
        if np.isnan(found.low):
            f1[i] = f1_from_shares(found.value, *_precision_and_recall(confusion, i))
    return {
        "balanced_accuracy": balanced,
        "auc": auc,
        "average_precision": average_precision,
        "f1": f1,
    }


def _by_class(
    labels: np.ndarray,
    predicted: np.ndarray,
    classes: int,
    rankings: Sequence[Ranking],
    counts: np.ndarray,
) -> np.ndarray:
    """Return balanced accuracy, AUC, average precision and the F1 of each class as columns."""
    hits = np.where(predicted == labels, labels, -1)
    right, support, named = (class_sums(of, classes, counts) for of in (hits, labels, predicted))
    drawn = as_drawn(counts)
    ranking = np.full((2, len(counts)), np.nan)
    if rankings:
        ranking = np.mean([one.metrics(drawn) for one in rankings], axis=0)
    f1 = resampled.f1_scores(right, support, named)
    return np.column_stack([resampled.balanced_accuracy(right, support), *ranking, f1])


def confusion_of(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Count true class (rows) against predicted class (columns), int64, `(classes, classes)`.

    Args:
        labels: True class indices, shape `(n,)`.
        predicted: Class indices that the model says, shape `(n,)`.
        classes: Number of classes.
    """
    cells = np.bincount(labels * classes + predicted, minlength=classes**2)
    return cells.reshape(classes, classes)


def _class_result(name: str, place: int, confusion: np.ndarray, f1: Estimate) -> ClassResult:
    precision, recall = _precision_and_recall(confusion, place)
    support = int(confusion[place].sum())
    return ClassResult(name=name, support=support, precision=precision, recall=recall, f1=f1)


def _precision_and_recall(confusion: np.ndarray, place: int) -> tuple[Estimate, Estimate]:
    right = confusion[place, place]
    return (
        counted_share(right, confusion[:, place].sum()),
        counted_share(right, confusion[place].sum()),
    )


def _balanced_from_recalls(value: float, confusion: np.ndarray) -> Estimate:
    recalls = [counted_share(row[i], row.sum()) for i, row in enumerate(confusion) if row.sum()]
    low, high = (np.mean([getattr(r, end) for r in recalls]) for end in ("low", "high"))
    return Estimate(value, low, high)


def _log_loss(labels: np.ndarray, scores: np.ndarray, seed: int) -> Estimate:
    losses = resampled.log_losses(labels, scores)
    drawn = [c @ losses / len(losses) for c in resample_counts(len(losses), REPEATS, seed + 1)]
    return Estimate(losses.mean(), *percentile_interval(np.concatenate(drawn)))


def _calibration(
    confidence: np.ndarray, correct: np.ndarray, seed: int
) -> tuple[Estimate, Estimate]:
    """Return the calibration error, and what chance alone would show."""
    once = np.ones((1, len(confidence)))
    value = float(resampled.calibration_errors(confidence, correct, once)[0])
    generator = np.random.default_rng(seed + 2)
    errors, chance = [], []
    for counts in resample_counts(len(confidence), REPEATS, seed + 2):
        errors.append(resampled.calibration_errors(confidence, correct, counts))
        luck = generator.random(counts.shape) < confidence
        chance.append(resampled.calibration_errors(confidence, luck, np.ones_like(counts)))
    low, high = percentile_interval(np.concatenate(errors))
    # Resampling adds error of its own, so the interval is reflected (the "basic" bootstrap).
    low, high = max(0.0, 2 * value - high), min(1.0, 2 * value - low)
    null = np.concatenate(chance)
    return (
        Estimate(value, min(low, value), max(high, value)),
        Estimate(null.mean(), *percentile_interval(null)),
    )


def _notes(labels: np.ndarray, class_names: tuple[str, ...], auc: Estimate) -> tuple[str, ...]:
    notes = []
    support = np.bincount(labels, minlength=len(class_names))
    missing = [name for name, n in zip(class_names, support, strict=True) if not n]
    if missing:
        notes.append(
            f"No photo of {listed(missing)}; nothing is known about "
            f"{'it' if len(missing) == 1 else 'them'}, and averages over classes leave "
            f"{'it' if len(missing) == 1 else 'them'} out."
        )
    if len(missing) == len(class_names) - 1:
        notes.append("All photos are of one class, so AUC and average precision are undefined.")
    elif np.isnan(auc.low):
        notes.append("Every resample gives the same AUC, so it has no interval.")
    return (*notes, *notes_on_size(len(labels), Evaluation.item))
