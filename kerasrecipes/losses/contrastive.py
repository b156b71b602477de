"""Embeddings in which photos of one class lie together: by all pairs of a batch."""

from typing import Any

import keras
from keras import ops

from kerasrecipes.arguments import named
from kerasrecipes.losses.checks import checked_number


@keras.saving.register_keras_serializable(package="kerasrecipes")
@named
class SupervisedContrastive(keras.losses.Loss):
    """Pull each photo towards those of its class in the batch, away from all others.

    The loss of a photo is the mean over its positives of `−log softmax` of the similarities
    to all other photos. A photo without another one of its class in the batch has loss 0 and
    is still what others are pushed away from, so a batch should hold several photos of each
    class. Sample weights weigh photos as anchors.

    Args:
        temperature: What cosine similarities are divided by, above 0; smaller looks harder
            at the nearest photos.
        **options: `name`, `reduction` and `dtype` of `keras.losses.Loss`.

    Raises:
        ValueError: If `temperature` is out of range.

    Example:
        >>> loss = SupervisedContrastive(temperature=1.0)
        >>> two_of_a_class = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> round(3 * float(loss(two_of_a_class, np.ones((3, 2)))), 4)  # log 2 for each of them
        1.3863

    Reference:
        Khosla et al., 2020, "Supervised Contrastive Learning", equation 2.
    """

    # The loss of a batch is no mean over its photos, so that it cannot be computed in parts.
    compares_photos = True

    def __init__(self, temperature: float = 0.1, **options: Any):
        super().__init__(**options)
        self.temperature = checked_number("temperature", temperature, 0, above=True)

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return one loss for each photo."""
        # One-hot rows give 1 for a class in common; soft ones the chance of it.
        shared = ops.matmul(y_true, ops.transpose(y_true))
        embeddings = ops.normalize(y_pred, axis=-1)
        similar = ops.matmul(embeddings, ops.transpose(embeddings)) / self.temperature
        itself = ops.eye(ops.shape(y_pred)[0], dtype=y_pred.dtype)
        positive = shared * (1.0 - itself)
        others = ops.log_softmax(similar - 1e9 * itself, axis=-1)
        total = ops.sum(positive * others, axis=-1)
        return -ops.divide_no_nan(total, ops.sum(positive, axis=-1))

    def get_config(self) -> dict:
        """Return the arguments that make the same loss again."""
        return {**super().get_config(), "temperature": self.temperature}


LOSSES = {
    "supervised_contrastive": {
        "make": "SupervisedContrastive",
        "on": "embeddings",
        "options": ("temperature",),
    }
}
