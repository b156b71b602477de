"""ONNX: a batch of uint8 photos goes in, float32 scores come out, labels are in its metadata."""

import hashlib
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.environment import silenced
from kerasrecipes.errors import (
    DataError,
    IntegrityError,
    VerificationError,
    printable,
    require,
)
from kerasrecipes.export.checks import (
    answers_of,
    check_answer,
    check_facts,
    check_model,
    check_quantization,
    check_threads,
    read_file,
)
from kerasrecipes.export.format import ExportFormat, GraphFacts
from kerasrecipes.export.loaded import FileModel
from kerasrecipes.files import complete_file
from kerasrecipes.keras_private import patch_tf2onnx

if TYPE_CHECKING:
    import keras

    from kerasrecipes.bundles.contract import Contract

QUANTIZATIONS = ("float32",)
# Widely supported, and the newest for which tf2onnx is tested with all our layers.
_OPSET = 17
_CONTRACT = "kerasrecipes"
_SEAL = "kerasrecipes.sha256"
_PURPOSE = "The export format 'onnx'"
_PLAIN_DOMAINS = {"", "ai.onnx", "ai.onnx.ml"}
_KERNELS = {"Conv", "ConvTranspose", "Gemm", "MatMul"}
# Types of inputs, as numpy calls them.
_DTYPES = {"tensor(uint8)": "uint8", "tensor(int32)": "int32", "tensor(float)": "float32"}
_INT8_KERNELS = {"ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul"}


def write(
    model: "keras.Model",
    path: str | Path,
    *,
    contract: "Contract",
    quantization: str = "float32",
    calibration: np.ndarray | None = None,
) -> Path:
    """Convert a model to one self-contained `.onnx` file.

    Args:
        model: Maps a batch, e.g. `(n, h, w, 3)` with values 0…255, to answers `(n, width)`.
        path: Where to write; the file appears complete or not at all.
        contract: What the file takes and answers, which is stored in it.
        quantization: `"float32"`.
        calibration: Training photos, of which one tries out the file; none are needed.

    Returns:
        `path`.

    Raises:
        ValueError: If `quantization` is unknown or the model's shapes do not fit.
        DataError: If the names of the classes cannot be used.
        VerificationError: If the model cannot be converted, or the converted file lost its
            weights, needs operators outside of ONNX, or answers with NaN.
        MissingDependencyError: If the extra `onnx` is not installed.
    """
    path = Path(path)
    check_quantization(quantization, QUANTIZATIONS)
    for module in ("onnx", "onnxruntime", "tf2onnx"):
        require(module, "onnx", _PURPOSE)
    contract = check_model(model, contract)
    content = _convert(model, contract)
    check_facts(_inspect(content), model, runtime="ONNX")
    check_answer(OnnxModel(content, name="the converted file"), contract, calibration)
    path.parent.mkdir(parents=True, exist_ok=True)
    with complete_file(path) as file:
        file.write(content)
    return path


def _convert(model: "keras.Model", contract: "Contract") -> bytes:
    import tensorflow as tf
    import tf2onnx

    from kerasrecipes.data.modality import get_modality

    # Without autograph, tf2onnx would fail on what it rewrites.
    answer = tf.function(lambda inputs: answers_of(model, inputs, contract), autograph=False)
    takes, name = contract.input, get_modality(contract.modality).noun[1]
    signature = [tf.TensorSpec((None, *takes.shape), takes.dtype, name=name)]
    try:
        with silenced(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            patch_tf2onnx()
            found, _ = tf2onnx.convert.from_function(
                answer, signature, opset=_OPSET, custom_op_handlers={"Erfc": (_erfc, [])}
            )
    except Exception as error:  # the converter raises whatever it stumbles over
        raise VerificationError(
            f"The model cannot be converted to ONNX: {printable(error)[:300]} Replace the layer, "
            "or use another backbone."
        ) from error
    _name_batch(found, name)
    _add_metadata(found, _CONTRACT, contract.to_json())
    # Last, so that a file that left its bundle is still checked.
    _add_metadata(found, _SEAL, _digest(found))
    return found.SerializeToString(deterministic=True)


def _erfc(context: Any, node: Any, name: str, arguments: Any) -> None:
    """Write erfc(x), of which exact GELU is made, as 1 - erf(x): ONNX has no operator for it."""
    told = {"shapes": node.output_shapes, "dtypes": node.output_dtypes}
    inputs, outputs = list(node.input), list(node.output)
    context.remove_node(node.name)
    one = context.make_const(f"{name}_one", np.ones((), np.float32))
    erf = context.make_node("Erf", inputs)
    context.make_node("Sub", [one.output[0], erf.output[0]], outputs=outputs, name=name, **told)


def _add_metadata(proto: Any, key: str, value: str) -> None:
    entry = proto.metadata_props.add()
    entry.key, entry.value = key, value


def _digest(proto: Any) -> str:
    return hashlib.sha256(proto.SerializeToString(deterministic=True)).hexdigest()


def _name_batch(proto: Any, name: str) -> None:
    """Give the number of examples a name; tf2onnx calls it `unk__1` and the like."""
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = name


def load(path: str | Path, threads: int = 1) -> "OnnxModel":
    """Open an `.onnx` file in ONNX Runtime, without tensorflow.

    Args:
        path: The file. Check its digest first: a damaged file may run and answer nonsense.
        threads: Number of CPU threads, ≥ 1.

    Returns:
        A callable on inputs, see `LoadedModel`.

    Raises:
        DataError: If the file is not a readable model.
        ValueError: If `threads` is not a positive whole number.
        MissingDependencyError: If the extra `onnx` is not installed.
    """
    return OnnxModel(read_file(path), threads, name=str(path))


class OnnxModel(FileModel):
    """An `.onnx` file in ONNX Runtime on the CPU.

    Args:
        content: The bytes of the file.
        threads: Number of CPU threads, ≥ 1.
        name: What to call the file in messages.
    """

    def __init__(self, content: bytes, threads: int = 1, name: str = "model.onnx"):
        check_threads(threads)
        runtime = require("onnxruntime", "onnx", _PURPOSE)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 4
        try:
            with silenced():
                self._session = runtime.InferenceSession(
                    content, options, providers=["CPUExecutionProvider"]
                )
        except Exception as error:  # the runtime's own exceptions have no common public base
            reason = printable((str(error).splitlines() or [""])[0])
            raise DataError(
                f"ONNX Runtime cannot open '{printable(name)}': {reason} Export the model again."
            ) from error
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        _check_interface(inputs, outputs, name)
        self._input = inputs[0].name
        # A free side has a name in place of a number.
        sides = (side if isinstance(side, int) else None for side in inputs[0].shape[1:])
        self.shape, self.dtype = tuple(sides), _DTYPES[inputs[0].type]
        self.outputs = {value.name: value.shape[1] for value in outputs}

    def _answer(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        names = list(self.outputs)
        return dict(zip(names, self._session.run(names, {self._input: inputs}), strict=True))


def _check_interface(inputs: Sequence, outputs: Sequence, name: str) -> None:
    found = [(value.type, tuple(value.shape)) for value in (*inputs, *outputs)]
    taken, given = found[: len(inputs)], found[len(inputs) :]
    fits = (
        len(taken) == 1
        and taken[0][0] in _DTYPES
        and len(taken[0][1]) > 1
        and (len(taken[0][1]) == 2 or all(isinstance(size, int) for size in taken[0][1][1:]))
        and all(kind == "tensor(float)" and len(shape) == 2 for kind, shape in given)
        and all(isinstance(size, int) for _, shape in given for size in shape[1:])
    )
    if not fits:
        raise DataError(
            f"'{printable(name)}' is not a model as this package writes them (one input (n, …), "
            f"float32 outputs (n, width)); its inputs and outputs are {found}. Export the model "
            "with kerasrecipes."
        )


def inspect_file(path: str | Path) -> GraphFacts:
    """List what an `.onnx` file is made of, without running it.

    Args:
        path: An `.onnx` file.

    Returns:
        The operators, constants and 8-bit coverage.

    Raises:
        DataError: If the file is not an ONNX file.
    """
    return _inspect(read_file(path), path)


def _inspect(content: bytes, name: object = "the converted file") -> GraphFacts:
    proto = _parse(content, name)
    ops = Counter(node.op_type for node in proto.graph.node)
    int8_kernels = sum(ops[name] for name in _INT8_KERNELS)
    return GraphFacts(
        ops=dict(ops.most_common()),
        custom_ops=tuple(_name(node) for node in proto.graph.node if not _is_standard(node)),
        constant_bytes=sum(tensor.ByteSize() for tensor in proto.graph.initializer),
        kernels=sum(ops[name] for name in _KERNELS) + int8_kernels,
        int8_kernels=int8_kernels,
    )


def _is_standard(node: Any) -> bool:
    """Tell whether ONNX defines an operator; tf2onnx leaves in what it does not know."""
    from onnx import defs

    return node.domain in _PLAIN_DOMAINS and defs.has(node.op_type, node.domain)


def _name(node: Any) -> str:
    return f"{node.domain}.{node.op_type}" if node.domain else node.op_type


def read_contract(path: str | Path) -> "Contract":
    """Read what an `.onnx` file takes and answers, without running it.

    Args:
        path: An `.onnx` file that this package wrote.

    Raises:
        DataError: If the file is not an ONNX file or carries no labels.
        IntegrityError: If the file was damaged since this package wrote it.
    """
    from kerasrecipes.bundles.contract import Contract

    proto = _parse(read_file(path), path)
    found = {entry.key: entry.value for entry in proto.metadata_props}
    if _CONTRACT in found:
        del proto.metadata_props[-1]
        if found.get(_SEAL) != _digest(proto):
            raise IntegrityError(
                f"'{printable(path)}' was damaged since it was written: it does not match the "
                "digest inside the file. Copy it again, or export the model again."
            )
    return Contract.from_json(found.get(_CONTRACT, ""), path)


def _parse(content: bytes, name: object) -> Any:
    onnx = require("onnx", "onnx", _PURPOSE)
    try:
        return onnx.load_model_from_string(content)
    except Exception as error:  # protobuf's exceptions differ between its implementations
        raise DataError(
            f"'{printable(name)}' is not an ONNX file ({len(content)} bytes): "
            f"{printable(error)[:200]}. Export the model again."
        ) from error


FORMATS = (
    ExportFormat(
        name="onnx",
        suffix=".onnx",
        quantizations=QUANTIZATIONS,
        summary="ONNX for ONNX Runtime on servers, PCs and gateways; labels inside (extra: onnx)",
        write=write,
        load=load,
        inspect=inspect_file,
        read_contract=read_contract,
        runtime="onnxruntime",
    ),
)
