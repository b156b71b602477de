"""One label per photo."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import keras

LOGITS = "logits"


@dataclass(frozen=True)
class ClassificationHead:
    """Global average pooling, dropout and one dense layer.

    Training works on the logits, which is numerically safer; the finished model ends in
    a softmax, so that whoever runs it reads probabilities.

    Args:
        dropout: Fraction of pooled features that a training step leaves out.
        label_smoothing: How much of each target is spread over the other classes.
    """

    name: ClassVar[str] = "classification"
    dropout: float = 0.2
    label_smoothing: float = 0.1

    def build(self, features: "keras.KerasTensor", class_count: int, seed: int):
        """Append the head to a feature map.

        Args:
            features: Tensor of shape `(batch, height, width, channels)`.
            class_count: Number of classes.
            seed: Seed of the initial weights and of the dropout masks.

        Returns:
            The softmax scores, shape `(batch, class_count)`; the layer before them is
            named `"logits"`.
        """
        from keras import initializers, layers

        x = layers.GlobalAveragePooling2D(name="pool")(features)
        x = layers.Dropout(self.dropout, seed=seed, name="dropout")(x)
        initializer = initializers.GlorotUniform(seed=seed)
        x = layers.Dense(class_count, kernel_initializer=initializer, name=LOGITS)(x)
        return layers.Softmax(name="scores")(x)

    def loss(self):
        """Return the loss on logits and one-hot targets."""
        from keras import losses

        return losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=self.label_smoothing
        )

    def metrics(self) -> list:
        """Return the metrics shown while training."""
        from keras import metrics

        return [metrics.CategoricalAccuracy(name="accuracy")]


HEADS = (ClassificationHead,)
