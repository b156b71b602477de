"""AdamW for weights that were trained before: it can hold on to them, and clip by their size."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kerasrecipes.arguments import named

OPTIMIZERS = {"adamw": {"make": "FineTuningAdamW"}}
# The norm of a weight that counts as the least, so that one at zero can begin to move.
LEAST_NORM = 1e-3


@keras.saving.register_keras_serializable(package="kerasrecipes")
@named
class FineTuningAdamW(keras.optimizers.AdamW):
    """AdamW with a pull toward the weights it starts from, and adaptive gradient clipping.

    Both act on the gradient of a whole update, where several steps or devices make one.

    Args:
        learning_rate: As Keras's.
        l2_sp: Strength of the pull. Each update moves every weight by `learning_rate * l2_sp`
            of its distance from where it was when the optimizer was built, apart from the
            gradient, as AdamW decays weights. So what counts is its product with the sum of
            the rates of all updates: at 1, about a third of the distance is left.
        adaptive_clip: Largest norm of the gradient of a unit (an output channel), as a share
            of the norm of its weights; `None` for no limit. Brock et al. use 0.01 to 0.16.
        **options: Further arguments of `keras.optimizers.AdamW`.

    Raises:
        ValueError: If `l2_sp` is negative, or `adaptive_clip` not above 0.

    Example:
        >>> FineTuningAdamW(1e-4, l2_sp=0.1, adaptive_clip=0.05).l2_sp
        0.1

    Reference:
        Li et al., 2018, "Explicit Inductive Bias for Transfer Learning with Convolutional
        Networks", equation 3 (L2-SP, here decoupled); Brock et al., 2021, "High-Performance
        Large-Scale Image Recognition Without Normalization", equation 3 (AGC).
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 1e-3,
        l2_sp: float = 0.0,
        adaptive_clip: float | None = None,
        **options: Any,
    ):
        options.setdefault("name", "fine_tuning_adamw")
        super().__init__(learning_rate, **options)
        if l2_sp < 0:
            raise ValueError(f"`l2_sp` must be at least 0, not {l2_sp!r}.")
        if adaptive_clip is not None and not adaptive_clip > 0:
            raise ValueError(
                f"`adaptive_clip` must be above 0, or None for no limit, not {adaptive_clip!r}."
            )
        self.l2_sp = l2_sp
        self.adaptive_clip = adaptive_clip

    def build(self, variables: list[keras.Variable]) -> None:
        """Make the slots, and take down where the weights start.

        Args:
            variables: The weights to train.
        """
        if self.built:
            return
        super().build(variables)
        if self.l2_sp:
            # By initializers: Keras may build in a graph, where an assignment would be lost.
            self._starts = [
                self.add_variable_from_reference(variable, "start", start_of(variable))
                for variable in variables
            ]

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
        if self.adaptive_clip is not None:
            gradient = clip_by_weight(gradient, variable, self.adaptive_clip)
        if self.l2_sp:
            start = self._starts[self._get_variable_index(variable)]
            share = ops.cast(learning_rate, variable.dtype) * self.l2_sp
            self.assign_sub(variable, share * (variable - start))
        super().update_step(gradient, variable, learning_rate)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments as data that Keras can save."""
        own = {"l2_sp": self.l2_sp, "adaptive_clip": self.adaptive_clip}
        return {**super().get_config(), **own}


def start_of(variable: Any) -> Callable[..., Any]:
    """Return an initializer of a slot that begins at a weight, also where Keras builds in a graph.

    Args:
        variable: The weight.
    """

    def initializer(shape: Any, dtype: Any = None) -> Any:
        # A copy: with JAX, both would hold one array, which a step may use up once.
        return ops.copy(ops.cast(variable, dtype))

    return initializer


def clip_by_weight(
    gradient: keras.KerasTensor, weight: keras.KerasTensor, share: float
) -> keras.KerasTensor:
    """Limit the norm of each unit's gradient to a share of the norm of its weights.

    A unit is an output channel of a dense, einsum or convolution kernel, a channel of a
    depthwise kernel, and the whole of a bias, a gamma or a beta.

    Args:
        gradient: Of the weight, and of its shape.
        weight: A kernel, or a vector.
        share: Largest norm of the gradient over that of the weights.

    Returns:
        The gradient, shorter where it was too long.
    """
    axes = _unit_axes(tuple(weight.shape))
    weight, gradient = ops.convert_to_tensor(weight), ops.convert_to_tensor(gradient)
    allowed = share * ops.maximum(_norm(weight, axes), LEAST_NORM)
    # Only a norm above what is allowed, which is above 0, is divided by.
    norm = ops.maximum(_norm(gradient, axes), ops.cast(allowed, gradient.dtype))
    return gradient * (ops.cast(allowed, gradient.dtype) / norm)


def _unit_axes(shape: tuple[int, ...]) -> tuple[int, ...] | None:
    if len(shape) < 2:
        return None
    # A depthwise kernel is (height, width, channels, 1). So is a kernel with one output channel,
    # whose input channels are then limited one by one: the whole is not longer than allowed.
    return tuple(range(len(shape) - 2 if len(shape) > 3 and shape[-1] == 1 else len(shape) - 1))


def _norm(x: keras.KerasTensor, axes: tuple[int, ...] | None) -> keras.KerasTensor:
    return ops.sqrt(ops.sum(ops.square(x), axis=axes, keepdims=True))
