"""Rounding the weights of a float `.tflite` file to 4 bits, with the extra `quantizer`."""

import re
from collections.abc import Collection

import numpy as np

from kerasrecipes.environment import silenced
from kerasrecipes.errors import require, unknown_name
from kerasrecipes.export.tflite.graph import float_beginning, float_head
from kerasrecipes.export.tflite.layers import output_tensors, read_layers

# Operators with many weights, few of which matter alone.
FOUR_BITS = ("CONV_2D", "FULLY_CONNECTED")


def round_weights_to_four_bits(
    content: bytes, keep_int8: Collection[str] = (), keep_float: Collection[str] = ()
) -> bytes:
    """Store the weights of convolutions in 4 bits and those of depthwise ones in 8.

    A depthwise convolution has few weights and needs each of them. The first layers and the
    head stay in float, as in int8. The runtime widens the weights and computes in float.

    Args:
        content: A converted model without quantization.
        keep_int8: Names of convolutions and dense layers whose weights get 8 bits, not 4.
        keep_float: Names of layers whose weights are not rounded.

    Returns:
        The bytes of the smaller file.

    Raises:
        ValueError: If a name is unknown, or stands for a layer to which that happens anyway.
        MissingDependencyError: If the extra `quantizer` is not installed.
    """
    require("litert_quantizer", "quantizer", 'quantization="int4"')
    from litert_quantizer.qtyping import TFLOperationName
    from litert_quantizer.quantizer import AlgorithmName, Quantizer

    quantizer = Quantizer(content)
    everything = TFLOperationName.ALL_SUPPORTED
    ends = float_beginning(content) + float_head(content)
    _check_names(content, ends, keep_int8, keep_float)
    quantizer.add_weight_only_config(".*", everything, 8)
    for name in FOUR_BITS:
        operator = TFLOperationName[name]
        quantizer.add_weight_only_config(".*.*", operator, 4, algorithm_key=AlgorithmName.MSE)
    for name in output_tensors(content, keep_int8):
        quantizer.add_weight_only_config(f"^{re.escape(name)}", everything, 8)
    for name in ends + output_tensors(content, keep_float):
        quantizer.update_quantization_recipe(
            f"^{re.escape(name)}", everything, algorithm_key=AlgorithmName.NO_QUANTIZE
        )
    with silenced():
        found = quantizer.quantize(enable_progress_bar=False, enable_progress_report=False)
    return _weights_inside(bytes(found.quantized_model))


def _check_names(
    content: bytes, ends: list[str], keep_int8: Collection[str], keep_float: Collection[str]
) -> None:
    layers = {layer.name: layer.operator for layer in read_layers(content)}
    rounded = [name for name in layers if not set(output_tensors(content, [name])) <= set(ends)]
    in_four_bits = [name for name in rounded if layers[name] in FOUR_BITS]
    given = {*keep_int8, *keep_float}
    if given and given.issuperset(in_four_bits):
        raise ValueError(
            f"`keep_float` and `keep_int8` name all {len(in_four_bits)} layers whose weights "
            "'int4' stores in 4 bits. Name fewer, or choose 'int8' or 'dynamic'."
        )
    for argument, names, possible in (
        ("keep_int8", keep_int8, in_four_bits),
        ("keep_float", keep_float, rounded),
    ):
        for name in names:
            if name not in layers:
                raise unknown_name("layer", name, possible, "quantize(recipe, 'int4').report")
            if name not in possible or (name in keep_int8 and name in keep_float):
                raise ValueError(
                    f"`{argument}` would have no effect on {name!r}, whose weights 'int4' leaves "
                    "in float or in 8 bits anyway, or which is named twice. Leave it out."
                )


def _weights_inside(content: bytes) -> bytes:
    """Put weights that lie behind the graph into it, as the places of others would move them."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    for buffer in model.buffers:
        if buffer.size:
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
