"""Undoing the part of a rounding error that is the same for every photo."""

from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.keras_private import count_calls, nodes_in_order
from kerasrecipes.quantization.activation_ranges import mean_answers, measure_ranges, probe_behind
from kerasrecipes.quantization.batch_norm_folding import fold_batch_norm
from kerasrecipes.quantization.plan import (
    QuantizationPlan,
    maker_of,
    plan_quantization,
)
from kerasrecipes.surgery.channel_rules import rule_name
from kerasrecipes.surgery.rebuilding import is_functional

if TYPE_CHECKING:
    import keras

CONVOLUTIONS = frozenset({"Conv2D", "DepthwiseConv2D"})


@named
def correct_biases(
    model: "keras.Model", calibration: np.ndarray, keep_float: frozenset[str] = frozenset()
) -> "keras.Model":
    """Build a model whose int8 file keeps the mean of every channel where it was.

    Rounding a kernel changes each weight by up to half a level, always the same way, so that a
    channel's output is shifted for every photo alike; rounding activations shifts small positive
    ones down to zero more often than up. What that makes of the mean input on `calibration` is
    taken off the bias. BatchNormalization is folded first.

    Args:
        model: A classifier of photos with values 0…255; it stays as it is.
        calibration: Training photos, shape `(n, height, width, 3)`, values 0…255.
        keep_float: Names of layers that will not be rounded.

    Returns:
        A float model to be quantized to 8 bits; `model` itself if its graph cannot be read.

    Reference:
        Nagel et al., 2019, "Data-Free Quantization Through Weight Equalization and Bias
        Correction", section 4.2, equation 16, with measured means, arXiv 1906.04721.
    """
    if not is_functional(model) or len(model.inputs) != 1:
        return model
    folded = fold_batch_norm(model)
    plan = plan_quantization(folded, keep_float=keep_float)
    shift_biases(folded, plan, measure_ranges(folded, plan, calibration), calibration)
    return folded


def shift_biases(
    folded: "keras.Model",
    plan: QuantizationPlan,
    ranges: dict[str, tuple[float, float]],
    calibration: np.ndarray,
) -> None:
    """Take the mean rounding error of every convolution off its bias, in place.

    Args:
        folded: A flat functional model without BatchNormalization.
        plan: What will be rounded.
        ranges: Between which values each rounded output lies.
        calibration: Photos with values 0…255.
    """
    from keras import ops

    from kerasrecipes.quantization.fake_quantization import ActivationRange

    nodes = [node for node in nodes_in_order(folded) if not node.is_input]
    makers = {id(tensor): node for node in nodes for tensor in node.outputs}
    chosen = [node for node in nodes if _can_be_shifted(node, plan)]
    if not chosen:
        return
    rounding: list[Any] = []
    for node in chosen:
        maker = maker_of(node.input_tensors[0], makers)
        levels = None
        if maker in ranges:
            levels = ActivationRange()
            levels.set_range(*ranges[maker])
        rounding.append(levels)

    def means(found: list[Any]) -> list[Any]:
        taken = zip(found, rounding, strict=True)
        both = ((exact, exact if levels is None else levels(exact)) for exact, levels in taken)
        return [ops.stack([ops.mean(one, axis=(0, 1, 2)) for one in pair]) for pair in both]

    probe = probe_behind(folded, [node.input_tensors[0] for node in chosen], means)
    found = mean_answers(probe, calibration)
    for node, (exact, rounded) in zip(chosen, found, strict=True):
        _shift(node.operation, exact, rounded)


def _can_be_shifted(node: Any, plan: QuantizationPlan) -> bool:
    layer = node.operation
    return (
        layer.name in plan.quantized
        and rule_name(layer) in CONVOLUTIONS
        and layer.use_bias
        and count_calls(layer) == 1
    )


def rounded_kernel(layer: Any) -> np.ndarray:
    """Round the kernel of a convolution or a dense layer as its int8 file has it.

    Args:
        layer: A `Conv2D`, `DepthwiseConv2D` or `Dense` layer.
    """
    from kerasrecipes.quantization.fake_quantization import (
        fake_quantized_depthwise,
        fake_quantized_weights,
    )

    kind = rule_name(layer)
    if kind == "DepthwiseConv2D":
        return np.asarray(fake_quantized_depthwise(layer.kernel))
    return np.asarray(fake_quantized_weights(layer.kernel, None if kind == "Dense" else 3))


def _shift(layer: Any, exact: np.ndarray, rounded: np.ndarray) -> None:
    """Take off what a layer makes of the mean input, exact and rounded; padding is left out."""
    kernel, bias = layer.get_weights()
    depthwise = rule_name(layer) == "DepthwiseConv2D"
    error = np.zeros_like(bias)
    for sign, weights, values in ((1, rounded_kernel(layer), rounded), (-1, kernel, exact)):
        taps = weights.sum(axis=(0, 1))  # (channels, multiplier), or (channels, filters)
        error += sign * ((taps * values[:, None]).reshape(-1) if depthwise else values @ taps)
    layer.set_weights([kernel, bias - error])
