"""Reading from a `.tflite` file how each layer with weights computes."""

import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from kerasrecipes.errors import VerificationError, listed
from kerasrecipes.export.tflite.graph import KERNELS, multiply_adds, operator_name, shape_of

_OPERATIONS = ("convolution", "depthwise", "matmul", "conv2d")


@dataclass(frozen=True)
class StoredLayer:
    """One convolution or dense layer of a file.

    Args:
        name: The layer's name in Keras, as far as the file tells it.
        operator: E.g. `"CONV_2D"`.
        weights: How its weights are stored, e.g. `"int8"`.
        inputs: How the values that it takes are stored, e.g. `"float32"`.
        outputs: How the values that it gives are stored.
        rounds_inputs: Whether it rounds float values to 8 bits as they come, since it has
            integer weights that nothing widened.
        parameters: Number of its weights.
        multiply_adds: Its arithmetic for one photo.
    """

    name: str
    operator: str
    weights: str
    inputs: str
    outputs: str
    rounds_inputs: bool
    parameters: int
    multiply_adds: int


def read_layers(content: bytes) -> tuple[StoredLayer, ...]:
    """List the layers with weights of a `.tflite` file, in the order in which they compute.

    Args:
        content: The bytes of the file, whose digest was checked.

    Returns:
        The layers of its first graph.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content, 0)
    graph = model.Subgraphs(0)
    operators = [graph.Operators(i) for i in range(graph.OperatorsLength())]
    names = [operator_name(model.OperatorCodes(o.OpcodeIndex()))[0] for o in operators]
    # Weights that are stored smaller than they compute pass a DEQUANTIZE first.
    widened = {
        operator.Outputs(0): operator.Inputs(0)
        for operator, name in zip(operators, names, strict=True)
        if name == "DEQUANTIZE"
    }
    return tuple(
        _stored_layer(graph, operator, name, widened)
        for operator, name in zip(operators, names, strict=True)
        if name in KERNELS
    )


def output_tensors(content: bytes, names: Collection[str]) -> list[str]:
    """Find the tensors that some layers of a file give.

    Args:
        content: The bytes of the file.
        names: Names of layers with weights, as in `StoredLayer`.

    Returns:
        The names of the tensors.

    Raises:
        VerificationError: If a layer is not in the file under its own name.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content, 0)
    graph = model.Subgraphs(0)
    found = []
    for operator in (graph.Operators(i) for i in range(graph.OperatorsLength())):
        if operator_name(model.OperatorCodes(operator.OpcodeIndex()))[0] in KERNELS:
            found.append(graph.Tensors(operator.Outputs(0)).Name().decode(errors="replace"))
    missing = set(names) - set(map(_layer_name, found))
    if missing:
        raise VerificationError(
            f"The converted file has no layer of its own for {listed(sorted(missing))}, so it "
            "cannot be left in float. Take another layer for `keep_float`."
        )
    return [tensor for tensor in found if _layer_name(tensor) in names]


def _stored_layer(graph: Any, operator: Any, name: str, widened: dict[int, int]) -> StoredLayer:
    # A transposed convolution takes the shape of its output first, and the photo last.
    values = 2 if name == "TRANSPOSE_CONV" else 0
    taken, stored = operator.Inputs(values), operator.Inputs(1)
    kernel = graph.Tensors(widened.get(stored, stored))
    weights, inputs = _precision(kernel), _precision(graph.Tensors(taken))
    output = graph.Tensors(operator.Outputs(0))
    return StoredLayer(
        name=_layer_name(output.Name().decode(errors="replace")),
        operator=name,
        weights=weights,
        inputs=inputs,
        outputs=_precision(output),
        rounds_inputs=weights in {"int4", "int8"} and inputs == "float32" and stored not in widened,
        parameters=math.prod(shape_of(kernel)),
        multiply_adds=multiply_adds(graph, operator, name),
    )


def _precision(tensor: Any) -> str:
    from ai_edge_litert.schema_py_generated import TensorType

    names = {number: name.lower() for name, number in vars(TensorType).items() if name.isupper()}
    return names.get(tensor.Type(), f"type {tensor.Type()}")


def _layer_name(tensor: str) -> str:
    """Return the layer's name from that of a tensor.

    The converter joins the names of all operations that it made one of, each behind those of
    the models around it. Where those were called before, each name ends in a number.

    Example:
        >>> _layer_name("a_1/stem_relu_1/Relu6;a_1/stem_conv_1/convolution")
        'stem_conv'
        >>> _layer_name("a_1/b_1/re_lu_1_2/Relu6;a_1/b_1/conv2d_1_2/convolution")
        'conv2d_1'
        >>> _layer_name("a/b/logits/MatMul;a/b/logits/Add")
        'logits'
    """
    paths = [part.split("/") for part in tensor.split(";") if "/" in part]
    if not paths:
        return tensor
    weighted = [path for path in paths if path[-1].lower().startswith(_OPERATIONS)]
    # Of a layer whose normalization was joined to it, only that may be left.
    chosen = [part for part in (weighted or paths)[-1][:-1] if part != "batchnorm"][-1]
    # The number is not the same for all: one that is taken by another layer's name is left out.
    again = re.search(r"_\d+$", paths[0][0])
    return re.sub(r"_\d+$", "", chosen) if again else chosen
