"""Losses of yes-or-no questions, of which an example may be asked several at once."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import keras
from keras import ops

from kerasrecipes.arguments import named
from kerasrecipes.losses.checks import check_targets, checked_number


@keras.saving.register_keras_serializable(package="kerasrecipes")
@named
class PositiveWeighted(keras.losses.Loss):
    """Binary cross-entropy on logits in which a yes counts more, or less, than a no.

    Args:
        positive_weights: How much a yes counts, one number for each question, above 0: e.g. the
            number of examples without a label by that of those with it.
        label_smoothing: How much of each target is moved to the middle, 0…1.
        **options: `name`, `reduction` and `dtype` of `keras.losses.Loss`.

    Raises:
        ValueError: If a number is out of range, or, when called, if there are not as many
            questions as weights.

    Example:
        >>> loss = PositiveWeighted([3.0, 1.0])
        >>> round(float(loss(np.array([[1.0, 0.0]]), np.zeros((1, 2)))) / 0.6931, 2)
        2.0
    """

    def __init__(
        self, positive_weights: Sequence[float], label_smoothing: float = 0.0, **options: Any
    ) -> None:
        super().__init__(**options)
        if isinstance(positive_weights, str) or not isinstance(positive_weights, Sequence):
            raise ValueError(
                "`positive_weights` must be a list of one number for each label, not "
                f"{positive_weights!r}."
            )
        self.positive_weights = [
            checked_number("positive_weights", weight, 0, above=True) for weight in positive_weights
        ]
        self.label_smoothing = checked_number("label_smoothing", label_smoothing, 0, 1)

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return one loss for each example, the mean over its questions."""
        check_targets(y_true, y_pred, len(self.positive_weights))
        target = y_true * (1 - self.label_smoothing) + self.label_smoothing / 2
        weights = ops.convert_to_tensor(self.positive_weights, y_pred.dtype)
        # Linear in the target, so that a mixture of two examples costs what both cost.
        yes, no = ops.softplus(-y_pred), ops.softplus(y_pred)
        return ops.mean(weights * target * yes + (1 - target) * no, axis=-1)

    def get_config(self) -> dict:
        """Return the arguments that make the same loss again."""
        own = {"positive_weights": self.positive_weights, "label_smoothing": self.label_smoothing}
        return {**super().get_config(), **own}


def binary_cross_entropy(
    positive_weights: Sequence[float] | None = None, label_smoothing: float = 0.0, **options: Any
) -> keras.losses.Loss:
    """Return Keras's binary cross-entropy on logits; with weights, `PositiveWeighted`."""
    options["label_smoothing"] = label_smoothing
    if positive_weights is None:
        return keras.losses.BinaryCrossentropy(from_logits=True, **options)
    return PositiveWeighted(positive_weights, **options)


binary_focal = partial(keras.losses.BinaryFocalCrossentropy, from_logits=True)

LOSSES = {
    "binary_cross_entropy": {
        "make": "binary_cross_entropy",
        "on": "binary",
        "options": ("positive_weights",),
        "smooths": True,
    },
    "binary_focal": {
        "make": "binary_focal",
        "on": "binary",
        "options": ("alpha", "gamma", "apply_class_balancing"),
        "smooths": True,
    },
}
