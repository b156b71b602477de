"""What embeddings and their labels must be before anything is computed from them."""

import numpy as np

from kerasrecipes.errors import DataError
from kerasrecipes.evaluation.scores import check_rows


def unit_rows(embeddings: np.ndarray) -> np.ndarray:
    """Return embeddings as float64 rows of length 1, or say what is wrong with them.

    Raises:
        DataError: If they are no matrix of finite numbers, or a row is all zeros.
    """
    rows = np.asarray(embeddings, dtype=np.float64)
    if rows.ndim != 2 or not rows.size:
        raise DataError(
            f"`embeddings` must have shape (photos, length). Received shape: {rows.shape}."
        )
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    broken = np.flatnonzero(~np.isfinite(norms[:, 0]) | (norms[:, 0] == 0))
    if len(broken):
        raise DataError(
            "`embeddings` must be finite and have a direction. Received: NaN, infinity or only "
            f"zeros in {len(broken)} of {len(rows)} rows, first in row {broken[0]}."
        )
    return rows / norms


def checked_labels(labels: np.ndarray, rows: int) -> np.ndarray:
    """Return class indices as int64, one for each row, or say what is wrong with them.

    Raises:
        DataError: If they are not one integer of at least 0 per row.
    """
    labels = np.asarray(labels)
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise DataError(
            "`labels` must be one-dimensional integers of at least 0, the class of each photo. "
            f"Received: {labels.dtype} of shape {labels.shape}."
        )
    check_rows("embeddings", np.empty(rows), len(labels))
    return labels.astype(np.int64)


def nearest_first(distances: np.ndarray, k: int) -> np.ndarray:
    """Return the columns of the k least distances in each row, least first, then by column.

    Args:
        distances: Shape `(rows, columns)`; sorting all of them would take most of the time.
        k: How many, 1 or more; all if there are no more.

    Returns:
        int64, shape `(rows, k)`.
    """
    k = min(k, distances.shape[1])
    farthest = np.partition(distances, k - 1, axis=1)[:, k - 1 : k]
    row, column = np.nonzero(distances <= farthest)  # more than k where some are equally far
    order = np.lexsort((column, distances[row, column], row))
    begins = np.searchsorted(row, np.arange(len(distances)))
    return column[order][begins[:, None] + np.arange(k)]
