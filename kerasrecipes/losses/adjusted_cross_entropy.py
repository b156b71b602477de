"""Cross-entropy on logits that were shifted by what is known of the classes."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kerasrecipes.arguments import named
from kerasrecipes.losses.checks import check_targets, checked_counts, checked_number


class AdjustedCrossEntropy(keras.losses.Loss):
    """Softmax cross entropy after a change of the logits that a subclass defines.

    Args:
        label_smoothing: How much of each target is spread over all classes, 0…1.
        **options: `name`, `reduction` and `dtype` of `keras.losses.Loss`.

    Raises:
        ValueError: If `label_smoothing` is out of range.
    """

    def __init__(self, label_smoothing: float = 0.0, **options: Any):
        super().__init__(**options)
        self.label_smoothing = checked_number("label_smoothing", label_smoothing, 0, 1)

    def adjusted(self, targets: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
        """Return the logits that the cross entropy is computed on.

        Args:
            targets: The targets before smoothing, shape `(…, classes)`.
            logits: What the model says, same shape.
        """
        raise NotImplementedError

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return one loss for each prediction."""
        check_targets(y_true, y_pred)
        return keras.losses.categorical_crossentropy(
            y_true,
            self.adjusted(y_true, y_pred),
            from_logits=True,
            label_smoothing=self.label_smoothing,
        )

    def get_config(self) -> dict:
        """Return the arguments that make the same loss again."""
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


@keras.saving.register_keras_serializable(package="kerasrecipes")
@named
class BalancedSoftmax(AdjustedCrossEntropy):
    """Logit adjustment: train with `logits + tau · log(class share)`, use plain logits.

    With `tau=1` the plain logits estimate which class fits best if all were equally frequent,
    which minimises the balanced error; `tau=0` is cross entropy. It replaces class weights:
    using both counts rarity twice.

    Args:
        class_counts: Training photos of each class, in the order of the logits.
        tau: How strongly rarity counts, at least 0.
        label_smoothing: How much of each target is spread over all classes, 0…1.
        **options: `name`, `reduction` and `dtype` of `keras.losses.Loss`.

    Raises:
        ValueError: If an argument is out of range, or, when called, if the logits have
            another number of classes.

    Example:
        >>> loss = BalancedSoftmax([90, 10])
        >>> rare, undecided = np.array([[0.0, 1.0]]), np.zeros((1, 2))
        >>> round(float(loss(rare, undecided)), 3)  # log 10, where cross entropy is log 2
        2.303

    Reference:
        Menon et al., 2021, "Long-tail learning via logit adjustment", equation 10; with
        `tau=1` Ren et al., 2020, "Balanced Meta-Softmax", equation 4.
    """

    def __init__(
        self,
        class_counts: Sequence[int],
        tau: float = 1.0,
        label_smoothing: float = 0.0,
        **options: Any,
    ):
        super().__init__(label_smoothing, **options)
        self.class_counts = checked_counts(class_counts)
        self.tau = checked_number("tau", tau, 0)

    def adjusted(self, targets: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
        check_targets(targets, logits, len(self.class_counts))
        counts = ops.convert_to_tensor(self.class_counts, dtype=logits.dtype)
        return logits + self.tau * ops.log(counts / ops.sum(counts))

    def get_config(self) -> dict:
        return {**super().get_config(), "class_counts": self.class_counts, "tau": self.tau}


@keras.saving.register_keras_serializable(package="kerasrecipes")
@named
class LDAM(AdjustedCrossEntropy):
    """Label-distribution-aware margin: the true class must win by `1 / count^¼`, scaled.

    Logits of a plain dense layer can outgrow any margin; it binds most where logits are
    cosines times a constant. Soft targets get their share of the margin.

    Args:
        class_counts: Training photos of each class, in the order of the logits.
        max_margin: Margin of the rarest class, in units of the unscaled logit.
        scale: What the logits are already multiplied by: 1 for a plain dense layer, the
            constant where they are scaled cosines.
        label_smoothing: How much of each target is spread over all classes, 0…1.
        **options: `name`, `reduction` and `dtype` of `keras.losses.Loss`.

    Raises:
        ValueError: If an argument is out of range, or, when called, if the logits have
            another number of classes.

    Example:
        >>> LDAM([10_000, 625], max_margin=0.5).margins
        [0.25, 0.5]

    Reference:
        Cao et al., 2019, "Learning Imbalanced Datasets with Label-Distribution-Aware Margin
        Loss", equations 11 and 13.
    """

    def __init__(
        self,
        class_counts: Sequence[int],
        max_margin: float = 0.5,
        scale: float = 1.0,
        label_smoothing: float = 0.0,
        **options: Any,
    ):
        super().__init__(label_smoothing, **options)
        self.class_counts = checked_counts(class_counts)
        self.max_margin = checked_number("max_margin", max_margin, 0)
        self.scale = checked_number("scale", scale, 0, above=True)

    @property
    def margins(self) -> list[float]:
        """The margin of each class."""
        rarest = min(self.class_counts)
        return [self.max_margin * (rarest / count) ** 0.25 for count in self.class_counts]

    def adjusted(self, targets: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
        check_targets(targets, logits, len(self.class_counts))
        margins = ops.convert_to_tensor(self.margins, dtype=logits.dtype)
        return logits - self.scale * margins * targets

    def get_config(self) -> dict:
        own = {
            "class_counts": self.class_counts,
            "max_margin": self.max_margin,
            "scale": self.scale,
        }
        return {**super().get_config(), **own}


LOSSES = {
    "balanced_softmax": {
        "make": "BalancedSoftmax",
        "on": "logits",
        "options": ("tau",),
        "smooths": True,
        "counts": True,
    },
    "ldam": {
        "make": "LDAM",
        "on": "logits",
        "options": ("max_margin", "scale"),
        "smooths": True,
        "counts": True,
    },
}
