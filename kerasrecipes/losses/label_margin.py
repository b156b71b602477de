"""A margin for each class that is larger the rarer the class."""

from collections.abc import Sequence

import keras
from keras import ops

from kerasrecipes.losses.adjusted_cross_entropy import AdjustedCrossEntropy
from kerasrecipes.losses.checks import check_targets, checked_counts, checked_number


@keras.saving.register_keras_serializable(package="kerasrecipes")
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
        **options,
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

    def adjusted(self, targets, logits):
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
