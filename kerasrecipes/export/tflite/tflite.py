"""TFLite (LiteRT): a uint8 photo goes in, float32 scores come out, everything else is inside."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from kerasrecipes.errors import DataError, VerificationError, listed
from kerasrecipes.export.checks import (
    check_answer,
    check_backend,
    check_facts,
    check_model,
    check_quantization,
    read_file,
)
from kerasrecipes.export.format import ExportFormat, GraphFacts
from kerasrecipes.export.tflite.graph import check_header, inspect_content, inspect_file
from kerasrecipes.export.tflite.layers import read_layers
from kerasrecipes.export.tflite.metadata import add_metadata, read_contract
from kerasrecipes.export.tflite.profile import profile_file
from kerasrecipes.export.tflite.runtime import TFLiteModel
from kerasrecipes.files import complete_file

if TYPE_CHECKING:
    import keras

    from kerasrecipes.bundles.contract import Contract
    from kerasrecipes.data.specs import ModelInput

# Bytes that one weight takes at least; a file far below it has lost its weights.
_BYTES_PER_WEIGHT = {"float32": 4, "float16": 2, "dynamic": 1, "int8": 1, "int4": 0.5}
QUANTIZATIONS = tuple(_BYTES_PER_WEIGHT)
# How most weights are stored where that is not the quantization's name.
_STORED = {"dynamic": "int8"}
# Variables and resources live outside the graph; files with them were not frozen.
_RESOURCE_OPS = ("VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "HASHTABLE")


def write(
    model: "keras.Model",
    path: str | Path,
    *,
    contract: "Contract",
    quantization: str = "float32",
    calibration: np.ndarray | None = None,
    signatures: Sequence[str] = (),
    keep_float: float | Sequence[str] | None = None,
    keep_int8: Sequence[str] | None = None,
) -> Path:
    """Convert a model to one self-contained `.tflite` file.

    Args:
        model: Maps a batch, e.g. `(n, h, w, 3)` with values 0…255, to answers `(n, width)`.
        path: Where to write; the file appears complete or not at all.
        contract: What the file takes and answers, which is stored in it.
        quantization: `"float32"`, `"float16"` (half the size), `"dynamic"` (8-bit weights),
            `"int8"` (8-bit weights and arithmetic) or `"int4"` (4-bit weights of most layers).
        calibration: Training photos, uint8 `(n, h, w, 3)`; needed by `"int8"` to learn the
            range of every activation, unless the model was made quantization-aware.
        signatures: What the file can do besides, see `kerasrecipes.export.tflite.signatures`:
            `"embed"` gives a photo's features, and `"train"` teaches the last layer on the
            device. Of signals, `"step"` answers step by step, see
            `kerasrecipes.export.tflite.stepping`. Only in float32.
        keep_float: Layers that `"int8"` leaves in float besides the small ends: their names, or
            the largest share of the weights and of the arithmetic that may stay so; the most
            sensitive layers are chosen then, see `kerasrecipes.measure_sensitivity`. `"int4"`
            takes names.
        keep_int8: Names of layers whose weights `"int4"` stores in 8 bits.

    Returns:
        `path`.

    Raises:
        ValueError: If `quantization`, a signature or a layer is unknown, the model does not fit,
            or `keep_float` or `keep_int8` has no effect.
        DataError: If `calibration` or the names of the classes cannot be used.
        MissingDependencyError: If `"int4"` is asked for without the extra `quantizer`.
        VerificationError: If the converted file lost its weights, needs operators that a plain
            runtime lacks, is not int8 although asked to be, or answers with NaN.
    """
    path = Path(path)
    check_backend("A .tflite file")
    contract = check_model(model, contract)
    _check_quantization(model, contract, quantization, calibration, keep_float, keep_int8)
    kept: frozenset[str] = frozenset()
    if signatures:
        content = _with_signatures(model, contract, quantization, signatures)
    else:
        from kerasrecipes.export.tflite.convert import convert

        kept = _kept(model, quantization, calibration, keep_float)
        content = convert(model, contract, quantization, calibration, kept, keep_int8)
    content = finish(
        content,
        model,
        contract=contract,
        quantization=quantization,
        calibration=calibration,
        may_learn="train" in signatures,
        kept=len(kept),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with complete_file(path) as file:
        file.write(content)
    return path


def finish(
    content: bytes,
    model: "keras.Model",
    *,
    contract: "Contract",
    quantization: str,
    calibration: np.ndarray | None = None,
    may_learn: bool = False,
    kept: int = 0,
) -> bytes:
    """Check what a converter wrote and let it say what it is.

    Args:
        content: A converted model: one input, float answers.
        model: The model that it came from, for the number of weights.
        contract: As in `write`, with the shape of the input.
        quantization: What it was converted as.
        calibration: A photo to try it on; `None` for a ramp of greys.
        may_learn: Whether it may keep state, as a head that is trained on the device does.
        kept: How many of its layers were asked to stay in float.

    Returns:
        The bytes of the finished file.

    Raises:
        VerificationError: As in `write`.
    """
    facts = _check_content(content, model, quantization, may_learn=may_learn)
    int8, others = facts.int8_kernels, facts.kernels - facts.int8_kernels - kept
    if quantization == "int8" and (not int8 or int8 + kept < others):
        raise VerificationError(
            f"Only {int8} of {int8 + others} convolutions and dense layers became int8"
            f"{f', besides {kept} of `keep_float`' if kept else ''}. Use "
            'quantization="float32", or a backbone made of plain convolutions.'
        )
    content = add_metadata(content, contract)
    check_answer(TFLiteModel(content, name="the converted file"), contract, calibration)
    return content


def load(path: str | Path, threads: int = 1) -> TFLiteModel:
    """Open a `.tflite` file in LiteRT, without tensorflow.

    Args:
        path: The file. Check its digest first: a damaged file may run and answer nonsense.
        threads: Number of CPU threads, ≥ 1.

    Returns:
        A callable on inputs, see `LoadedModel`.

    Raises:
        DataError: If the file is not a readable model.
        ValueError: If `threads` is not a positive whole number.
    """
    return TFLiteModel(read_file(path), threads, name=str(path))


def _check_quantization(
    model: "keras.Model",
    contract: "Contract",
    quantization: str,
    calibration: np.ndarray | None,
    keep_float: float | Sequence[str] | None,
    keep_int8: Sequence[str] | None,
) -> None:
    """Judge what is asked for, and what only some quantizations have a use for."""
    from kerasrecipes.export.tflite.convert import has_own_ranges
    from kerasrecipes.quantization.sensitivity import check_keep_float

    check_quantization(quantization, QUANTIZATIONS)
    own_ranges = has_own_ranges(model)
    if not own_ranges:
        _check_calibration(calibration, contract.input, quantization)
    for argument, value, usable in (
        ("keep_float", keep_float, ("int8", "int4")),
        ("keep_int8", keep_int8, ("int4",)),
    ):
        if value is None:
            continue
        if own_ranges or quantization not in usable:
            why = "a model that was trained with rounding" if own_ranges else repr(quantization)
            raise ValueError(
                f"`{argument}` has no effect on {why}. Leave it out, or pass "
                f"quantization={usable[0]!r} and a model without ranges of its own."
            )
        check_keep_float(value, argument, share=quantization == "int8")


def _with_signatures(
    model: "keras.Model", contract: "Contract", quantization: str, signatures: Sequence[str]
) -> bytes:
    """Convert a model to a file that can do more than answer."""
    from kerasrecipes.export.tflite.signatures import check_signatures, convert_signatures
    from kerasrecipes.export.tflite.stepping import STEP, check_stepping, convert_stepping

    if STEP in signatures:
        check_stepping(model, signatures, quantization)
        return convert_stepping(model, contract)
    check_signatures(model, signatures, quantization)
    return convert_signatures(model, contract, signatures)


def _kept(
    model: "keras.Model",
    quantization: str,
    calibration: np.ndarray | None,
    keep_float: float | Sequence[str] | None,
) -> frozenset[str]:
    """Name the layers that shall stay in float, which a share leaves open."""
    from kerasrecipes.quantization.sensitivity import layers_to_keep

    if keep_float is None:
        return frozenset()
    if quantization == "int8" and calibration is not None:
        return layers_to_keep(model, calibration, keep_float)[0]
    return frozenset(cast("Sequence[str]", keep_float))  # a share is for int8 alone


def _check_calibration(
    calibration: np.ndarray | None, takes: "ModelInput", quantization: str
) -> None:
    if quantization != "int8":
        return
    shape = f"({', '.join(map(str, ('n', *takes.shape)))})"
    if calibration is None or len(calibration) == 0:
        raise DataError(
            'quantization="int8" needs photos to learn the range of every activation, and '
            f"received none. Pass `calibration`, {takes.dtype} training photos of shape "
            f"{shape}, about 100 that cover all classes; a bundle brings its own."
        )
    if calibration.dtype != takes.dtype or calibration.shape[1:] != takes.shape:
        raise DataError(
            f"`calibration` must be {takes.dtype} of shape {shape}, "
            f"received {calibration.dtype} of shape {calibration.shape}. Decode the photos at the "
            "model's image size, without scaling."
        )


def _check_content(
    content: bytes, model: "keras.Model", quantization: str, may_learn: bool
) -> GraphFacts:
    """Refuse files that convert without an error and still are not the model."""
    facts = inspect_content(content)
    resources = [op for op in facts.ops if op.startswith(_RESOURCE_OPS)]
    if resources and not may_learn:
        raise VerificationError(
            f"The converted file keeps state outside the graph ({listed(resources)}): its weights "
            "were not frozen into it. Remove layers that keep state at prediction time."
        )
    check_facts(facts, model, runtime="LiteRT", bytes_per_weight=_BYTES_PER_WEIGHT[quantization])
    return facts


def check_content(content: bytes, model: "keras.Model", quantization: str) -> None:
    """Check bytes that were written before, as `write` checks its own, and their precision.

    Args:
        content: The bytes of a file.
        model: The model that it is to be.
        quantization: What it is to be called.

    Raises:
        DataError: If it is no `.tflite` file.
        VerificationError: If it is no complete model, or its weights have another precision.
    """
    check_header(content, "content")
    _check_content(content, model, quantization, may_learn=False)
    layers = read_layers(content)
    stored = {layer.weights for layer in layers}
    wanted = _STORED.get(quantization, quantization)
    rounds = any(layer.inputs == "int8" for layer in layers)
    if wanted not in stored or rounds != (quantization == "int8"):
        raise VerificationError(
            f"`content` was not quantized as {quantization!r}: its weights are stored as "
            f"{listed(sorted(stored))}, and it computes in {'int8' if rounds else 'float'}. Name "
            "the quantization that it has."
        )


FORMATS = (
    ExportFormat(
        name="tflite",
        suffix=".tflite",
        quantizations=QUANTIZATIONS,
        summary="TFLite/LiteRT for phones and edge boxes; labels and normalisation inside",
        write=write,
        load=load,
        inspect=inspect_file,
        read_contract=read_contract,
        options=("signatures", "keep_float", "keep_int8"),
        runtime="ai_edge_litert.interpreter",
        check_content=check_content,
        profile=profile_file,
    ),
)
