"""How well embeddings find other photos of the same class."""

from collections.abc import Iterator, Sequence

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.errors import DataError
from kerasrecipes.evaluation.retrieval.embeddings import checked_labels, unit_rows
from kerasrecipes.evaluation.scores import group_numbers
from kerasrecipes.statistics.bootstrap import bootstrap_estimates
from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.statistics.intervals import SHARE
from kerasrecipes.statistics.shares import share_of

# Queries compared at once: a few MB for each thousand photos.
_QUERIES = 256


@named
def recall_at_k(
    embeddings: np.ndarray,
    labels: np.ndarray,
    ks: Sequence[int] = (1, 5),
    *,
    groups: np.ndarray | None = None,
) -> dict[int, Estimate]:
    """Measure how often a photo of the same class is among the k nearest.

    Each photo asks all others, by cosine similarity. Photos that have no other of their
    class to find do not ask. Among equally similar ones, those of other classes come first.

    Args:
        embeddings: Shape `(n, length)`.
        labels: True class indices, shape `(n,)`.
        ks: How many of the nearest to look at, each at least 1.
        groups: Which part each photo shows, shape `(n,)`; photos of the asking part are not
            looked at, since finding them again proves nothing; and they count as often as they
            tell something new.

    Returns:
        For each k the share, with its Wilson interval, or that of `clustered_share`.

    Raises:
        DataError: If the arrays do not fit together, or no photo has another to find.
        ValueError: If a k is not usable.

    Example:
        >>> nearby = [[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.8, 0.6]]
        >>> {k: share.value for k, share in recall_at_k(nearby, [0, 0, 1, 1], ks=[1, 2]).items()}
        {1: 0.75, 2: 0.75}

    Reference:
        Jégou et al., 2011, "Product Quantization for Nearest Neighbor Search", section V.
    """
    for k in ks:
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
            raise ValueError(f"`ks` must be whole numbers of at least 1, not {k!r}.")
    parts = group_numbers(groups, len(labels))
    hits = _hit_places(embeddings, labels, parts)
    asked, first = np.array([(query, places[0]) for query, places in hits]).T
    asking = None if parts is None else parts[asked]
    return {int(k): share_of(first < k, asking) for k in ks}


@named
def mean_average_precision(
    embeddings: np.ndarray, labels: np.ndarray, *, groups: np.ndarray | None = None
) -> Estimate:
    """Measure how far ahead of all others the photos of the same class are ranked.

    The mean over the asking photos of the precision at each photo that belongs, as in
    `recall_at_k`; 1 if all of the same class come first.

    Args:
        embeddings: Shape `(n, length)`.
        labels: True class indices, shape `(n,)`.
        groups: Which part each photo shows, shape `(n,)`; photos of the asking part are not
            looked at, and whole parts are resampled.

    Returns:
        The mean, with its bootstrap interval over the asking photos or parts.

    Raises:
        DataError: If the arrays do not fit together, or no photo has another to find.

    Example:
        >>> nearby = [[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.8, 0.6]]
        >>> round(mean_average_precision(nearby, [0, 0, 1, 1]).value, 3)
        0.833
    """
    parts, asked, found = group_numbers(groups, len(labels)), [], []
    for query, places in _hit_places(embeddings, labels, parts):
        asked.append(query)
        found.append(np.mean(np.arange(1, len(places) + 1) / (places + 1)))
    values = np.array(found)
    asking = None if parts is None else np.unique(parts[asked], return_inverse=True)[1]

    def mean(counts: np.ndarray) -> np.ndarray:
        return (counts @ values / counts.sum(axis=1))[:, None]

    return bootstrap_estimates(mean, len(values), groups=asking, lies=[SHARE])[0]


def _hit_places(
    embeddings: np.ndarray, labels: np.ndarray, parts: np.ndarray | None
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield each asking photo, and the places, from 0, of those of its class among the others."""
    rows = unit_rows(embeddings)
    labels = checked_labels(labels, len(rows))
    parts = np.arange(len(rows)) if parts is None else parts
    asked = 0
    for start in range(0, len(rows), _QUERIES):
        similar = rows[start : start + _QUERIES] @ rows.T
        for query, similarity in enumerate(similar, start):
            others = np.flatnonzero(parts != parts[query])
            hits = labels[others] == labels[query]
            if hits.any():
                asked += 1
                found = similarity[others]
                near, far = np.sort(found[hits])[::-1], np.sort(found[~hits])
                yield query, np.arange(len(near)) + len(far) - np.searchsorted(far, near)
    if not asked:
        raise DataError(
            f"None of the {len(rows)} photos has another of its class (and another group) to "
            "find. Pass at least two of a class."
        )
