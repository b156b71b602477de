"""The conversion itself: a Keras 3 model to `.tflite` bytes, on the path that keeps its meaning."""

import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np

from kerasrecipes.environment import silenced
from kerasrecipes.errors import VerificationError
from kerasrecipes.export.checks import answers_of
from kerasrecipes.export.tflite.four_bits import round_weights_to_four_bits
from kerasrecipes.export.tflite.graph import (
    float_answers,
    float_beginning,
    float_head,
    float_layers,
)
from kerasrecipes.export.tflite.layers import output_tensors
from kerasrecipes.surgery.converting.converter import tflite_converter
from kerasrecipes.surgery.converting.refusals import why_refused

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from kerasrecipes.bundles.contract import Contract


def convert(
    model: "keras.Model",
    contract: "Contract",
    quantization: str,
    calibration: np.ndarray | None,
    keep_float: Collection[str] = (),
    keep_int8: Sequence[str] | None = None,
) -> bytes:
    """Convert a model to `.tflite` bytes with built-in operators only.

    Args:
        model: Maps a batch to answers.
        contract: What the file is to take and to answer, checked; see `check_model`.
        quantization: One of `tflite.QUANTIZATIONS`.
        calibration: Inputs, needed for `"int8"` unless the model has ranges of its own.
        keep_float: Names of layers that stay in float.
        keep_int8: Layers that get 8 bits in `"int4"`, see there.

    Returns:
        The bytes of a file without metadata.

    Raises:
        ValueError: If a model that was trained to be int8 is to become anything else, or
            `"int4"` has no use for one of the names.
        MissingDependencyError: If `"int4"` is asked for without the extra `quantizer`.
        VerificationError: If an operator of the model has no built-in counterpart.
    """
    import tensorflow as tf

    from kerasrecipes.quantization.bias_correction import correct_biases

    own_ranges = has_own_ranges(model)
    if own_ranges and quantization != "int8":
        raise ValueError(
            f"The model {model.name!r} was trained to compute in 8 bits, so `quantization` must be "
            f"'int8', not {quantization!r}. Export the model that it was made from."
        )
    calibrated = quantization == "int8" and not own_ranges
    photos = cast("np.ndarray", calibration)  # int8 without any was refused before
    kept = frozenset(keep_float)
    if calibrated:
        model = correct_biases(model, photos, kept)

    def run() -> bytes:
        with tflite_converter(_one_input(model, contract)) as converter:
            if quantization not in {"float32", "int4"}:
                converter.optimizations = [tf.lite.Optimize.DEFAULT]
            if quantization == "float16":
                converter.target_spec.supported_types = [tf.float16]
            if not calibrated:
                return cast("bytes", converter.convert())
            converter.representative_dataset = lambda: _batches(photos)
            others = [one.name for one in contract.outputs[1:] if not one.decides]
            return _int8(converter, kept, others)

    content = with_plain_errors(run, model)
    if quantization == "int4":
        return round_weights_to_four_bits(content, keep_int8 or (), kept)
    return content


def with_plain_errors(convert_now: Callable[[], bytes], model: "keras.Model") -> bytes:
    """Run a conversion in silence, and say in one line why it failed.

    Args:
        convert_now: Runs TensorFlow's converter.
        model: What it converts, whose layers the message names.

    Returns:
        What it returns.

    Raises:
        VerificationError: If it fails.
    """
    try:
        with silenced(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return convert_now()
    except VerificationError:
        raise
    except Exception as error:
        raise VerificationError(
            "The model cannot be converted to TFLite with built-in operators only: "
            f"{why_refused(error, model)}. Replace the layer, or use another backbone."
        ) from error


def has_own_ranges(model: "keras.Model") -> bool:
    """Say whether a model was made quantization-aware and needs no calibration."""
    from kerasrecipes.quantization.fake_quantization import is_quantization_aware

    return is_quantization_aware(model)


def _one_input(model: "keras.Model", contract: "Contract") -> "keras.Model":
    """Wrap the model so that one input goes in, as a file takes it, and answers come out by name.

    What is derived from the input inside the model becomes an input, too, where clients give it.
    """
    import keras

    from kerasrecipes.data.modality import get_modality

    takes, modality = contract.input, get_modality(contract.modality)
    if not modality.derived:
        name = modality.noun[0]
        one = keras.Input(batch_shape=(1, *takes.shape), dtype=takes.dtype, name=name)
        return keras.Model(one, answers_of(model, one, contract), name="classifier")
    cuts = [model.input, *(model.get_layer(name).output for name in modality.derived)]
    given = [
        keras.Input(batch_shape=(1, *takes.shape), dtype=takes.dtype, name=name)
        for name in (takes.name, *modality.derived)
    ]
    opened = keras.Model(cuts, model.outputs)
    answers = answers_of(opened, given, contract)
    return keras.Model(given, answers, name="classifier")


def _int8(
    converter: "tf.lite.TFLiteConverter", kept: frozenset[str], others: Collection[str]
) -> bytes:
    """Quantize to 8 bits, but leave the small ends, `kept` layers and other answers in float.

    Rounding the photo, the pooled features and the probabilities to 256 levels costs accuracy
    and saves next to nothing. Only TensorFlow's debugger can exempt single operators.
    """
    import tensorflow as tf

    from kerasrecipes.heads.pooled import LEARNED_POOLS  # what runs files need not know of heads

    debugger = tf.lite.experimental.QuantizationDebugger(converter=converter)
    content = debugger.calibrated_model
    exempt = float_beginning(content) + float_head(content) + output_tensors(content, kept)
    # Shares of many places, and powers, need more than 256 levels.
    exempt += float_answers(content, others) + float_layers(content, LEARNED_POOLS)
    debugger.options = tf.lite.experimental.QuantizationDebugOptions(denylisted_nodes=exempt)
    return debugger.get_nondebug_quantized_model()


def _batches(calibration: np.ndarray) -> Iterator[list[np.ndarray]]:
    # One more photo with a black and a white pixel: the input's range becomes exactly 0…255, so
    # pixels keep their values. Without it, pixels brighter than any seen here would be clipped.
    extremes = calibration[:1].copy()
    extremes[0, 0, 0], extremes[0, -1, -1] = 0, 255
    for photo in (*calibration[:, None], extremes):
        yield [photo]
