"""Embeddings in which photos of one class lie together: by triplets of a batch."""

from typing import Any

import keras
from keras import ops

from kerasrecipes.arguments import named
from kerasrecipes.losses.checks import checked_number


@keras.saving.register_keras_serializable(package="kerasrecipes")
@named
class SemiHardTriplet(keras.losses.Loss):
    """A photo should be nearer to its class than to any other, by a margin.

    For each pair of photos of one class, the nearest photo of another class that is still
    farther than the pair is its negative (semi-hard); if all are nearer, the farthest of
    them. The loss of a photo is the mean over its pairs of `max(0, pair − negative +
    margin)`, in squared distances of the normalised embeddings (0…4). A photo without
    another one of its class, or without one of another class, in the batch has loss 0.

    Args:
        margin: In squared distance, 0…4.
        **options: `name`, `reduction` and `dtype` of `keras.losses.Loss`.

    Raises:
        ValueError: If `margin` is out of range.

    Example:
        >>> loss = SemiHardTriplet(margin=0.2)
        >>> two_of_a_class = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> float(loss(two_of_a_class, np.array([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])))
        0.0

    Reference:
        Schroff et al., 2015, "FaceNet: A Unified Embedding for Face Recognition and
        Clustering", equations 3 and 4; one-hot targets only: of a soft one, the largest counts.
    """

    # The loss of a batch is no mean over its photos, so that it cannot be computed in parts.
    compares_photos = True

    def __init__(self, margin: float = 0.2, **options: Any):
        super().__init__(**options)
        self.margin = checked_number("margin", margin, 0, 4)

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return one loss for each photo."""
        classes = ops.argmax(y_true, axis=-1)
        same = ops.equal(classes[:, None], classes[None, :])
        embeddings = ops.normalize(y_pred, axis=-1)
        distances = 2.0 - 2.0 * ops.matmul(embeddings, ops.transpose(embeddings))
        # Axes: photo, its partner, the negative.
        pair, negative = distances[:, :, None], distances[:, None, :]
        other = ops.logical_not(same)[:, None, :]
        farther = ops.logical_and(other, negative > pair)
        nearest = ops.min(ops.where(farther, negative, 5.0), axis=-1)
        farthest = ops.max(ops.where(other, negative, -1.0), axis=-1)
        chosen = ops.where(ops.any(farther, axis=-1), nearest, farthest)
        losses = ops.relu(distances - chosen + self.margin)
        itself = ops.eye(ops.shape(y_pred)[0], dtype="bool")
        counted = ops.logical_and(same, ops.logical_not(itself))
        counted = ops.logical_and(counted, ops.any(other, axis=-1))
        counted = ops.cast(counted, y_pred.dtype)
        return ops.divide_no_nan(ops.sum(counted * losses, axis=-1), ops.sum(counted, axis=-1))

    def get_config(self) -> dict:
        """Return the arguments that make the same loss again."""
        return {**super().get_config(), "margin": self.margin}


LOSSES = {
    "semi_hard_triplet": {
        "make": "SemiHardTriplet",
        "on": "embeddings",
        "options": ("margin",),
        "mixes": False,
    }
}
