"""Building a smaller copy of a model from the channels that stay."""

from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.optimization.channels.groups import ChannelMap, LayerChannels
from kerasrecipes.surgery.channel_rules import rule_name
from kerasrecipes.surgery.operation_rules import is_reshape
from kerasrecipes.surgery.rebuilding import clone_graph, copy_weights

if TYPE_CHECKING:
    import keras


def keep_channels(model: "keras.Model", channels: ChannelMap, keep: np.ndarray) -> "keras.Model":
    """Copy a model without some of its channels.

    Args:
        model: A flat functional model; it stays as it is.
        channels: Its `find_channel_groups`.
        keep: Whether each channel stays, bool, shape `(channels.count,)`.

    Returns:
        A plain model with layers of the same names, and of the old weights those that are
        left. It is not compiled.
    """
    fresh: dict[int, tuple[Any, Any]] = {}

    def smaller(layer: Any) -> Any:
        if id(layer) not in fresh:  # a layer that is called twice is asked for twice
            fresh[id(layer)] = layer, _smaller(layer, channels.layers.get(layer.name), keep)
        return fresh[id(layer)][1]

    copy = clone_graph(model, smaller)
    for layer, new in fresh.values():
        work = channels.layers.get(layer.name)
        if work is None:
            copy_weights(layer, new)
        elif getattr(layer, "weights", ()):
            new.set_weights(_sliced(layer, keep[work.takes], keep[work.gives]))
    return copy


def _smaller(layer: Any, work: LayerChannels | None, keep: np.ndarray) -> Any:
    import keras

    if work is not None and is_reshape(layer):
        *others, last = layer.newshape
        last = -1 if last == -1 else int(keep[work.gives].sum())
        return type(layer)((*others, last), name=layer.name)
    if not isinstance(layer, keras.Layer):
        return layer  # an operation without state, such as x + 3
    config = layer.get_config()
    if work is not None:
        left = int(keep[work.gives].sum())
        for count in ("filters", "units"):
            if count in config:
                config[count] = left
        if rule_name(layer) == "Reshape" and config["target_shape"][-1] != -1:
            config["target_shape"] = (*config["target_shape"][:-1], left)
    return type(layer).from_config(config)


def _sliced(layer: Any, takes: np.ndarray, gives: np.ndarray) -> list[np.ndarray]:
    weights = layer.get_weights()
    if rule_name(layer) == "BatchNormalization":
        return [weight[takes] for weight in weights]
    kernel, *bias = weights
    if rule_name(layer).startswith("Depthwise"):
        kernel = kernel[..., takes, :]
    else:
        kernel = kernel[..., takes, :][..., gives]
    return [kernel, *(weight[gives] for weight in bias)]
