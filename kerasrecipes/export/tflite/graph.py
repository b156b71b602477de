"""Reading a `.tflite` file's graph as data: operators, constants, 8-bit coverage."""

import math
from collections import Counter
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kerasrecipes.errors import DataError, printable
from kerasrecipes.export.checks import read_file
from kerasrecipes.export.format import GraphFacts
from kerasrecipes.quantization.plan import FIRST_KERNELS, SMALL_BEGINNING, SMALL_HEAD

# Operators that carry weights; only they decide whether a file "is int8".
KERNELS = frozenset(
    {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "BATCH_MATMUL", "CONV_3D"}
)
_REDUCTIONS = frozenset({"MEAN", "REDUCE_MAX", "SUM"})
# Operators that pool features, normalize them and turn them into answers.
_HEAD = _REDUCTIONS | {
    "ADD", "CONCATENATION", "DIV", "FULLY_CONNECTED", "L2_NORMALIZATION", "LOGISTIC", "MAXIMUM",
    "MAX_POOL_2D", "MINIMUM", "MUL", "NEG", "PAD", "RELU", "RESHAPE", "RSQRT", "SOFTMAX", "SQRT",
    "SQUARE", "SQUARED_DIFFERENCE", "SUB",
}  # fmt: skip


def check_header(content: bytes, name: object) -> None:
    """Refuse bytes that cannot be a `.tflite` file.

    Args:
        content: The file's bytes.
        name: What to call the file in the message.

    Raises:
        DataError: If the identifier of the format is missing.
    """
    if len(content) < 64 or content[4:8] != b"TFL3":
        raise DataError(
            f"'{printable(name)}' is not a TFLite file ({len(content)} bytes, without the "
            "identifier 'TFL3'). Export the model again."
        )


def inspect_file(path: str | Path) -> GraphFacts:
    """List what a `.tflite` file is made of, without running it.

    Only give it files whose digest was checked: the parser trusts the offsets in the file.

    Args:
        path: A `.tflite` file.

    Returns:
        The operators, constants and 8-bit coverage.

    Raises:
        DataError: If the file is not a TFLite file.
    """
    content = read_file(path)
    check_header(content, path)
    return inspect_content(content)


def inspect_content(content: bytes) -> GraphFacts:
    """List what the bytes of a `.tflite` file are made of; see `inspect_file`."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content, 0)
    ops: Counter[str] = Counter()
    custom: list[str] = []
    # Kernels, and multiply-adds, of any kind and in 8 bits.
    counted = {False: [0, 0], True: [0, 0]}
    empty = 0
    for graph in (model.Subgraphs(i) for i in range(model.SubgraphsLength())):
        provided = _provided(model, graph)
        for operator in (graph.Operators(i) for i in range(graph.OperatorsLength())):
            name, is_custom = operator_name(model.OperatorCodes(operator.OpcodeIndex()))
            ops[name] += 1
            if is_custom:
                custom.append(name)
            if name in KERNELS:
                output = graph.Tensors(operator.Outputs(0))
                is_int8 = output.Type() == schema.TensorType.INT8
                counted[is_int8][0] += 1
                counted[is_int8][1] += multiply_adds(graph, operator, name)
            inputs = {operator.Inputs(i) for i in range(operator.InputsLength())}
            empty += len(inputs - provided)
    constants = sum(model.Buffers(i).DataLength() for i in range(model.BuffersLength()))
    # A variable that nothing in the file fills is a weight that was left behind.
    empty += ops["VAR_HANDLE"] * ("ASSIGN_VARIABLE" not in ops)
    (kernels, work), (int8_kernels, int8_work) = counted[False], counted[True]
    return GraphFacts(
        dict(ops.most_common()),
        tuple(custom),
        constants,
        kernels + int8_kernels,
        int8_kernels,
        work + int8_work,
        int8_work,
        empty,
    )


def _provided(model: Any, graph: Any) -> set[int]:
    """Return the tensors that have a value when an operator reads them; -1 is "no tensor"."""
    known = {-1, *(graph.Inputs(i) for i in range(graph.InputsLength()))}
    for operator in (graph.Operators(i) for i in range(graph.OperatorsLength())):
        known.update(operator.Outputs(i) for i in range(operator.OutputsLength()))
    for i in range(graph.TensorsLength()):
        tensor = graph.Tensors(i)
        buffer = model.Buffers(tensor.Buffer())
        # Files beyond 2 GB keep their constants behind the graph, and no number may be none.
        held = buffer.DataLength() or buffer.Size() or 0 in shape_of(tensor)
        if held or tensor.IsVariable():
            known.add(i)
    return known


def shape_of(tensor: Any) -> list[int]:
    """Return the size of a tensor along each axis."""
    return [tensor.Shape(i) for i in range(tensor.ShapeLength())]


def multiply_adds(graph: Any, operator: Any, name: str) -> int:
    """Count the multiplications of one operator; with the addition behind it each is one."""
    output = shape_of(graph.Tensors(operator.Outputs(0)))
    if name == "BATCH_MATMUL":
        left, right = (shape_of(graph.Tensors(operator.Inputs(i))) for i in (0, 1))
        # What is summed over is in both factors and not in the result.
        planes = [math.prod(shape[-2:]) for shape in (left, right, output)]
        return math.prod(output) * math.isqrt(planes[0] * planes[1] // planes[2])
    weights = math.prod(shape_of(graph.Tensors(operator.Inputs(1))))
    if name == "TRANSPOSE_CONV":  # every place of the input meets every weight
        output = shape_of(graph.Tensors(operator.Inputs(2)))
    return math.prod(output[:-1]) * weights


def operator_name(code: Any) -> tuple[str, bool]:
    """Return an operator's name and whether a plain runtime lacks it."""
    # Small codes live in the old 8-bit field, codes above 127 in the new one.
    number = max(code.DeprecatedBuiltinCode(), code.BuiltinCode())
    name = _builtin_names().get(number, f"UNKNOWN_{number}")
    if name != "CUSTOM":
        return name, name.startswith("UNKNOWN_")
    return printable((code.CustomCode() or b"CUSTOM").decode(errors="replace")), True


@cache
def _builtin_names() -> dict[int, str]:
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    return {number: name for name, number in vars(BuiltinOperator).items() if name.isupper()}


def float_beginning(content: bytes) -> list[str]:
    """Name the operators up to the third layer with weights, if these are small.

    They see the photo itself, and all that follows inherits their rounding. On a fine-tuned
    EfficientNet-Lite0 they made more than half of the error of int8, hold 0.05 % of the
    weights, and take about the same time in either arithmetic.

    Args:
        content: A converted model without quantization.

    Returns:
        The names of their output tensors.
    """
    operators, total = _operators(content)
    names: list[str] = []
    kernels = held = 0
    for operator in operators:
        held += operator.constant_bytes
        if held > SMALL_BEGINNING * total:
            break
        names.append(operator.tensor)
        kernels += operator.name in KERNELS
        if kernels == FIRST_KERNELS:
            return names
    return []


def float_head(content: bytes) -> list[str]:
    """Name the operators from pooling to each answer, as far as they are small beside the rest.

    Args:
        content: A converted model without quantization.

    Returns:
        The names of their output tensors. Where the head of an answer holds more than 3 % of the
        constants, as with a thousand classes, only what stands behind its large part.
    """
    operators, total = _operators(content)
    names: dict[str, None] = {}
    for answer in _answers(content):
        wanted, held = {answer}, 0
        for operator in reversed(operators):
            if operator.output not in wanted or operator.name not in _HEAD or operator.gives_map:
                continue
            held += operator.constant_bytes
            if held > SMALL_HEAD * total:
                break
            names[operator.tensor] = None
            if not operator.pools:
                wanted.update(operator.inputs)
    return list(names)


def float_layers(content: bytes, names: Collection[str]) -> list[str]:
    """Name the operators of layers that are named so.

    Args:
        content: A converted model without quantization.
        names: What the names of the layers begin with.
    """
    return [one.tensor for one in _operators(content)[0] if one.is_of(names)]


def float_answers(content: bytes, names: Collection[str]) -> list[str]:
    """Name the operators of layers that are named after an answer, and what goes with them.

    That is all behind them, and the pooling and arithmetic before them that nothing else needs: a
    distance from good examples has squares and logarithms, for which 256 levels are too few.

    Args:
        content: A converted model without quantization.
        names: Answers besides the one that the model was trained for.

    Returns:
        The names of their output tensors.
    """
    operators, _ = _operators(content)
    found: dict[int, str] = {}
    for operator in operators:
        if operator.is_of(names) or found.keys() & set(operator.inputs):
            found[operator.output] = operator.tensor
    takers: dict[int, set[int]] = {}
    for operator in reversed(operators):
        # Two maps are added in the network itself.
        plain = operator.name in _HEAD and (operator.name != "ADD" or operator.constant_bytes)
        after = takers.get(operator.output, set())
        if plain and after and after <= found.keys():
            found[operator.output] = operator.tensor
        for tensor in operator.inputs:
            takers.setdefault(tensor, set()).add(operator.output)
    return list(found.values())


def _answers(content: bytes) -> list[int]:
    from ai_edge_litert import schema_py_generated as schema

    graph = schema.Model.GetRootAs(content, 0).Subgraphs(0)
    return [graph.Outputs(i) for i in range(graph.OutputsLength())]


class _Operator(NamedTuple):
    """One operator: its kind, tensors by number, the output's name, and its constants' size.

    It `pools` if it reduces places and not channels, and `gives_map` if places remain.
    """

    name: str
    inputs: list[int]
    output: int
    tensor: str
    constant_bytes: int
    pools: bool
    gives_map: bool

    def is_of(self, names: Collection[str]) -> bool:
        """Tell whether it is one of a layer whose name begins so."""
        layers = self.tensor.replace(";", "/").split("/")
        return any(layer.startswith(tuple(names)) for layer in layers)


def _operators(content: bytes) -> tuple[list[_Operator], int]:
    """List the operators of the first graph in order, and the bytes of all constants."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content, 0)
    graph = model.Subgraphs(0)
    sizes = [model.Buffers(i).DataLength() for i in range(model.BuffersLength())]
    found = []
    for operator in (graph.Operators(i) for i in range(graph.OperatorsLength())):
        inputs = [operator.Inputs(i) for i in range(operator.InputsLength())]
        name, _ = operator_name(model.OperatorCodes(operator.OpcodeIndex()))
        output = operator.Outputs(0)
        tensor = graph.Tensors(output).Name().decode()
        held = sum(sizes[graph.Tensors(i).Buffer()] for i in inputs if i >= 0)
        pools = name in _REDUCTIONS and not _reduces_channels(model, graph, inputs)
        shape = shape_of(graph.Tensors(output))
        gives_map = len(shape) == 4 and min(shape[1:3]) > 1
        found.append(_Operator(name, inputs, output, tensor, held, pools, gives_map))
    return found, sum(sizes)


def _reduces_channels(model: Any, graph: Any, inputs: list[int]) -> bool:
    """Tell whether a reduction goes over the last axis, as that of a normalization does."""
    last = graph.Tensors(inputs[0]).ShapeLength() - 1
    axes = model.Buffers(graph.Tensors(inputs[1]).Buffer()).DataAsNumpy()
    return bool({-1, last} & set(np.asarray(axes, np.uint8).view(np.int32).tolist()))
