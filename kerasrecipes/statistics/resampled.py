"""Metrics of many weighted resamples at once: what makes a thousand bootstraps take a moment.

Each function takes `counts`, shape `(resamples, n)`: how often each photo is in each resample.
A line of ones is the sample itself. It returns one number per resample, NaN where undefined.
"""

import numpy as np

LOSS_FLOOR = 1e-7


def ranking_metrics(
    positive: np.ndarray, score: np.ndarray, counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Compute AUC and average precision; ties count half for AUC, as one threshold for AP.

    Args:
        positive: Whether each photo shows the class, shape `(n,)`.
        score: Score of the class, shape `(n,)`.
        counts: Resamples, shape `(resamples, n)`.

    Returns:
        AUC and average precision, each of shape `(resamples,)`.

    Reference:
        Hanley and McNeil, 1982, "The meaning and use of the area under a ROC curve".
    """
    hits, found, named = _ranked(positive, score, counts)
    positives, total = found[:, -1], named[:, -1]
    false = np.diff(named - found, axis=1, prepend=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        auc = np.sum(false * (found - hits / 2), axis=1) / (positives * (total - positives))
    return auc, _average_precisions(hits, found, named)


def average_precisions(positive: np.ndarray, score: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Compute average precision alone, as `ranking_metrics` does."""
    return _average_precisions(*_ranked(positive, score, counts))


def _ranked(
    positive: np.ndarray, score: np.ndarray, counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return hits at each distinct score from the highest down, and hits and rows down to it."""
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    named = np.take(counts, order, axis=1)
    hits = named * positive[order]
    if len(starts) < len(order):
        hits, named = (np.add.reduceat(rows, starts, axis=1) for rows in (hits, named))
    return hits, np.cumsum(hits, axis=1), np.cumsum(named, axis=1)


def _average_precisions(hits: np.ndarray, found: np.ndarray, named: np.ndarray) -> np.ndarray:
    precision = np.divide(found, named, out=np.zeros_like(found), where=named > 0)
    with np.errstate(invalid="ignore"):
        return np.sum(hits * precision, axis=1) / found[:, -1]


def confusion_counts(
    labels: np.ndarray, predicted: np.ndarray, classes: int, counts: np.ndarray
) -> np.ndarray:
    """Count true class (rows) against predicted class (columns), per resample."""
    cell = labels * classes + predicted
    one_hot = np.zeros((len(labels), classes * classes))
    one_hot[np.arange(len(labels)), cell] = 1
    return (counts @ one_hot).reshape(len(counts), classes, classes)


def balanced_accuracy(confusion: np.ndarray) -> np.ndarray:
    """Average the recall of the classes that have photos."""
    support = confusion.sum(axis=2)
    recall = np.divide(
        np.diagonal(confusion, axis1=1, axis2=2),
        support,
        out=np.zeros_like(support),
        where=support > 0,
    )
    return recall.sum(axis=1) / (support > 0).sum(axis=1)


def f1_scores(confusion: np.ndarray) -> np.ndarray:
    """Compute F1 per class, shape `(resamples, classes)`; NaN for a class without photos."""
    right = np.diagonal(confusion, axis1=1, axis2=2)
    support, named = confusion.sum(axis=2), confusion.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.where(support > 0, 2 * right / (support + named), np.nan)


def log_losses(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Loss of each photo; a score of 0 for the true class counts as 1e-7, not as infinity."""
    return -np.log(np.clip(scores[np.arange(len(labels)), labels], LOSS_FLOOR, 1.0))


def calibration_errors(
    confidence: np.ndarray, correct: np.ndarray, counts: np.ndarray, bins: int = 15
) -> np.ndarray:
    """Compute the expected calibration error in equally wide bins of top-1 confidence.

    Args:
        confidence: Largest score of each photo, shape `(n,)`.
        correct: Whether it is right, shape `(n,)`, or one line per resample.
        counts: Resamples, shape `(resamples, n)`.
        bins: Number of bins.

    Returns:
        One error per resample, shape `(resamples,)`.

    Reference:
        Guo et al., 2017, "On Calibration of Modern Neural Networks", equation 3.
    """
    members = np.zeros((len(confidence), bins))
    # Bins are open below and closed above, as in the paper.
    bin_of = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    members[np.arange(len(confidence)), bin_of] = 1
    gaps = (counts * (correct - confidence)) @ members
    return np.abs(gaps).sum(axis=1) / counts.sum(axis=1)


def means_of_defined(values: np.ndarray) -> np.ndarray:
    """Average each line over what is not NaN; NaN where nothing is."""
    defined = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(defined, values, 0).sum(axis=1) / defined.sum(axis=1)


def quantiles(values: np.ndarray, counts: np.ndarray, share: float) -> np.ndarray:
    """Compute a quantile per resample, linear between the two nearest values.

    Args:
        values: One number per row, shape `(n,)`.
        counts: Resamples, shape `(resamples, n)`.
        share: 0.5 for the median.

    Returns:
        One quantile per resample, shape `(resamples,)`.
    """
    order = np.argsort(values, kind="stable")
    upto = np.cumsum(counts[:, order], axis=1)
    position = (upto[:, -1] - 1) * share
    low, high = (
        values[order][np.argmax(upto > end(position)[:, None], axis=1)]
        for end in (np.floor, np.ceil)
    )
    return low + (high - low) * (position % 1)


def rank_correlations(first: np.ndarray, second: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Compute Spearman's correlation per resample; NaN where either is constant.

    Args:
        first, second: Two numbers per row, shape `(n,)` each.
        counts: Resamples, shape `(resamples, n)`.

    Returns:
        One correlation per resample, shape `(resamples,)`.
    """
    middle = (counts.sum(axis=1, keepdims=True) + 1) / 2
    a, b = (_ranks(values, counts) - middle for values in (first, second))
    with np.errstate(invalid="ignore"):
        both = np.sqrt((counts * a * a).sum(axis=1) * (counts * b * b).sum(axis=1))
        return (counts * a * b).sum(axis=1) / both


def _ranks(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Rank the rows of each resample from 1; equal ones share the mean of their ranks."""
    distinct, place = np.unique(values, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(len(distinct)))
    sizes = np.add.reduceat(counts[:, order], starts, axis=1)
    return (np.cumsum(sizes, axis=1) - (sizes - 1) / 2)[:, place]


def quadratic_kappas(confusion: np.ndarray) -> np.ndarray:
    """Compute Cohen's kappa with weights of the squared distance between classes.

    Args:
        confusion: Counts, shape `(resamples, classes, classes)`.

    Returns:
        One kappa per resample, shape `(resamples,)`; NaN where all that is true and said is one
        class.

    Reference:
        Cohen, 1968, "Weighted kappa: Nominal scale agreement with provision for scaled
        disagreement or partial credit".
    """
    place = np.arange(confusion.shape[1])
    weights = (place[:, None] - place) ** 2
    by_chance = np.einsum("ri,rj,ij->r", confusion.sum(axis=2), confusion.sum(axis=1), weights)
    found = (confusion * weights).sum(axis=(1, 2)) * confusion.sum(axis=(1, 2))
    with np.errstate(invalid="ignore"):
        return 1 - found / by_chance
