"""Joining BatchNormalization with the layer before it, as converters do."""

from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.keras_private import nodes_in_order
from kerasrecipes.surgery.channel_rules import rule_name
from kerasrecipes.surgery.graph import consumers
from kerasrecipes.surgery.rebuilding import (
    as_functional,
    clone_graph,
    copy_weights,
    flattened,
    is_functional,
)

if TYPE_CHECKING:
    import keras

FOLDED_INTO = frozenset({"Conv2D", "DepthwiseConv2D", "Dense"})


@named
def fold_batch_norm(model: "keras.Model") -> "keras.Model":
    """Build the same model without its BatchNormalization layers.

    What a normalization does to a channel is one factor and one offset. They go into the kernel
    and the bias of the convolution or dense layer before it, where there is one; another
    normalization of a feature map becomes a depthwise 1×1 convolution of its name. Folded
    layers keep their names. The model can be trained on, but its statistics no longer move.

    Args:
        model: A functional model with one input; it stays as it is.

    Returns:
        A flat functional model that gives the same answers, up to float32 rounding.

    Raises:
        ValueError: If the model is not functional, or has several inputs.

    Example:
        >>> lite0 = get_backbone("efficientnet_lite0").build(64, None)
        >>> len(lite0.layers) - len(fold_batch_norm(lite0).layers)
        49
    """
    if not is_functional(model) or len(model.inputs) != 1:
        raise ValueError(
            f"`model` must be a functional keras.Model with one input, the photo, not "
            f"{getattr(model, 'name', model)!r}, a {type(model).__name__}."
        )
    flat = flattened(as_functional(model))
    folded = _foldable(flat)
    affine = {name: _factor_and_offset(flat.get_layer(name)) for name in folded.values()}
    fresh: dict[str, tuple[Any, Any]] = {}

    def renewed(layer: Any) -> Any:
        if layer.name in affine:
            return layer
        if layer.name not in fresh:
            fresh[layer.name] = layer, _without_norm(layer, layer.name in folded)
        return fresh[layer.name][1]

    def called(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if layer.name in affine:
            return args[0]
        old, new = fresh.get(layer.name, (layer, layer))
        # A normalization is called with arguments that a convolution does not take.
        return layer(args[0]) if type(old) is not type(new) else layer(*args, **kwargs)

    copy = clone_graph(flat, renewed, called)
    for name, (old, new) in fresh.items():
        if name in folded:
            new.set_weights(_folded_weights(old, *affine[folded[name]]))
        elif type(new) is not type(old):
            factor, offset = _factor_and_offset(old)
            new.set_weights([factor[None, None, :, None], offset])
        else:
            copy_weights(old, new)
    return copy


def _foldable(model: "keras.Model") -> dict[str, str]:
    """Map each layer that can take in the normalization behind it to that normalization."""
    nodes = nodes_in_order(model)
    taking = consumers(nodes)
    names = [node.operation.name for node in nodes]
    returned = {id(tensor) for tensor in model.outputs}
    found = {}
    for node in nodes:
        layer, after = node.operation, taking.get(id(node.outputs[0]), [])
        if (
            rule_name(layer) in FOLDED_INTO
            and getattr(layer.activation, "__name__", "") == "linear"
            and getattr(layer, "data_format", "channels_last") == "channels_last"
            and len(after) == 1
            and id(node.outputs[0]) not in returned
            and _normalizes_last_axis(after[0])
            and names.count(layer.name) == names.count(after[0].operation.name) == 1
        ):
            found[layer.name] = after[0].operation.name
    return found


def _normalizes_last_axis(node: Any) -> bool:
    last = len(node.outputs[0].shape) - 1
    return rule_name(node.operation) == "BatchNormalization" and node.operation.axis in (-1, last)


def _factor_and_offset(norm: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return what a normalization multiplies each channel with, and what it adds."""
    variance = np.asarray(norm.moving_variance, np.float64)
    factor = 1 / np.sqrt(variance + norm.epsilon)
    if norm.scale:
        factor = factor * np.asarray(norm.gamma, np.float64)
    offset = -np.asarray(norm.moving_mean, np.float64) * factor
    if norm.center:
        offset = offset + np.asarray(norm.beta, np.float64)
    return factor, offset


def _without_norm(layer: Any, folds: bool) -> Any:
    """Make the layer that takes a layer's place."""
    import keras

    if not isinstance(layer, keras.Layer):
        return layer  # an operation without state, such as x + 3
    if rule_name(layer) == "BatchNormalization" and _of_feature_map(layer):
        return keras.layers.DepthwiseConv2D(1, name=layer.name)
    config = layer.get_config()
    return type(layer).from_config({**config, "use_bias": True} if folds else config)


def _of_feature_map(norm: Any) -> bool:
    return norm.input_spec.ndim == 4 and norm.axis in (-1, 3)


def _folded_weights(layer: Any, factor: np.ndarray, offset: np.ndarray) -> list[np.ndarray]:
    kernel, *bias = (np.asarray(weight, np.float64) for weight in layer.get_weights())
    if rule_name(layer) == "DepthwiseConv2D":
        kernel = kernel * factor.reshape(kernel.shape[2:])
    else:
        kernel = kernel * factor
    return [kernel, (bias[0] if bias else 0.0) * factor + offset]
