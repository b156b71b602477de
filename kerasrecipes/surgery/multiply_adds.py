"""How much arithmetic a model is."""

import math
from typing import TYPE_CHECKING, Any

from kerasrecipes.arguments import named
from kerasrecipes.errors import listed
from kerasrecipes.keras_private import nodes_in_order
from kerasrecipes.surgery.channel_rules import rule_name
from kerasrecipes.surgery.rebuilding import as_functional, is_functional

if TYPE_CHECKING:
    import keras

COUNTED = {
    "Conv1D", "Conv2D", "Conv3D", "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose", "Dense",
    "DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D",
}  # fmt: skip
ROUNDING = "kerasrecipes.quantization.fake_quantization"
PRODUCTS = {
    "Conv", "ConvTranspose", "DepthwiseConv", "Dot", "DotProductAttention", "Einsum", "Inner",
    "Matmul", "SeparableConv", "Tensordot", "Vdot",
}  # fmt: skip


@named
def count_multiply_adds(model: "keras.Model") -> int:
    """Count the multiplications of convolutions and dense layers for one photo.

    As usual, a multiplication with the addition behind it is one, and what is done once per
    value (normalization, activations, additions, scaling) is left out.

    Args:
        model: A functional model of fixed image size.

    Returns:
        Multiply-adds for one photo.

    Raises:
        ValueError: If the image size is free, there is nothing to count, or a layer has
            kernels that this cannot count.

    Example:
        >>> lite0 = get_backbone("efficientnet_lite0").build(224, None)
        >>> round(count_multiply_adds(lite0) / 1e6)
        384
    """
    counts, unknown = count_by_layer(model)
    check_countable(model, counts, unknown)
    return sum(counts.values())


def check_countable(model: "keras.Model", counts: dict[str, int], unknown: list[str]) -> None:
    """Raise unless all the arithmetic of a model was counted.

    Args:
        model: The model.
        counts: Of `count_by_layer`.
        unknown: The same.

    Raises:
        ValueError: If there is nothing to count, or something that cannot be.
    """
    if unknown or not counts:
        raise ValueError(
            f"The multiply-adds of {listed(unknown)} cannot be counted. Count a flat model of "
            "convolutions and dense layers."
            if unknown
            else f"The model {model.name!r} has no convolution and no dense layer to count."
        )


def count_by_layer(model: "keras.Model") -> tuple[dict[str, int], list[str]]:
    """Count the multiply-adds of each layer; see `count_multiply_adds`.

    Args:
        model: A functional model of fixed image size.

    Returns:
        The counts by the layers' names, and what cannot be counted, for people.

    Raises:
        ValueError: If the model has no graph, or the image size is free.
    """
    if not is_functional(model):
        raise ValueError(f"`model` must be a functional keras.Model, not a {type(model).__name__}.")
    counts: dict[str, int] = {}
    unknown = []
    for node in nodes_in_order(as_functional(model)):
        layer, kind = node.operation, _kind(node.operation)
        if kind in COUNTED:
            counts[layer.name] = counts.get(layer.name, 0) + node_multiply_adds(node)
        elif kind in PRODUCTS or any(len(w.shape) > 1 for w in getattr(layer, "weights", ())):
            unknown.append(f"{layer.name} ({type(layer).__name__})")
    return counts, unknown


def _kind(operation: Any) -> str:
    """Return the class name of an operation of Keras; of one that rounds, what it rounds."""
    kind = type(operation)
    if kind.__module__ == ROUNDING:
        return kind.__name__.removeprefix("Quantized")
    return rule_name(operation)


def node_multiply_adds(node: Any) -> int:
    """Count the multiply-adds of one call of a layer with a kernel.

    Raises:
        ValueError: If its output has no fixed size.
    """
    layer = node.operation
    # A transposed convolution spreads each place of its input; others gather for one of theirs.
    spread = type(layer).__name__.endswith("Transpose")
    places = (node.input_tensors if spread else node.outputs)[0].shape[1:-1]
    if None in places:
        raise ValueError(
            f"The output of {node.operation.name!r} has no fixed size, {node.outputs[0].shape}, so "
            "its multiply-adds depend on the photo. Build the model with a fixed image_size."
        )
    separable = hasattr(layer, "pointwise_kernel")
    kernels = [layer.depthwise_kernel, layer.pointwise_kernel] if separable else [layer.kernel]
    return math.prod(places) * sum(math.prod(kernel.shape) for kernel in kernels)
