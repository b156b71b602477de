"""Layers that compute in float what an 8-bit file will compute, so that training can adapt to it.

A model of these layers converts to an int8 `.tflite` file by its own ranges, without any
calibration: the converter reads them from the fake quantization (Jacob et al., 2018, "Quantization
and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", section 3).
"""

from typing import Any

import keras
from keras import ops

from kerasrecipes.arguments import named
from kerasrecipes.keras_private import parts_of

BITS = 8
# A channel of zeros would have the scale 0, by which the converter cannot divide.
SMALLEST_RANGE = 1e-6


def fake_quantized_weights(
    kernel: keras.KerasTensor, channel_axis: int | None
) -> keras.KerasTensor:
    """Round weights to 255 levels around zero; the gradient passes as if they were not rounded.

    Args:
        kernel: The weights.
        channel_axis: The axis of the output channels, each of which gets a scale of its own, or
            `None` for one scale for all.

    Returns:
        Weights of the same shape.
    """
    axes = [axis for axis in range(len(kernel.shape)) if axis != channel_axis]
    largest = ops.stop_gradient(ops.max(ops.abs(kernel), axis=axes))
    largest = ops.maximum(largest, SMALLEST_RANGE)
    return keras.quantizers.fake_quant_with_min_max_vars(
        kernel, -largest, largest, num_bits=BITS, narrow_range=True, axis=channel_axis
    )


def fake_quantized_depthwise(kernel: keras.KerasTensor) -> keras.KerasTensor:
    """Round the kernel of a depthwise convolution, each output channel with a scale of its own.

    Args:
        kernel: Shape `(height, width, channels, multiplier)`.

    Returns:
        Weights of the same shape.
    """
    height, width, channels, multiplier = kernel.shape
    # As the file has it: one row of output channels.
    flat = ops.reshape(kernel, (height, width, 1, channels * multiplier))
    return ops.reshape(fake_quantized_weights(flat, 3), kernel.shape)


@keras.saving.register_keras_serializable(package="kerasrecipes")
class QuantizedConv2D(keras.layers.Conv2D):
    """A `Conv2D` whose kernel is rounded to 8 bits, with a scale per filter.

    Example:
        >>> layer = QuantizedConv2D(8, 3)
        >>> layer(keras.ops.ones((1, 5, 5, 3))).shape
        TensorShape([1, 3, 3, 8])
    """

    def convolution_op(
        self, inputs: keras.KerasTensor, kernel: keras.KerasTensor
    ) -> keras.KerasTensor:
        """Convolve with the rounded kernel."""
        return super().convolution_op(inputs, fake_quantized_weights(kernel, 3))


@keras.saving.register_keras_serializable(package="kerasrecipes")
class QuantizedDepthwiseConv2D(keras.layers.DepthwiseConv2D):
    """A `DepthwiseConv2D` whose kernel is rounded to 8 bits, with a scale per output channel.

    Example:
        >>> layer = QuantizedDepthwiseConv2D(3)
        >>> layer(keras.ops.ones((1, 5, 5, 4))).shape
        TensorShape([1, 3, 3, 4])
    """

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Convolve with the rounded kernel."""
        outputs = ops.depthwise_conv(
            inputs,
            fake_quantized_depthwise(self.kernel),
            self.strides,
            self.padding,
            self.data_format,
            self.dilation_rate,
        )
        if self.use_bias:
            outputs = ops.add(outputs, self.bias)
        return outputs if self.activation is None else self.activation(outputs)


@keras.saving.register_keras_serializable(package="kerasrecipes")
class QuantizedDense(keras.layers.Dense):
    """A `Dense` layer whose kernel is rounded to 8 bits, with one scale.

    The converter fails on a scale per unit ("mismatched quantized axes").

    Example:
        >>> QuantizedDense(2)(keras.ops.ones((1, 5))).shape
        TensorShape([1, 2])
    """

    def call(self, inputs: keras.KerasTensor, training: bool | None = None) -> keras.KerasTensor:
        """Multiply with the rounded kernel."""
        outputs = ops.matmul(inputs, fake_quantized_weights(self.kernel, None))
        if self.bias is not None:
            outputs = ops.add(outputs, self.bias)
        return outputs if self.activation is None else self.activation(outputs)


@keras.saving.register_keras_serializable(package="kerasrecipes")
class ActivationRange(keras.layers.Layer):
    """Rounds what passes to 256 levels over a range that follows the data in training.

    Like the statistics of `BatchNormalization`, the range holds still when the layer is not
    `trainable`, and outside of training.

    Args:
        momentum: How much of the old range one training step keeps.
        **kwargs: Further arguments of a layer, e.g. `name`.

    Example:
        >>> layer = ActivationRange()
        >>> layer.set_range(0.0, 6.0)
        >>> float(layer(keras.ops.array([[7.0]]))[0, 0])
        6.0
    """

    def __init__(self, momentum: float = 0.99, **kwargs: Any):
        super().__init__(**kwargs)
        self.momentum = momentum
        self.low = self.add_weight(name="low", shape=(), initializer="zeros", trainable=False)
        self.high = self.add_weight(name="high", shape=(), initializer="ones", trainable=False)
        self.built = True

    def set_range(self, low: float, high: float) -> None:
        """Set the range; it is widened to hold zero, which padding needs to be exact.

        Args:
            low: Smallest value that is not clipped.
            high: Largest value that is not clipped.
        """
        self.low.assign(min(low, 0.0))
        self.high.assign(max(high, 0.0, min(low, 0.0) + SMALLEST_RANGE))

    def call(self, inputs: keras.KerasTensor, training: bool | None = False) -> keras.KerasTensor:
        """Round to the levels, after moving the range in training."""
        if training and self.trainable:
            self._follow(self.low, ops.minimum(ops.min(inputs), 0.0))
            self._follow(self.high, ops.maximum(ops.max(inputs), SMALLEST_RANGE))
        return keras.quantizers.fake_quant_with_min_max_vars(
            inputs, self.low, self.high, num_bits=BITS
        )

    def _follow(self, end: Any, seen: Any) -> None:
        end.assign(self.momentum * end + (1 - self.momentum) * ops.cast(seen, end.dtype))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the inputs."""
        return input_shape

    def get_config(self) -> dict:
        """Return what the layer can be made again from."""
        return {**super().get_config(), "momentum": self.momentum}


@keras.saving.register_keras_serializable(package="kerasrecipes")
class SummedAveragePooling2D(keras.layers.GlobalAveragePooling2D):
    """A `GlobalAveragePooling2D` that an 8-bit file computes in float.

    The converter rounds a mean to the levels of what goes in, whatever range follows it, which
    costs pooled features most of their precision. A sum is left as it is.

    Example:
        >>> SummedAveragePooling2D()(keras.ops.ones((1, 5, 5, 4))).shape
        TensorShape([1, 4])
    """

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Sum over the places and divide by their number."""
        axes = (1, 2) if self.data_format == "channels_last" else (2, 3)
        shape = ops.shape(inputs)
        places = ops.cast(shape[axes[0]] * shape[axes[1]], inputs.dtype)
        return ops.divide(ops.sum(inputs, axis=axes, keepdims=self.keepdims), places)


@named
def is_quantization_aware(model: "keras.Model") -> bool:
    """Say whether a model has ranges of its own, so that it needs no calibration.

    Args:
        model: A Keras model.
    """
    return any(isinstance(layer, ActivationRange) for layer in parts_of(model))
