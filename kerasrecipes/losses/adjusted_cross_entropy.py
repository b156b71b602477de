"""Cross entropy on logits that are changed first, the base of several losses."""

import keras

from kerasrecipes.losses.checks import check_targets, checked_number


class AdjustedCrossEntropy(keras.losses.Loss):
    """Softmax cross entropy after a change of the logits that a subclass defines.

    Args:
        label_smoothing: How much of each target is spread over all classes, 0…1.
        **options: `name`, `reduction` and `dtype` of `keras.losses.Loss`.

    Raises:
        ValueError: If `label_smoothing` is out of range.
    """

    def __init__(self, label_smoothing: float = 0.0, **options):
        super().__init__(**options)
        self.label_smoothing = checked_number("label_smoothing", label_smoothing, 0, 1)

    def adjusted(self, targets, logits):
        """Return the logits that the cross entropy is computed on.

        Args:
            targets: The targets before smoothing, shape `(…, classes)`.
            logits: What the model says, same shape.
        """
        raise NotImplementedError

    def call(self, y_true, y_pred):
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
