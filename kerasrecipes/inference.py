"""Running a Keras model over photos, from their files."""

import numpy as np

from kerasrecipes.data.batches import PhotoReader
from kerasrecipes.data.photos import PhotoSet

BATCH = 32


def predict_scores(model, photos: PhotoSet) -> np.ndarray:
    """Return what a model says about photos, a few in memory at a time.

    Args:
        model: A Keras model from float32 photos `(n, height, width, 3)`, 0…255, to one row each.
        photos: What to run it on; labels are not looked at.

    Returns:
        float32, shape `(n, outputs)`.

    Raises:
        DataError: If a photo cannot be read, or changed since it was scanned.
    """
    reader = PhotoReader(photos, tuple(model.input.shape[1:3]))
    rows = [np.asarray(model.predict_on_batch(pixels.numpy())) for pixels in reader.in_order(BATCH)]
    return np.concatenate(rows) if rows else np.zeros((0, model.output.shape[-1]), np.float32)
