"""Distances from what good photos are like: of whole photos, and of the places in them."""

from dataclasses import dataclass
from typing import Self

import numpy as np

# Variances of places are shrunk this far to their mean, as a few hundred photos know no more.
_SHRUNK = 0.1
# Of the covariance of places, which thousands of places tell.
_RIDGE = 0.02
TINY = 1e-6


@dataclass(frozen=True)
class Places:
    """What the features at each place of good photos are like.

    Features are standardised place by place, since a border or a hole is where it is in every
    photo, and then by one covariance for all places: a Gaussian at each place (Defard et al.,
    2021, "PaDiM", section 3.2) whose covariances share their directions, so that it is small.

    Args:
        mean: float32 `(height, width, channels)`.
        variance: float32, the same shape.
        whitening: float32 `(channels, channels)`.
    """

    mean: np.ndarray
    variance: np.ndarray
    whitening: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray) -> Self:
        """Learn from good photos.

        Args:
            features: Shape `(n, height, width, channels)`.
        """
        mean, variance = features.mean(axis=0), features.var(axis=0)
        common = variance.mean(axis=(0, 1), keepdims=True)
        variance = (1 - _SHRUNK) * variance + _SHRUNK * common + TINY
        rows = ((features - mean) / np.sqrt(variance)).reshape(-1, features.shape[-1])
        values, vectors = np.linalg.eigh(rows.T @ rows / len(rows))
        whitening = vectors / np.sqrt(np.maximum(values, 0) + _RIDGE * values.mean() + TINY)
        return cls(*(one.astype(np.float32) for one in (mean, variance, whitening)))

    def distances(self, features: np.ndarray) -> np.ndarray:
        """Return the mean squared distance of each place, shape `(n, height, width)`."""
        scaled = (features - self.mean) / np.sqrt(self.variance)
        return np.square(scaled @ self.whitening).mean(axis=-1)


@dataclass(frozen=True)
class Whole:
    """What the pooled features of good photos are like: one Gaussian, its covariance shrunk.

    Args:
        mean: float32 `(features,)`.
        variance: float32 `(features,)`.
        whitening: float32 `(features, features)`.

    Reference:
        Ledoit and Wolf, 2004, "A well-conditioned estimator for large-dimensional covariance
        matrices", for the shrinkage.
    """

    mean: np.ndarray
    variance: np.ndarray
    whitening: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray) -> Self:
        """Learn from good photos.

        Args:
            rows: Pooled features, shape `(n, features)`.
        """
        from sklearn.covariance import ledoit_wolf

        rows = rows.astype(np.float64)
        mean, variance = rows.mean(axis=0), rows.var(axis=0) + TINY
        covariance, _ = ledoit_wolf((rows - mean) / np.sqrt(variance))
        values, vectors = np.linalg.eigh(covariance)
        whitening = vectors / np.sqrt(np.maximum(values, 0) + TINY)
        return cls(*(one.astype(np.float32) for one in (mean, variance, whitening)))

    def distances(self, rows: np.ndarray) -> np.ndarray:
        """Return the mean squared distance of each photo, shape `(n,)`."""
        return np.square((rows - self.mean) / np.sqrt(self.variance) @ self.whitening).mean(axis=-1)


def pooled(features: np.ndarray) -> np.ndarray:
    """Return the largest value and the spread of each channel, shape `(n, 2 * channels)`.

    Args:
        features: Shape `(n, height, width, channels)`.
    """
    mean, squares = features.mean(axis=(1, 2)), np.square(features).mean(axis=(1, 2))
    spread = np.sqrt(np.maximum(squares - np.square(mean), 0) + TINY)
    return np.concatenate([features.max(axis=(1, 2)), spread], axis=1)


def logarithm(distances: np.ndarray) -> np.ndarray:
    """Return the logarithm of distances; those of good photos are about normal by it."""
    return np.log(distances + TINY)
