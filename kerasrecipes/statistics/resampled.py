"""Metrics of many weighted resamples at once: what makes a thousand bootstraps take a moment.

Each function takes `counts`, shape `(resamples, n)`: how often each photo is in each resample.
A line of ones is the sample itself. It returns one number per resample, NaN where undefined.
"""

import numpy as np

LOSS_FLOOR = 1e-7


def balanced_accuracy(right: np.ndarray, support: np.ndarray) -> np.ndarray:
    """Average the recall of the classes that have photos.

    Args:
        right: Photos of each class that are called so, shape `(resamples, classes)`.
        support: Photos of each class.
    """
    recall = np.divide(right, support, out=np.zeros_like(support), where=support > 0)
    return recall.sum(axis=1) / (support > 0).sum(axis=1)


def f1_scores(right: np.ndarray, support: np.ndarray, named: np.ndarray) -> np.ndarray:
    """Compute F1 per class; NaN for a class without photos.

    Args:
        right: Photos of each class that are called so, shape `(resamples, classes)`.
        support: Photos of each class.
        named: Photos that are called so.
    """
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


def quadratic_kappas(labels: np.ndarray, predicted: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Compute Cohen's kappa with weights of the squared distance between classes.

    Args:
        labels, predicted: Two classes per row, by their places in the order, shape `(n,)` each.
        counts: Resamples, shape `(resamples, n)`.

    Returns:
        One kappa per resample, shape `(resamples,)`; NaN where all that is true and said is one
        class.

    Reference:
        Cohen, 1968, "Weighted kappa: Nominal scale agreement with provision for scaled
        disagreement or partial credit".
    """
    total = counts.sum(axis=1)
    true, said, squares, apart = (
        counts @ rows.astype(np.float64)
        for rows in (labels, predicted, labels**2 + predicted**2, (labels - predicted) ** 2)
    )
    with np.errstate(invalid="ignore"):
        return 1 - apart * total / (total * squares - 2 * true * said)
