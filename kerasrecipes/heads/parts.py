"""What heads need and Keras lacks: a mean with a learned power, and kernels of one length."""

from typing import Any

import keras
from keras import ops

# A generalized mean begins with this power (Radenović et al., 2018).
START_POWER = 3.0
# A step of an optimizer moves the power by so many times its learning rate, as a share: what
# trains the kernels of a head would hardly move a single number of this size.
_PACE = 10.0
# So that a channel that is 0 everywhere has a gradient.
_SMALLEST, _TINY = 1e-6, 1e-9


@keras.saving.register_keras_serializable(package="kerasrecipes")
class GeneralizedMeanPooling2D(keras.layers.Layer):
    """The generalized mean over all places, `mean(x ** p) ** (1 / p)`, with one learned power `p`.

    With `p = 1`, the least, it is the average, and the larger `p` is, the nearer it comes to the
    maximum. What is below 0 counts as 0.

    Reference:
        Radenović et al., 2018, "Fine-tuning CNN Image Retrieval with No Human Annotation",
        equation 3.

    Example:
        >>> GeneralizedMeanPooling2D()(keras.ops.ones((1, 5, 5, 4))).shape
        TensorShape([1, 4])
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weight, which is 0 as long as the power is as it began."""
        self.power_change = self.add_weight(shape=(), initializer="zeros", name="power_change")

    @property
    def power(self) -> Any:
        """The power."""
        return 1 + (START_POWER - 1) * ops.exp(_PACE * self.power_change)

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Pool the places of each channel; as shares of the largest, whose powers stay finite."""
        x = ops.relu(inputs)
        # Added, since the larger of two is what an 8-bit file would round to 0, and divide by.
        largest = ops.max(x, axis=(1, 2), keepdims=True) + _SMALLEST
        mean = ops.mean(ops.power(x / largest, self.power), axis=(1, 2)) + _TINY
        return ops.power(mean, 1 / self.power) * ops.squeeze(largest, (1, 2))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return `(batch, channels)`."""
        return input_shape[0], input_shape[-1]


@keras.saving.register_keras_serializable(package="kerasrecipes")
class EqualLengths(keras.constraints.Constraint):
    """Lets all columns of a kernel have one length, their mean.

    Behind inputs of length 1, a dense layer then gives cosines, times a scale that is learned: that
    length. Of all such kernels, this is the nearest one.

    Example:
        >>> EqualLengths()(keras.ops.array([[3.0, 0.0], [0.0, 1.0]])).numpy().tolist()
        [[2.0, 0.0], [0.0, 2.0]]
    """

    def __call__(self, kernel: Any) -> Any:
        """Return the nearest kernel whose columns are of one length."""
        lengths = ops.sqrt(ops.sum(ops.square(kernel), axis=0, keepdims=True))
        return kernel * ops.mean(lengths) / ops.maximum(lengths, keras.config.epsilon())
