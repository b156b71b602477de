"""From labels and scores to an honest result."""

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.errors import listed
from kerasrecipes.evaluation.base import latency_summary, notes_on_log_loss, notes_on_size
from kerasrecipes.evaluation.result import ClassResult, Evaluation
from kerasrecipes.evaluation.scores import check_rows, checked_scores, group_numbers
from kerasrecipes.statistics import resampled
from kerasrecipes.statistics.bootstrap import REPEATS, bootstrap_estimates
from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.statistics.intervals import (
    SHARE,
    SIZE,
    independent,
    percentile_interval,
    resample_counts,
    resampled_interval,
    units_of,
)
from kerasrecipes.statistics.ranking import Ranking, as_drawn, class_sums
from kerasrecipes.statistics.shares import f1_from_shares, share_of
from kerasrecipes.statistics.simultaneous import mean_of_estimates

# Groups of a class from which on resamples of groups show how far its recall may be off.
FEW_OF_A_CLASS = 4
FEW_WRONG = 5

__all__ = ["ClassResult", "Evaluation", "evaluate_scores", "most_confident_mistakes"]


@named
def evaluate_scores(
    labels: np.ndarray,
    scores: np.ndarray,
    class_names: Sequence[str],
    *,
    groups: Sequence[object] | None = None,
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
        groups: What each photo belongs to, shape `(n,)`, e.g. the part that it shows; photos of
            one group are then resampled together, whatever their classes, and count in shares as
            often as they tell something new. `None` for one that stands alone.
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
    places = group_numbers(groups, len(labels))
    predicted = scores.argmax(axis=1)
    shares = _shares(labels, predicted, len(class_names), places)
    by_class = _bootstrap_by_class(labels, predicted, scores, shares, seed, places)
    confusion = confusion_of(labels, predicted, len(class_names))
    error, null = _calibration(scores.max(axis=1), predicted == labels, seed, places)
    return Evaluation(
        n=len(labels),
        class_names=class_names,
        accuracy=share_of(predicted == labels, places),
        balanced_accuracy=by_class["balanced_accuracy"],
        auc=by_class["auc"],
        average_precision=by_class["average_precision"],
        log_loss=_log_loss(labels, scores, seed, places),
        calibration_error=error,
        calibration_null=null,
        classes=tuple(
            ClassResult(name, support, precision, recall, f1)
            for name, support, (precision, recall), f1 in zip(
                class_names, confusion.sum(axis=1).tolist(), shares, by_class["f1"], strict=True
            )
        ),
        confusion=tuple(map(tuple, confusion.tolist())),
        latency_ms=latency_summary(latency_ms),
        notes=_notes(
            labels, class_names, by_class["auc"], places, int((predicted != labels).sum())
        ),
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
    labels: np.ndarray,
    predicted: np.ndarray,
    scores: np.ndarray,
    shares: Sequence[tuple[Estimate, Estimate]],
    seed: int,
    places: np.ndarray | None,
) -> dict:
    """Compute what depends on the classes, on the sample and on one set of resamples."""
    classes = scores.shape[1]
    shown = np.unique(labels).tolist()
    ranked = [] if len(shown) < 2 else [1] if classes == 2 else shown
    rankings = [Ranking(labels == i, scores[:, i], len(ranked)) for i in ranked]
    # Whole groups do not hold the counts of classes, so a resample may lack some.
    mean = _mean if places is None else _mean_of_defined
    measure = partial(_by_class, labels, predicted, classes, rankings, mean)
    strata = labels if places is None else None
    estimates = bootstrap_estimates(
        measure, len(labels), seed=seed, stratify=strata, groups=places, lies=[SHARE]
    )
    balanced, auc, average_precision, *f1 = estimates
    recalls = [recall for _, recall in shares]
    if np.isnan(balanced.low):
        balanced = _balanced_from_recalls(balanced.value, recalls)
    elif _fewest_groups(labels, places) < FEW_OF_A_CLASS:
        balanced = mean_of_estimates(recalls)
    for i, found in enumerate(f1):
        if np.isnan(found.low):
            f1[i] = f1_from_shares(found.value, *shares[i])
    return {
        "balanced_accuracy": balanced,
        "auc": auc,
        "average_precision": average_precision,
        "f1": f1,
    }


def _fewest_groups(labels: np.ndarray, places: np.ndarray | None) -> float:
    """Return how many groups the class has that has fewest."""
    if places is None:
        return math.inf
    return min(len(np.unique(places[labels == k])) for k in np.unique(labels))


def _by_class(
    labels: np.ndarray,
    predicted: np.ndarray,
    classes: int,
    rankings: Sequence[Ranking],
    mean: Callable[[list], np.ndarray],
    counts: np.ndarray,
) -> np.ndarray:
    """Return balanced accuracy, AUC, average precision and the F1 of each class as columns."""
    hits = np.where(predicted == labels, labels, -1)
    right, support, named = (class_sums(of, classes, counts) for of in (hits, labels, predicted))
    drawn = as_drawn(counts)
    ranking = np.full((2, len(counts)), np.nan)
    if rankings:
        ranking = mean([one.metrics(drawn) for one in rankings])
    f1 = resampled.f1_scores(right, support, named)
    return np.column_stack([resampled.balanced_accuracy(right, support), *ranking, f1])


def _mean(values: list) -> np.ndarray:
    return np.asarray(np.mean(values, axis=0))


def _mean_of_defined(values: list) -> np.ndarray:
    """Average AUC and average precision over the classes that a resample has."""
    by_metric = np.moveaxis(np.array(values), 0, -1)
    return np.array([resampled.means_of_defined(of_classes) for of_classes in by_metric])


def confusion_of(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Count true class (rows) against predicted class (columns), int64, `(classes, classes)`.

    Args:
        labels: True class indices, shape `(n,)`.
        predicted: Class indices that the model says, shape `(n,)`.
        classes: Number of classes.
    """
    cells = np.bincount(labels * classes + predicted, minlength=classes**2)
    return cells.reshape(classes, classes)


def _shares(
    labels: np.ndarray, predicted: np.ndarray, classes: int, places: np.ndarray | None
) -> list[tuple[Estimate, Estimate]]:
    """Return precision and recall of each class."""
    right = predicted == labels

    def share(rows: np.ndarray) -> Estimate:
        return share_of(right[rows], None if places is None else places[rows])

    return [(share(predicted == k), share(labels == k)) for k in range(classes)]


def _balanced_from_recalls(value: float, recalls: Sequence[Estimate]) -> Estimate:
    known = [recall for recall in recalls if not np.isnan(recall.value)]
    low, high = (np.mean([getattr(recall, end) for recall in known]) for end in ("low", "high"))
    return Estimate(value, low, high)


def _log_loss(
    labels: np.ndarray, scores: np.ndarray, seed: int, places: np.ndarray | None
) -> Estimate:
    losses = resampled.log_losses(labels, scores)
    drawn = resample_counts(len(losses), REPEATS, seed + 1, groups=places)
    means = np.concatenate([counts @ losses / counts.sum(axis=1) for counts in drawn])
    return Estimate(
        losses.mean(),
        *resampled_interval(losses.mean(), means, independent(len(losses), places, SIZE), SIZE),
    )


def _calibration(
    confidence: np.ndarray, correct: np.ndarray, seed: int, places: np.ndarray | None
) -> tuple[Estimate, Estimate]:
    """Return the calibration error, and what chance alone would show."""
    once = np.ones((1, len(confidence)))
    value = float(resampled.calibration_errors(confidence, correct, once)[0])
    generator = np.random.default_rng(seed + 2)
    shared = 0.0 if places is None else math.sqrt(_likeness(correct - confidence, places))
    errors, chance = [], []
    for counts in resample_counts(len(confidence), REPEATS, seed + 2, groups=places):
        errors.append(resampled.calibration_errors(confidence, correct, counts))
        luck = generator.random(counts.shape)
        if places is not None:
            of_group = generator.random((len(luck), int(places.max()) + 1))[:, places]
            luck = np.where(generator.random(luck.shape) < shared, of_group, luck)
        once = np.ones_like(counts)
        chance.append(resampled.calibration_errors(confidence, luck < confidence, once))
    low, high = resampled_interval(value, np.concatenate(errors), units_of(places), SHARE)
    if places is None:
        # Resampling adds error of its own, so percentiles are reflected (the "basic" bootstrap).
        low, high = max(0.0, 2 * value - high), min(1.0, 2 * value - low)
    null = np.concatenate(chance)
    found = (
        Estimate(value)
        if math.isnan(low + high)
        else Estimate(value, min(low, value), max(high, value))
    )
    return found, Estimate(null.mean(), *percentile_interval(null))


def _likeness(residuals: np.ndarray, places: np.ndarray) -> float:
    """Return how alike the rows of one group are, 0…1: the correlation of two of them."""
    sums, sizes = np.bincount(places, weights=residuals), np.bincount(places)
    pairs, squares = float((sizes * (sizes - 1)).sum()), float(residuals @ residuals)
    if not squares:
        return 0.0
    together = (float(sums @ sums) - squares) / pairs
    return min(1.0, max(0.0, together / (squares / len(residuals))))


def _notes(
    labels: np.ndarray,
    class_names: tuple[str, ...],
    auc: Estimate,
    places: np.ndarray | None,
    wrong: int,
) -> tuple[str, ...]:
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
    if (fewest := _fewest_groups(labels, places)) < FEW_OF_A_CLASS:
        groups = "one group" if fewest == 1 else f"{fewest} groups"
        notes.append(
            f"There is a class of only {groups}, too few to tell how others would differ: the "
            "intervals of its F1, of AUC and of average precision may be too narrow."
        )
    if wrong < FEW_WRONG:
        notes.append(
            f"{wrong or 'None'} of {len(labels)} are wrong, and most of a log-loss comes from what "
            "is: with so few, its interval may be too narrow."
        )
    else:
        notes += notes_on_log_loss(len(labels), Evaluation.item)
    return (*notes, *notes_on_size(len(labels), Evaluation.item, places))
