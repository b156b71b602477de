"""Deciding, from a model's graph, what computes in 8 bits and where values are rounded."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kerasrecipes.arguments import named
from kerasrecipes.keras_private import nodes_in_order
from kerasrecipes.surgery.channel_rules import rule_name
from kerasrecipes.surgery.graph import consumers

if TYPE_CHECKING:
    import keras

# What stays in float in an int8 file: the first layers with weights, and the head, if they hold
# no more than these shares of the weights. Training with rounding goes by the same numbers.
FIRST_KERNELS = 3
SMALL_BEGINNING, SMALL_HEAD = 0.01, 0.03
KERNELS = frozenset({"Conv2D", "DepthwiseConv2D", "Dense"})
# These give values of their inputs, so that the converter keeps the inputs' levels.
SAME_LEVELS = frozenset(
    {"MaxPooling2D", "AveragePooling2D", "ZeroPadding2D", "Cropping2D", "UpSampling2D", "Flatten",
     "Reshape", "Dropout", "SpatialDropout2D", "Identity", "GlobalMaxPooling2D"}
)  # fmt: skip
# These give new values, which need a range of their own.
NEW_LEVELS = frozenset(
    {"Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Activation",
     "ReLU", "Relu", "Relu6", "LeakyReLU", "Sigmoid", "Silu", "HardSilu", "HardSigmoid", "Tanh"}
)  # fmt: skip
HEAD = frozenset(
    {"Dense", "Dropout", "Softmax", "Activation", "Flatten", "Reshape", "Concatenate", "Add",
     "Subtract", "Multiply", "ReLU", "Rescaling", "UnitNormalization", "LayerNormalization",
     "GroupNormalization", "ZeroPadding1D", "MaxPooling1D", "GlobalAveragePooling2D",
     "GlobalMaxPooling2D"}
)  # fmt: skip
POOLS = frozenset({"GlobalAveragePooling2D", "GlobalMaxPooling2D"})


@dataclass(frozen=True)
class QuantizationPlan:
    """What becomes of each layer of a model without BatchNormalization.

    Args:
        quantized: Names of the layers with kernels that get 8-bit weights and arithmetic.
        ranged: Names of the layers whose outputs are rounded to 256 levels.
        pixels: Those of them whose output is the photo itself, scaled.
        touched: For each of `quantized`, the layers in `ranged` that give its inputs and output.
    """

    quantized: frozenset[str]
    ranged: frozenset[str]
    pixels: frozenset[str]
    touched: Mapping[str, frozenset[str]]


@named
def plan_quantization(
    model: "keras.Model", *, ends: bool = False, keep_float: frozenset[str] = frozenset()
) -> QuantizationPlan:
    """Decide what computes in 8 bits.

    As in post-training int8, the first three layers with weights and the head stay in float
    when they are small: they cost accuracy and save next to nothing.

    Args:
        model: A flat functional model without BatchNormalization.
        ends: Whether those are to compute in 8 bits, too.
        keep_float: Names of further layers that stay in float.

    Returns:
        The names; none are `quantized` where nothing can be.
    """
    nodes = [node for node in nodes_in_order(model) if not node.is_input]
    body = nodes[_first_kernel(nodes) :] if ends else _body(nodes, model)
    taking = consumers(nodes)
    makers = {id(tensor): node for node in nodes for tensor in node.outputs}
    touched: dict[str, set[str]] = {}
    ranged: set[str] = set()
    for node in body:
        name, kind = node.operation.name, rule_name(node.operation)
        rounds = kind in KERNELS and _plain_kernel(node.operation) and name not in keep_float
        if not rounds and kind not in NEW_LEVELS:
            continue
        # What comes in must have levels, too: also the output of a layer that stays in float.
        makers_of_it = (maker_of(tensor, makers) for tensor in node.input_tensors)
        near = {name for name in makers_of_it if name is not None}
        near.add(_rounded_after(node, taking))
        ranged |= near
        if rounds:
            touched[name] = touched.get(name, set()) | near
    fused = {
        node.operation.name for node in body if _rounded_after(node, taking) != node.operation.name
    }
    before = {node.operation.name for node in nodes[: _first_kernel(nodes)]}
    kept = frozenset(ranged - fused)
    around = {name: kept & names for name, names in touched.items()}
    return QuantizationPlan(frozenset(touched), kept, kept & before, around)


def _first_kernel(nodes: list[Any]) -> int:
    return next((i for i, node in enumerate(nodes) if _has_kernel(node)), 0)


def _body(nodes: list[Any], model: "keras.Model") -> list[Any]:
    """Return the nodes behind a small beginning and before a small head."""
    total = model.count_params()
    head = _head(nodes, model)
    left = [node for node in nodes if node not in head]
    weighted = [i for i, node in enumerate(left) if _has_kernel(node)]
    # Scaling of pixels is no part of the network.
    start = weighted[0] if weighted else len(left)
    if len(weighted) > FIRST_KERNELS:
        end = weighted[FIRST_KERNELS - 1] + 1
        if _parameters(left[:end]) <= SMALL_BEGINNING * total:
            start = end
    return left[start:]


def _head(nodes: list[Any], model: "keras.Model") -> list[Any]:
    """Return the nodes from pooling to each answer, as `float_head` finds them in a file."""
    found: list[Any] = []
    for answer in model.outputs:
        wanted, held = {id(answer)}, 0
        for node in reversed(nodes):
            kind = rule_name(node.operation)
            outputs = {id(tensor) for tensor in node.outputs}
            if not outputs & wanted or kind not in HEAD or _gives_map(node):
                continue
            held += _parameters([node])
            if held > SMALL_HEAD * model.count_params():
                break
            found.append(node)
            if kind not in POOLS:
                wanted.update(id(tensor) for tensor in node.input_tensors)
    return found


def _gives_map(node: Any) -> bool:
    """Tell whether places remain in what a node gives."""
    shape = node.outputs[0].shape
    return len(shape) == 4 and 1 not in shape[1:3]


def _parameters(nodes: list[Any]) -> int:
    layers = {node.operation.name: node.operation for node in nodes}
    return sum(
        math.prod(weight.shape)
        for layer in layers.values()
        for weight in getattr(layer, "weights", ())
    )


def _has_kernel(node: Any) -> bool:
    return any(len(weight.shape) > 1 for weight in getattr(node.operation, "weights", ()))


def _plain_kernel(layer: Any) -> bool:
    """Say whether the arithmetic of a layer is one 8-bit operator of the runtime."""
    return (
        getattr(layer.activation, "__name__", "") in {"linear", "relu", "relu6"}
        and getattr(layer, "data_format", "channels_last") == "channels_last"
        and getattr(layer, "groups", 1) == 1
        and not layer.quantization_mode
    )


def _rounded_after(node: Any, taking: dict[int, list[Any]]) -> str:
    """Name the layer whose output holds a node's values: its ReLU, if that is all that follows."""
    after = taking.get(id(node.outputs[0]), [])
    if rule_name(node.operation) in KERNELS | {"Add"} and len(after) == 1:
        if _is_fused_activation(after[0].operation):
            return after[0].operation.name
    return node.operation.name


def _is_fused_activation(operation: Any) -> bool:
    kind = rule_name(operation)
    if kind == "ReLU":
        limit, slope = operation.max_value, operation.negative_slope
        return limit in (None, 6) and not slope and not operation.threshold
    if kind == "Activation":
        return operation.activation.__name__ in {"relu", "relu6"}
    return kind in {"Relu", "Relu6"}


def maker_of(tensor: Any, makers: dict[int, Any]) -> str | None:
    """Name the layer that made the values of a tensor.

    Args:
        tensor: A tensor of the graph.
        makers: The node that gave each tensor, by its id.

    Returns:
        The layer's name, or `None` for the photo itself.
    """
    node = makers.get(id(tensor))
    while node is not None and rule_name(node.operation) in SAME_LEVELS:
        node = makers.get(id(node.input_tensors[0]))
    return None if node is None else node.operation.name
