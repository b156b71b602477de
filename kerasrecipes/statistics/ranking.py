"""How scores rank rows, in many resamples at once."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# From so many scores on, neighbours without a hit are summed together.
_FEW = 200_000


class Ranking:
    """Rows ranked by one score, to be counted in resamples.

    Args:
        positive: Whether each row is what the score is of, shape `(n,)`.
        score: The score, shape `(n,)`.
        beside: How many such rankings there are; many are counted in coarser steps. What is
            exact stays so, and average precision may differ in its last digit.

    Reference:
        Hanley and McNeil, 1982, "The meaning and use of the area under a ROC curve".
    """

    def __init__(self, positive: np.ndarray, score: np.ndarray, beside: int = 1):
        order = np.argsort(-score)
        ranked, hit = score[order], positive[order]
        # A step is a score that differs from the one before it.
        starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
        if len(score) * beside > _FEW:
            hits = np.logical_or.reduceat(hit, starts)
            starts = starts[hits | np.r_[True, hits[:-1]]]
        self._named = _sums(order, starts, len(score))
        self._hits = _sums(order[hit], np.searchsorted(np.flatnonzero(hit), starts), len(score))

    def metrics(self, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compute AUC and average precision; ties count half for AUC, as one threshold for AP.

        Args:
            drawn: What `as_drawn` returned.

        Returns:
            Each of shape `(resamples,)`; NaN where undefined.
        """
        hits, found, named = self._counted(drawn)
        positives, total = found[:, -1], named[:, -1]
        false = np.diff(named - found, axis=1, prepend=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            auc = np.sum(false * (found - hits / 2), axis=1) / (positives * (total - positives))
        return auc, _average_precision(hits, found, named)

    def average_precision(self, drawn: np.ndarray) -> np.ndarray:
        """Compute average precision alone, as `metrics` does."""
        return _average_precision(*self._counted(drawn))

    def _counted(self, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return hits at each step from the highest score down, and hits and rows down to it."""
        hits, named = (
            np.ascontiguousarray((sums @ drawn).T, dtype=np.float64)
            for sums in (self._hits, self._named)
        )
        return hits, np.cumsum(hits, axis=1), np.cumsum(named, axis=1)


def as_drawn(counts: np.ndarray) -> np.ndarray:
    """Return resamples as rankings count them: one column each, in few bytes.

    Args:
        counts: How often each row counts, whole numbers, shape `(resamples, n)`.
    """
    kind = np.min_scalar_type(int(counts.sum(axis=1).max()))
    return np.ascontiguousarray(counts.T, dtype=kind)


def class_sums(classes: np.ndarray, count: int, counts: np.ndarray) -> np.ndarray:
    """Sum how often the rows of each class count.

    Args:
        classes: Class of each row; those of −1 are of none.
        count: Number of classes.
        counts: Resamples, shape `(resamples, n)`.

    Returns:
        Shape `(resamples, count)`.
    """
    order = np.argsort(classes, kind="stable")
    starts = np.searchsorted(classes[order], np.arange(count))
    sums = _sums(order[starts[0] :], starts - starts[0], len(order))
    return np.ascontiguousarray((sums @ counts.T).T)


def column_sums(flags: np.ndarray) -> Any:
    """Return what sums how often the rows with each flag count, given `counts.T`.

    Args:
        flags: Booleans, shape `(n, columns)`.
    """
    from scipy.sparse import csr_array

    return csr_array(flags.T.astype(np.uint8))


def _sums(rows: np.ndarray, starts: np.ndarray, count: int) -> "csr_array":
    """Return the matrix that sums rows from each start up to the next one."""
    from scipy.sparse import csr_array

    data, ends = np.ones(len(rows), np.uint8), np.append(starts, len(rows))
    return csr_array((data, rows.astype(np.int32), ends), shape=(len(starts), count))


def _average_precision(hits: np.ndarray, found: np.ndarray, named: np.ndarray) -> np.ndarray:
    precision = np.divide(found, named, out=np.zeros_like(found), where=named > 0)
    with np.errstate(invalid="ignore"):
        return np.sum(hits * precision, axis=1) / found[:, -1]
