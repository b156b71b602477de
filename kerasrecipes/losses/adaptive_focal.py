"""A focal loss that cares for honest probabilities: it presses hardest where a model is wrong."""

from typing import Any

import keras
from keras import ops

from kerasrecipes.arguments import named
from kerasrecipes.losses.checks import check_targets, checked_number


@keras.saving.register_keras_serializable(package="kerasrecipes")
@named
class AdaptiveFocal(keras.losses.Loss):
    """`−(1 − p)^γ log p` of the true class, with a larger γ where p is small.

    A focal loss keeps what is right already from becoming ever surer, so that probabilities stay
    nearer to how often they are right; with γ by example, also where classes are hard.

    Args:
        gamma: γ from `threshold` on.
        low_gamma: γ below it.
        threshold: From which probability of the true class on.
        **options: `name`, `reduction` and `dtype` of `keras.losses.Loss`.

    Raises:
        ValueError: If a number is out of range, or, when called, if targets are not one per class.

    Example:
        >>> loss = AdaptiveFocal(gamma=0.0, low_gamma=0.0)
        >>> round(float(loss(np.array([[0.0, 1.0]]), np.zeros((1, 2)))), 4)
        0.6931

    Reference:
        Mukhoti et al., 2020, "Calibrating Deep Neural Networks using Focal Loss", section 5
        (FLSD-53).
    """

    def __init__(
        self,
        gamma: float = 3.0,
        low_gamma: float = 5.0,
        threshold: float = 0.2,
        **options: Any,
    ):
        super().__init__(**options)
        self.gamma = checked_number("gamma", gamma, 0, 20)
        self.low_gamma = checked_number("low_gamma", low_gamma, 0, 20)
        self.threshold = checked_number("threshold", threshold, 0, 1)

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return one loss for each prediction."""
        check_targets(y_true, y_pred)
        logs = ops.log_softmax(y_pred)
        share = ops.exp(logs)
        gamma = ops.where(share < self.threshold, self.low_gamma, self.gamma)
        gamma = ops.cast(gamma, share.dtype)
        # Away from 0, where the power of a fraction has no slope.
        rest = ops.maximum(1 - share, 1e-7)
        return ops.sum(-y_true * ops.power(rest, gamma) * logs, axis=-1)

    def get_config(self) -> dict:
        """Return the arguments that make the same loss again."""
        own = {"gamma": self.gamma, "low_gamma": self.low_gamma, "threshold": self.threshold}
        return {**super().get_config(), **own}


LOSSES = {
    "adaptive_focal": {
        "make": "AdaptiveFocal",
        "on": "logits",
        "options": ("gamma", "low_gamma", "threshold"),
    }
}
