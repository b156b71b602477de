"""ONNX: a batch of uint8 photos goes in, float32 scores come out, labels are in its metadata."""

import hashlib
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kerasrecipes.bundles.contract import Contract
from kerasrecipes.environment import silenced
from kerasrecipes.errors import (
    DataError,
    IntegrityError,
    VerificationError,
    printable,
    require,
    unknown_name,
)
from kerasrecipes.export.checks import (
    check_answer,
    check_facts,
    check_model,
    check_threads,
)
from kerasrecipes.export.format import ExportFormat, GraphFacts
from kerasrecipes.export.scoring import PhotoScorer
from kerasrecipes.files import complete_file
from kerasrecipes.keras_private import patch_tf2onnx

if TYPE_CHECKING:
    import keras

QUANTIZATIONS = ("float32",)
# Widely supported, and the newest for which tf2onnx is tested with all our layers.
_OPSET = 17
_CONTRACT = "kerasrecipes"
_SEAL = "kerasrecipes.sha256"
_PURPOSE = "The export format 'onnx'"
_PLAIN_DOMAINS = {"", "ai.onnx", "ai.onnx.ml"}
_KERNELS = {"Conv", "ConvTranspose", "Gemm", "MatMul"}
_INT8_KERNELS = {"ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul"}


def write(
    model: "keras.Model",
    path: str | Path,
    *,
    quantization: str = "float32",
    calibration: np.ndarray | None = None,
    class_names: Sequence[str],
    description: str = "",
    policy: Mapping[str, object] | None = None,
) -> Path:
    """Convert a classifier of photos to one self-contained `.onnx` file.

    Args:
        model: Maps `(n, h, w, 3)` with values 0…255 to probabilities `(n, classes)`.
        path: Where to write; the file appears complete or not at all.
        quantization: `"float32"`.
        calibration: Training photos, of which one tries out the file; none are needed.
        class_names: The labels, in the order of the model's outputs.
        description: One line about the model, stored in the file.
        policy: How photos are decoded, as a dict, stored in the file.

    Returns:
        `path`.

    Raises:
        ValueError: If `quantization` is unknown or the model's shapes do not fit.
        DataError: If `class_names` cannot be used.
        VerificationError: If the model cannot be converted, or the converted file lost its
            weights, needs operators outside of ONNX, or answers with NaN.
        MissingDependencyError: If the extra `onnx` is not installed.
    """
    path = Path(path)
    if quantization not in QUANTIZATIONS:
        raise unknown_name(
            "quantization", quantization, QUANTIZATIONS, "kerasrecipes.list_formats()"
        )
    for module in ("onnx", "onnxruntime", "tf2onnx"):
        require(module, "onnx", _PURPOSE)
    check_model(model, class_names)
    content = _convert(model, Contract(tuple(class_names), dict(policy or {}), description))
    check_facts(_inspect(content), model, runtime="ONNX")
    check_answer(OnnxModel(content, name="the converted file"), class_names, calibration)
    path.parent.mkdir(parents=True, exist_ok=True)
    with complete_file(path) as file:
        file.write(content)
    return path


def _convert(model: "keras.Model", contract: Contract) -> bytes:
    import tensorflow as tf
    import tf2onnx

    # `training=False`: preprocessing layers such as Resizing otherwise switch the layers after
    # them to training mode. Without autograph, tf2onnx would fail on what it rewrites.
    @tf.function(autograph=False)
    def classify(photos: tf.Tensor) -> dict[str, tf.Tensor]:
        scores = model(tf.cast(photos, tf.float32), training=False)
        return {"scores": tf.cast(scores, tf.float32)}

    signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.uint8, name="photos")]
    try:
        with silenced(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            patch_tf2onnx()
            found, _ = tf2onnx.convert.from_function(classify, signature, opset=_OPSET)
    except Exception as error:  # the converter raises whatever it stumbles over
        raise VerificationError(
            f"The model cannot be converted to ONNX: {printable(error)[:300]} Replace the layer, "
            "or use another backbone."
        ) from error
    _name_batch(found)
    _add_metadata(found, _CONTRACT, contract.to_json())
    # Last, so that a file that left its bundle is still checked.
    _add_metadata(found, _SEAL, _digest(found))
    return found.SerializeToString(deterministic=True)


def _add_metadata(proto: object, key: str, value: str) -> None:
    entry = proto.metadata_props.add()
    entry.key, entry.value = key, value


def _digest(proto: object) -> str:
    return hashlib.sha256(proto.SerializeToString(deterministic=True)).hexdigest()


def _name_batch(proto: object) -> None:
    """Give the number of photos a name; tf2onnx calls it `unk__1` and the like."""
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "photos"


def load(path: str | Path, threads: int = 1) -> "OnnxModel":
    """Open an `.onnx` file in ONNX Runtime, without tensorflow.

    Args:
        path: The file. Check its digest first: a damaged file may run and answer nonsense.
        threads: Number of CPU threads, ≥ 1.

    Returns:
        A callable on uint8 photos.

    Raises:
        DataError: If the file is not a readable photo classifier.
        ValueError: If `threads` is not a positive whole number.
        MissingDependencyError: If the extra `onnx` is not installed.
    """
    return OnnxModel(_read(path), threads, name=str(path))


class OnnxModel(PhotoScorer):
    """An `.onnx` classifier in ONNX Runtime on the CPU.

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
        self.image_size = (inputs[0].shape[1], inputs[0].shape[2])
        self.class_count = outputs[0].shape[1]

    def _score(self, photos: np.ndarray) -> np.ndarray:
        return self._session.run(None, {self._input: photos})[0]


def _check_interface(inputs: Sequence, outputs: Sequence, name: str) -> None:
    found = [(value.type, tuple(value.shape)) for value in (*inputs, *outputs)]
    (taken, takes), (given, gives) = [*found, ("", ()), ("", ())][:2]
    fits = (
        len(inputs) == len(outputs) == 1
        and (taken, given) == ("tensor(uint8)", "tensor(float)")
        and (len(takes), takes[3:]) == (4, (3,))
        and len(gives) == 2
        and all(isinstance(size, int) for size in (*takes[1:], *gives[1:]))
    )
    if not fits:
        raise DataError(
            f"'{printable(name)}' is not a photo classifier as this package writes them (one "
            "uint8 input (n, h, w, 3), one float32 output (n, classes)); its inputs and outputs "
            f"are {found}. Export the model with kerasrecipes."
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
    return _inspect(_read(path), path)


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


def _is_standard(node) -> bool:
    """Tell whether ONNX defines an operator; tf2onnx leaves in what it does not know."""
    from onnx import defs

    return node.domain in _PLAIN_DOMAINS and defs.has(node.op_type, node.domain)


def _name(node) -> str:
    return f"{node.domain}.{node.op_type}" if node.domain else node.op_type


def read_contract(path: str | Path) -> Contract:
    """Read labels and decoding policy of an `.onnx` file, without running it.

    Args:
        path: An `.onnx` file that this package wrote.

    Returns:
        Labels, decoding policy, description.

    Raises:
        DataError: If the file is not an ONNX file or carries no labels.
        IntegrityError: If the file was damaged since this package wrote it.
    """
    proto = _parse(_read(path), path)
    found = {entry.key: entry.value for entry in proto.metadata_props}
    if _CONTRACT in found:
        del proto.metadata_props[-1]
        if found.get(_SEAL) != _digest(proto):
            raise IntegrityError(
                f"'{printable(path)}' was damaged since it was written: it does not match the "
                "digest inside the file. Copy it again, or export the model again."
            )
    return Contract.from_json(found.get(_CONTRACT, ""), path)


def _read(path: str | Path) -> bytes:
    if not Path(path).is_file():
        raise DataError(f"There is no file '{printable(path)}'. Check the path.")
    return Path(path).read_bytes()


def _parse(content: bytes, name: object):
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
