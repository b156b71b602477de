"""Cross entropy for classes that are rarer in the photos than they should count."""

from collections.abc import Sequence

import keras
from keras import ops

from kerasrecipes.losses.adjusted_cross_entropy import AdjustedCrossEntropy
from kerasrecipes.losses.checks import check_targets, checked_counts, checked_number


@keras.saving.register_keras_serializable(package="kerasrecipes")
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
        **options,
    ):
        super().__init__(label_smoothing, **options)
        self.class_counts = checked_counts(class_counts)
        self.tau = checked_number("tau", tau, 0)

    def adjusted(self, targets, logits):
        check_targets(targets, logits, len(self.class_counts))
        counts = ops.convert_to_tensor(self.class_counts, dtype=logits.dtype)
        return logits + self.tau * ops.log(counts / ops.sum(counts))

    def get_config(self) -> dict:
        return {**super().get_config(), "class_counts": self.class_counts, "tau": self.tau}
