"""Classifying by the nearest known photos, with the right to say "none of these"."""

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.errors import DataError, NotFittedError
from kerasrecipes.evaluation.retrieval.embeddings import checked_labels, nearest_first, unit_rows

UNKNOWN = -1
_BLOCK = 1024


@named
class NearestNeighbours:
    """Let the k nearest photos vote on the class of a new one.

    Classes can be added without training: fit again with more photos. Distances are
    `1 − cosine`, 0…2. Of equally near photos those that were fitted first vote.

    Args:
        k: How many of the nearest photos vote.
        weighting: `"distance"` for votes of `1 / distance`, or `"uniform"`.
        abstain_distance: A photo whose nearest one is farther than this is of no known
            class; `None` to always decide. Choose it from `distances` of photos that were
            not fitted, e.g. their 99 % quantile.

    Raises:
        ValueError: If an argument is not usable.

    Example:
        >>> known = NearestNeighbours(k=1, abstain_distance=0.1)
        >>> known.fit([[1.0, 0.0], [0.0, 1.0]], [0, 1]).predict([[0.9, 0.1], [-1.0, 0.0]])
        array([ 0, -1])

    Reference:
        Dudani, 1976, "The Distance-Weighted k-Nearest-Neighbor Rule".
    """

    def __init__(
        self, k: int = 5, weighting: str = "distance", abstain_distance: float | None = None
    ):
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise ValueError(f"`k` must be a whole number of at least 1, not {k!r}.")
        if weighting not in {"distance", "uniform"}:
            raise ValueError(f"`weighting` must be 'distance' or 'uniform', not {weighting!r}.")
        if abstain_distance is not None and not 0 <= abstain_distance <= 2:
            raise ValueError(
                f"`abstain_distance` must be between 0 and 2, or None, not {abstain_distance!r}."
            )
        self.k = k
        self.weighting = weighting
        self.abstain_distance = abstain_distance

    @named
    def fit(self, embeddings: np.ndarray, labels: np.ndarray) -> "NearestNeighbours":
        """Remember photos.

        Args:
            embeddings: Shape `(n, length)`.
            labels: Class indices, shape `(n,)`; the classes are 0 to the largest.

        Returns:
            Itself.

        Raises:
            DataError: If the arrays do not fit together, or there are fewer than `k` photos.
        """
        rows = unit_rows(embeddings)
        labels = checked_labels(labels, len(rows))
        if len(rows) < self.k:
            raise DataError(f"`k={self.k}` photos cannot vote: only {len(rows)} were passed.")
        self.embeddings_ = rows
        self.labels_ = labels
        return self

    @named
    def predict_proba(self, embeddings: np.ndarray) -> np.ndarray:
        """Return each class's share of the votes.

        Args:
            embeddings: Shape `(n, length)`.

        Returns:
            float64, shape `(n, classes)`, each row adding up to 1, also where `predict`
            abstains.

        Raises:
            NotFittedError: Before `fit`.
            DataError: If the embeddings are broken, or of another length than the fitted.
        """
        return self._vote(embeddings)[0]

    @named
    def predict(self, embeddings: np.ndarray) -> np.ndarray:
        """Return the class with most votes, int64 `(n,)`; −1 for photos of no known class.

        Raises:
            NotFittedError: Before `fit`.
            DataError: If the embeddings are broken, or of another length than the fitted.
        """
        shares, nearest = self._vote(embeddings)
        limit = np.inf if self.abstain_distance is None else self.abstain_distance
        return np.where(nearest <= limit, shares.argmax(axis=1), UNKNOWN)

    @named
    def distances(self, embeddings: np.ndarray) -> np.ndarray:
        """Return the distance to the nearest fitted photo, float64 `(n,)`, 0…2.

        Raises:
            NotFittedError: Before `fit`.
            DataError: If the embeddings are broken, or of another length than the fitted.
        """
        return self._vote(embeddings)[1]

    def _vote(self, embeddings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if not hasattr(self, "labels_"):
            raise NotFittedError("There are no photos to compare with. Call `fit` first.")
        rows, length = unit_rows(embeddings), self.embeddings_.shape[1]
        if rows.shape[1] != length:
            raise DataError(
                f"`embeddings` have length {rows.shape[1]}, and the fitted ones {length}. "
                "Compute both with one model."
            )
        parts = [self._vote_block(rows[i : i + _BLOCK]) for i in range(0, len(rows), _BLOCK)]
        shares, nearest = zip(*parts, strict=True)
        return np.concatenate(shares), np.concatenate(nearest)

    def _vote_block(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        distances = np.clip(1 - rows @ self.embeddings_.T, 0, 2)
        order = nearest_first(distances, self.k)
        near = np.take_along_axis(distances, order, axis=1)
        # A photo that is known already decides alone, up to rounding.
        weights = 1 / np.maximum(near, 1e-9) if self.weighting == "distance" else near * 0 + 1
        votes = np.zeros((len(rows), self.labels_.max() + 1))
        np.add.at(votes, (np.arange(len(rows))[:, None], self.labels_[order]), weights)
        return votes / votes.sum(axis=1, keepdims=True), near[:, 0]
