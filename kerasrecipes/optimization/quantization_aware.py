"""Quantization-aware training on Keras 3: a model that computes as its int8 file will."""

from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.errors import DataError
from kerasrecipes.quantization.activation_ranges import measure_ranges
from kerasrecipes.quantization.batch_norm_folding import fold_batch_norm
from kerasrecipes.quantization.bias_correction import shift_biases
from kerasrecipes.quantization.plan import QuantizationPlan, plan_quantization
from kerasrecipes.surgery.channel_rules import rule_name
from kerasrecipes.surgery.rebuilding import clone_graph, copy_weights

if TYPE_CHECKING:
    import keras

RANGE = "_range"


@named
def make_quantization_aware(model: "keras.Model", calibration: np.ndarray) -> "keras.Model":
    """Build a model that rounds weights and activations as its int8 file will.

    BatchNormalization is folded into the layers before it; kernels are rounded to 8 bits, each
    filter with a scale of its own; values are rounded after activations, additions and all else
    that makes new ones, over ranges that begin with those of `calibration` and follow the data
    in training (Jacob et al., 2018, section 3; Krishnamoorthi, 2018, arXiv 1806.08342). Layers
    keep their names; the ranges are layers of their own, named after what they follow.

    Train it at a small learning rate, then export it as `"int8"`: it converts by its own ranges.

    Args:
        model: A functional classifier of photos with values 0…255; it stays as it is.
        calibration: Training photos, shape `(n, height, width, 3)`, values 0…255.

    Returns:
        A flat functional model, not compiled.

    Raises:
        ValueError: If the model is not functional, or nothing in it can compute in 8 bits.
        DataError: If `calibration` does not fit the model.

    Reference:
        Jacob et al., 2018, "Quantization and Training of Neural Networks for Efficient
        Integer-Arithmetic-Only Inference", sections 3.1 and 3.2.

    Example:
        >>> backbone = get_backbone("efficientnet_lite0").build(32, None)
        >>> aware = make_quantization_aware(backbone, np.full((1, 32, 32, 3), 128))
        >>> type(aware.get_layer("top_conv")).__name__
        'QuantizedConv2D'
    """
    folded = fold_batch_norm(model)
    _check_calibration(folded, calibration)
    plan = plan_quantization(folded)
    if not plan.quantized:
        raise ValueError(
            f"No layer of {model.name!r} can compute in 8 bits: that needs a Conv2D, "
            "DepthwiseConv2D or Dense layer with a ReLU or no activation inside, behind the "
            "first three layers."
        )
    ranges = measure_ranges(folded, plan, calibration)
    shift_biases(folded, plan, ranges, calibration)
    aware = _with_rounding(folded, plan)
    for name, (low, high) in ranges.items():
        aware.get_layer(name + RANGE).set_range(low, high)
    return aware


def _check_calibration(model: "keras.Model", calibration: np.ndarray) -> None:
    expected = model.input.shape[1:]
    shape = np.shape(calibration)
    fits = len(shape) == len(expected) + 1 and all(
        wanted in (None, found) for wanted, found in zip(expected, shape[1:], strict=True)
    )
    if not fits or not shape[0]:
        raise DataError(
            f"`calibration` must be photos of shape (n, {', '.join(map(str, expected))}) with "
            f"n ≥ 1, received {shape}. Decode training photos at the model's image size."
        )


def _with_rounding(folded: "keras.Model", plan: QuantizationPlan) -> "keras.Model":
    from kerasrecipes.quantization.fake_quantization import ActivationRange

    fresh: dict[str, tuple[Any, Any]] = {}

    def renewed(layer: Any) -> Any:
        if layer.name not in fresh:
            fresh[layer.name] = layer, _rounding(layer, layer.name in plan.quantized)
        return fresh[layer.name][1]

    ranges: dict[str, ActivationRange] = {}

    def called(layer: Any, *args: Any, **kwargs: Any) -> Any:
        outputs, name = layer(*args, **kwargs), layer.name
        if name not in plan.ranged:
            return outputs
        if name not in ranges:
            # Pixels have one range for ever; a moving average would lose black or white.
            momentum = 1.0 if name in plan.pixels else 0.99
            ranges[name] = ActivationRange(momentum, name=name + RANGE)
        return ranges[name](outputs)

    aware = clone_graph(folded, renewed, called)
    for old, new in fresh.values():
        copy_weights(old, new)
    return aware


def _rounding(layer: Any, quantized: bool) -> Any:
    """Make the layer that takes a layer's place."""
    import keras

    from kerasrecipes.quantization import fake_quantization as quantization

    if not isinstance(layer, keras.Layer):
        return layer  # an operation without state, such as x + 3
    kinds = {
        "Conv2D": quantization.QuantizedConv2D,
        "DepthwiseConv2D": quantization.QuantizedDepthwiseConv2D,
        "Dense": quantization.QuantizedDense,
    }
    kind = type(layer)
    if quantized:
        kind = kinds[rule_name(layer)]
    elif rule_name(layer) == "GlobalAveragePooling2D":
        kind = quantization.SummedAveragePooling2D
    return kind.from_config(layer.get_config())
