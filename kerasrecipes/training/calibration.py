"""The training photos from which int8 learns the range of every activation."""

import numpy as np

from kerasrecipes.data.decode import read_photo
from kerasrecipes.data.photos import PhotoSet

CALIBRATION_PHOTOS = 128


def calibration_photos(
    train: PhotoSet, size: tuple[int, int], seed: int, count: int = CALIBRATION_PHOTOS
) -> np.ndarray:
    """Read training photos of every class, as calibration wants to see the whole range.

    Args:
        train: Photos to draw from.
        size: `(height, width)` of the model.
        seed: Seed of the choice.
        count: How many, about; each class gives the same number, if it has so many.

    Returns:
        uint8, shape `(n, height, width, 3)`.
    """
    chosen = train.draw(count, seed)
    return np.stack([read_photo(photo, size, train.policy) for photo in chosen.photos])
