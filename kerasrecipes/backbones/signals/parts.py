"""What the backbones for signals are made of: layers that leave no trace behind the last step."""

from typing import TYPE_CHECKING

from kerasrecipes.backbones.signals.signal_backbone import BODY

if TYPE_CHECKING:
    import keras

# With 0.99, statistics lag for hundreds of steps, which are all there are of few signals.
_MOMENTUM = 0.9


def convolved(
    x: "keras.KerasTensor",
    steps: "keras.KerasTensor",
    name: str,
    filters: int,
    width: int,
    *,
    dilation: int = 1,
    causal: bool = False,
) -> "keras.KerasTensor":
    """Convolve along time; what is no step stays 0, as if there were nothing.

    Args:
        x: Shape `(batch, steps, channels)`.
        steps: 1 for each step, 0 behind the last one, shape `(batch, steps, 1)`.
        name: What to call the layer.
        filters: Channels of the result.
        width: Steps that one value is computed from.
        dilation: Steps between these.
        causal: Whether none of them may lie ahead.
    """
    from keras import layers

    padding = "causal" if causal else "same"
    found = layers.Conv1D(
        filters, width, padding=padding, dilation_rate=dilation, name=f"{BODY}_{name}"
    )(x)
    return found * steps


def normalized(
    x: "keras.KerasTensor", steps: "keras.KerasTensor", name: str
) -> "keras.KerasTensor":
    """Apply BatchNormalization whose statistics are those of real steps, then ReLU."""
    from keras import layers, ops

    mask = ops.greater(ops.squeeze(steps, axis=-1), 0.0)
    norm = layers.BatchNormalization(momentum=_MOMENTUM, name=f"{BODY}_{name}_norm")
    x = norm(x, mask=mask)
    return layers.ReLU()(x) * steps


def mean_of_steps(x: "keras.KerasTensor", steps: "keras.KerasTensor") -> "keras.KerasTensor":
    """Average over the steps that there are; what is no step is 0 in `x`."""
    from keras import ops

    return ops.sum(x, axis=1) / ops.maximum(ops.sum(steps, axis=1), 1.0)
