"""What labels and scores must be before anything is computed from them."""

from collections.abc import Sequence, Sized

import numpy as np

from kerasrecipes.data.tables.spelling import meaning, written
from kerasrecipes.errors import DataError, listed


def checked_scores(
    labels: np.ndarray, scores: np.ndarray, class_names: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Return labels as int64 and scores as float64, or say what is wrong with them.

    Raises:
        DataError: If labels, scores and classes do not fit together, or the scores are no
            probabilities.
    """
    labels, scores = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    if len(class_names) < 2 or len(set(class_names)) < len(class_names):
        raise DataError(
            "`class_names` must name at least 2 different classes. "
            f"Received: {listed(class_names)}. Pass them in the order of the scores."
        )
    if scores.ndim != 2 or scores.shape[1] != len(class_names):
        raise DataError(
            f"`scores` must have shape (photos, {len(class_names)}): one column per class. "
            f"Received shape: {scores.shape}. Pass the model's probabilities."
        )
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise DataError(
            "`labels` must be one-dimensional integers, the true class of each photo. "
            f"Received: {labels.dtype} of shape {labels.shape}."
        )
    check_rows("scores", scores, len(labels))
    if not len(labels):
        raise DataError("There are no photos to evaluate. Pass at least one.")
    if labels.min() < 0 or labels.max() >= len(class_names):
        raise DataError(
            f"`labels` must be between 0 and {len(class_names) - 1}. "
            f"Received: {labels.min()} to {labels.max()}. Was the model trained on other classes?"
        )
    _check_probabilities(scores)
    return labels.astype(np.int64), scores


def _check_probabilities(scores: np.ndarray) -> None:
    broken = np.flatnonzero(~np.isfinite(scores).all(axis=1))
    if len(broken):
        raise DataError(
            f"`scores` must be finite. Received: NaN or infinity for {len(broken)} of "
            f"{len(scores)} photos, first in row {broken[0]}. The model is broken; a fit with a "
            "lower learning rate may help."
        )
    sums = scores.sum(axis=1)
    off = np.flatnonzero((np.abs(sums - 1) > 1e-3) | (scores.min(axis=1) < -1e-6))
    if len(off):
        raise DataError(
            "`scores` must be probabilities: between 0 and 1, each row adding up to 1. "
            f"Received: {len(off)} of {len(scores)} rows that are not, first row {off[0]} with "
            f"sum {sums[off[0]]:.4g}. Apply a softmax to logits."
        )


def without_rounding(scores: np.ndarray) -> np.ndarray:
    """Let the scores of a file add up to 1 again, where only their rounding to 8 bits is between.

    A file whose softmax computes in 8 bits answers in steps of 1/256, so each score may be off by
    half a step. Rows that are off by more stay as they are.

    Args:
        scores: Answers of a file, shape `(n, classes)`.

    Example:
        >>> without_rounding(np.array([[0.75, 0.24609375], [0.75, 0.5]])).sum(axis=1)
        array([1.  , 1.25])
    """
    sums = scores.sum(axis=1, keepdims=True)
    near = np.abs(sums - 1) <= scores.shape[1] / 512
    return scores / np.where(near & (sums > 0), sums, 1)


def check_rows(name: str, values: Sized, rows: int, of: str = "label") -> None:
    """Raise unless an array has one row per photo.

    Args:
        name: The argument.
        values: What was passed.
        rows: How many rows it must have.
        of: What there are so many of.

    Raises:
        DataError: If it has more or fewer.
    """
    if len(values) != rows:
        raise DataError(
            f"`{name}` must have one row per {of}. Received: {len(values)} rows for "
            f"{rows} {of}s. Pass both from the same photos, in the same order."
        )


def checked_numbers(name: str, values: np.ndarray) -> np.ndarray:
    """Return one finite float64 per example, or say what is wrong with them.

    Raises:
        DataError: If they are not one-dimensional finite numbers, at least one.
    """
    try:
        values = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"`{name}` must be numbers. Received: {error}.") from error
    if values.ndim != 1:
        raise DataError(
            f"`{name}` must be one-dimensional, one number per example. "
            f"Received shape: {values.shape}."
        )
    check_finite(name, values)
    return values


def check_finite(name: str, values: np.ndarray) -> None:
    """Raise unless there is at least one row, and no NaN or infinity in any.

    Raises:
        DataError: If there are no rows, or some are not finite.
    """
    if not len(values):
        raise DataError("There are no examples to evaluate. Pass at least one.")
    broken = np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))
    if len(broken):
        raise DataError(
            f"`{name}` must be finite. Received: NaN or infinity for {len(broken)} of "
            f"{len(values)} examples, first in row {broken[0]}."
        )


def group_numbers(groups: Sequence[object] | np.ndarray | None, rows: int) -> np.ndarray | None:
    """Number the groups of examples from 0, as resampling takes them.

    Args:
        groups: One id per example; one that is `None` or blank is of a group of its own. Ids that
            a person would read as the same are one.
        rows: Number of examples.

    Returns:
        int64 `(n,)`; `None` if there are no groups, or none with two examples.

    Raises:
        DataError: If there is not one id per example.

    Example:
        >>> group_numbers(["a", None, "a", None], 4)
        array([0, 1, 0, 2])
    """
    if groups is None:
        return None
    shape = np.shape(np.asarray(groups))
    if len(shape) != 1:
        raise DataError(
            f"`groups` must be one-dimensional, one id per example. Received shape: {shape}."
        )
    check_rows("groups", groups, rows, "example")
    first: dict[object, int] = {}
    ids = [(i,) if (n := written(one)) is None else meaning(n) for i, one in enumerate(groups)]
    places = [first.setdefault(one, len(first)) for one in ids]
    return None if len(first) == rows else np.array(places)


def top_classes(scores: np.ndarray) -> np.ndarray:
    """Return the class with the highest score per row; −1 for rows with NaN or infinity."""
    finite = np.isfinite(scores).all(axis=1)
    return np.where(finite, np.nan_to_num(scores).argmax(axis=1), -1)


def median_classes(scores: np.ndarray) -> np.ndarray:
    """Return the class per row below and above which lies at most half; −1 for rows with NaN.

    Args:
        scores: Probabilities of ordered classes, shape `(n, classes)`.

    Example:
        >>> median_classes(np.array([[0.4, 0.25, 0.35], [0.6, 0.1, 0.3]]))
        array([1, 0])
    """
    finite = np.isfinite(scores).all(axis=1)
    # In float64, where a file's half of the sum is a half.
    below = np.cumsum(np.nan_to_num(scores.astype(np.float64)), axis=1)
    median = (below < below[:, -1:] / 2).sum(axis=1)
    return np.where(finite, median, -1)
