"""Muon that knows kernels of convolutions, which are most of a network for photos."""

import math
from typing import Any

import keras
from keras import ops

from kerasrecipes.arguments import named

OPTIMIZERS = {"muon": {"make": "KernelMuon", "hidden": True}}


@keras.saving.register_keras_serializable(package="kerasrecipes")
@named
class KernelMuon(keras.optimizers.Muon):
    """Keras's Muon, also on kernels of convolutions, as matrices from all inputs to the outputs.

    Keras's own moves these as AdamW does, so that a convolutional network would not notice it.
    Depthwise kernels, biases and norms are moved as by AdamW, with the same rate; a head should
    have AdamW by itself.

    Args:
        learning_rate: As Keras's.
        **options: The other arguments of Keras's.

    Example:
        >>> KernelMuon(1e-3).ns_steps
        5

    Reference:
        Jordan et al., 2024, "Muon: An optimizer for hidden layers in neural networks"; Liu et al.,
        2025, "Muon is Scalable for LLM Training", arXiv 2502.16982 (the size of a step).
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 1e-3,
        **options: Any,
    ):
        super().__init__(learning_rate, **options)

    def update_step(
        self,
        gradient: keras.KerasTensor,
        variable: keras.Variable,
        learning_rate: keras.KerasTensor,
    ) -> None:
        """Change one weight; Keras calls it.

        Args:
            gradient: Its gradient.
            variable: The weight.
            learning_rate: The rate of this step.
        """
        shape = tuple(variable.shape)
        if not is_convolution(shape):
            super().update_step(gradient, variable, learning_rate)
            return
        slot = self.momentums[self._get_variable_index(variable)]
        gradient = ops.cast(gradient, variable.dtype)
        self.assign_add(slot, gradient + slot * (self.momentum - 1))
        step = gradient + self.momentum * slot if self.nesterov else slot
        flat = ops.reshape(step, (math.prod(shape[:-1]), shape[-1]))
        rate = ops.cast(learning_rate, variable.dtype)
        update = self.lr_adjust(rate * self.zeropower_via_newtonschulz5(flat, self.ns_steps))
        self.assign_sub(variable, ops.reshape(update, shape))


def is_convolution(shape: tuple[int, ...]) -> bool:
    """Tell whether a weight is the kernel of a convolution that mixes channels.

    Args:
        shape: Its shape; a depthwise kernel is (height, width, channels, 1).
    """
    return len(shape) in {3, 4} and shape[-1] > 1 and shape[-2] > 1
