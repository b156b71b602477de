"""A loss that wrong labels cannot dominate."""

from typing import Any

import keras
from keras import ops

from kerasrecipes.arguments import named
from kerasrecipes.losses.checks import check_targets, checked_number


@keras.saving.register_keras_serializable(package="kerasrecipes")
@named
class GeneralizedCrossEntropy(keras.losses.Loss):
    """`(1 − p^q) / q` of the true class: between cross entropy and the mean absolute error.

    Towards `q=0` it is cross entropy, which fits every label in the end; at `q=1` it is
    `1 − p`, which shrugs at wrong labels but learns slowly.

    Args:
        q: How far to go from cross entropy, above 0 and at most 1.
        **options: `name`, `reduction` and `dtype` of `keras.losses.Loss`.

    Raises:
        ValueError: If `q` is out of range, or, when called, if targets are not one per class.

    Example:
        >>> float(GeneralizedCrossEntropy(q=1.0)(np.array([[0.0, 1.0]]), np.zeros((1, 2))))
        0.5

    Reference:
        Zhang & Sabuncu, 2018, "Generalized Cross Entropy Loss for Training Deep Neural
        Networks with Noisy Labels", equation 6.
    """

    def __init__(self, q: float = 0.7, **options: Any):
        super().__init__(**options)
        self.q = checked_number("q", q, 0, 1, above=True)

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return one loss for each prediction."""
        check_targets(y_true, y_pred)
        # expm1 of the log keeps the digits that 1 − p^q would lose for small q.
        losses = -ops.expm1(self.q * ops.log_softmax(y_pred)) / self.q
        return ops.sum(y_true * losses, axis=-1)

    def get_config(self) -> dict:
        """Return the arguments that make the same loss again."""
        return {**super().get_config(), "q": self.q}


LOSSES = {
    "generalized_cross_entropy": {
        "make": "GeneralizedCrossEntropy",
        "on": "logits",
        "options": ("q",),
    }
}
