"""What the runtimes of all formats share: photos are checked, and scored a few at a time."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from kerasrecipes.errors import DataError


class PhotoScorer(ABC):
    """An exported classifier in its runtime; a `LoadedModel`."""

    image_size: tuple[int, int]
    class_count: int
    batch_size: ClassVar[int] = 32

    def __call__(self, photos: np.ndarray) -> np.ndarray:
        """Score photos, `batch_size` at a time.

        Args:
            photos: uint8 `(n, h, w, 3)`.

        Returns:
            Scores, float32 `(n, classes)`.

        Raises:
            DataError: If the photos have another type or shape, or the file does not run.
        """
        photos, (height, width) = np.asarray(photos), self.image_size
        if photos.dtype != np.uint8 or photos.ndim != 4 or photos.shape[1:] != (height, width, 3):
            raise DataError(
                f"`photos` must be uint8 of shape (n, {height}, {width}, 3), received "
                f"{photos.dtype} of shape {photos.shape}. Decode them with kerasrecipes' "
                "decode_photo at the model's image size, without scaling."
            )
        scores = np.empty((len(photos), self.class_count), np.float32)
        for start in range(0, len(photos), self.batch_size):
            some = slice(start, start + self.batch_size)
            scores[some] = self._score(photos[some])
        return scores

    @abstractmethod
    def _score(self, photos: np.ndarray) -> np.ndarray:
        """Run the model on at most `batch_size` photos."""
