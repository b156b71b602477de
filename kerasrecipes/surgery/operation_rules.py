"""What each operation of `keras.ops` in a graph does to channels: namesakes of layers, mostly."""

from typing import Any

import numpy as np

from kerasrecipes.surgery.channel_rules import (
    LAYERS,
    ChannelTracker,
    Rule,
    concatenated,
    merged,
    reshaped,
    seen_by_softmax,
)


def rule_of(operation: Any) -> Rule | None:
    """Return the rule of a layer or an operation of Keras itself, `None` for any other.

    Args:
        operation: What a node of a graph calls.
    """
    import keras

    kind = type(operation)
    if not kind.__module__.startswith("keras."):
        return None
    known = LAYERS if isinstance(operation, keras.Layer) else OPERATIONS
    return known.get(kind.__name__)


def is_reshape(operation: Any) -> bool:
    """Tell whether this is `keras.ops.reshape`, rather than the layer."""
    return type(operation).__name__ == "Reshape" and hasattr(operation, "newshape")


def _each(tracker: ChannelTracker, node: Any) -> np.ndarray | None:
    """Follow what treats all values alike, so that channels stay where they are."""
    (tensor,) = node.input_tensors
    options = {name: one for name, one in vars(node.operation).items() if name[0] != "_"}
    told = [*options.values(), *node.arguments.args[1:]]
    many = any(np.size(one) > 1 for one in told if isinstance(one, list | tuple | np.ndarray))
    same = len(tensor.shape) == len(node.outputs[0].shape)
    return tracker.get(tensor) if same and not many else None


def _one_place_each(tracker: ChannelTracker, node: Any) -> np.ndarray | None:
    """Follow what works on the other axes of each channel by itself."""
    import keras

    form = getattr(node.operation, "data_format", None) or keras.config.image_data_format()
    return tracker.inputs(node)[0] if form == "channels_last" else None


def _reduced(tracker: ChannelTracker, node: Any) -> np.ndarray | None:
    (tensor,), axes = node.input_tensors, node.operation.axis
    rank = len(tensor.shape)
    if axes is None or rank - 1 in {int(axis) % rank for axis in np.atleast_1d(axes)}:
        return None
    return tracker.get(tensor)


def _moved_about(tracker: ChannelTracker, node: Any) -> np.ndarray | None:
    """Follow axes of length 1 that come and go beside channels."""
    (tensor,), after = node.input_tensors, node.outputs[0].shape
    stays = bool(after) and after[-1] == tensor.shape[-1] != 1
    return tracker.get(tensor) if stays else None


def _transposed(tracker: ChannelTracker, node: Any) -> np.ndarray | None:
    (tensor,), axes = node.input_tensors, node.operation.axes
    rank = len(tensor.shape)
    stays = axes is not None and int(axes[-1]) % rank == rank - 1
    return tracker.get(tensor) if stays else None


def _sliced(tracker: ChannelTracker, node: Any) -> np.ndarray | None:
    """Follow slices of the other axes; a slice of the channels is by their numbers."""
    given: list[Any] = [*node.arguments.args, *node.arguments.kwargs.values()]
    tensor, key = given
    keys: list[Any] = [*key] if isinstance(key, tuple | list) else [key]
    if not all(one is None or one is Ellipsis or isinstance(one, int | slice) for one in keys):
        return None
    if Ellipsis not in keys:
        keys.append(Ellipsis)
    before, behind = keys[: keys.index(Ellipsis)], keys[keys.index(Ellipsis) + 1 :]
    taken = sum(one is not None for one in before + behind)
    ends = behind or ([slice(None)] if taken < len(tensor.shape) else before)
    whole = ends[-1] == slice(None)
    return tracker.get(tensor) if whole else None


def _of(rule: Rule, names: str) -> dict[str, Rule]:
    return dict.fromkeys(names.split(), rule)


OPERATIONS: dict[str, Rule] = {
    **_of(
        _each,
        "Absolute Cast Ceil Celu Clip Copy Elu Erf Exp Exp2 Expm1 Floor Gelu HardSigmoid HardSilu "
        "HardShrink HardTanh LeakyRelu Log Log10 Log1p Log2 LogSigmoid Negative Reciprocal Relu "
        "Relu6 Round Rsqrt Selu Sigmoid Sign Silu SoftShrink Softplus Softsign Sqrt Square "
        "Squareplus StopGradient Tanh TanhShrink Threshold",
    ),
    **_of(
        merged,
        "Add Divide DivideNoNan FloorDivide Maximum Minimum Mod Multiply Power Subtract TrueDivide",
    ),
    **_of(_reduced, "Amax Amin Max Mean Median Min Prod Std Sum Var Logsumexp"),
    **_of(_one_place_each, "AveragePool MaxPool Resize"),
    **_of(_moved_about, "ExpandDims Squeeze"),
    **_of(seen_by_softmax, "LogSoftmax Softmax"),
    "Concatenate": concatenated,
    "GetItem": _sliced,
    "Reshape": reshaped,
    "Transpose": _transposed,
}
