"""Rounding the weights of a float `.tflite` file to 4 bits, with the extra `quantizer`."""

import re

import numpy as np

from kerasrecipes.errors import require
from kerasrecipes.export.tflite_graph import float_beginning, float_head
from kerasrecipes.silence import silenced


def round_weights_to_four_bits(content: bytes) -> bytes:
    """Store the weights of convolutions in 4 bits and those of depthwise ones in 8.

    A depthwise convolution has few weights and needs each of them. The first layers and the
    head stay in float, as in int8. The runtime widens the weights and computes in float.

    Args:
        content: A converted model without quantization.

    Returns:
        The bytes of the smaller file.

    Raises:
        MissingDependencyError: If the extra `quantizer` is not installed.
    """
    require("litert_quantizer", "quantizer", 'quantization="int4"')
    from litert_quantizer.qtyping import TFLOperationName
    from litert_quantizer.quantizer import AlgorithmName, Quantizer

    quantizer = Quantizer(content)
    everything = TFLOperationName.ALL_SUPPORTED
    quantizer.add_weight_only_config(".*", everything, 8)
    for operator in (TFLOperationName.CONV_2D, TFLOperationName.FULLY_CONNECTED):
        quantizer.add_weight_only_config(".*.*", operator, 4, algorithm_key=AlgorithmName.MSE)
    for name in float_beginning(content) + float_head(content):
        quantizer.update_quantization_recipe(
            f"^{re.escape(name)}", everything, algorithm_key=AlgorithmName.NO_QUANTIZE
        )
    with silenced():
        found = quantizer.quantize(enable_progress_bar=False, enable_progress_report=False)
    return _weights_inside(bytes(found.quantized_model))


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
