"""A `.tflite` file that also answers step by step, with a state that the caller holds.

Besides `classify`, which is what the plain file does, it has

    init       → the state before the first step, by name
    step       signal [1, 1, channels], state → answers, state

so nothing is kept inside the file, and any number of streams can share one interpreter.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.environment import silenced
from kerasrecipes.errors import VerificationError
from kerasrecipes.export.checks import answers_of
from kerasrecipes.export.tflite.convert import with_plain_errors
from kerasrecipes.files import TemporaryFolder
from kerasrecipes.surgery.streaming.step_model import StepModel

if TYPE_CHECKING:
    import keras

    from kerasrecipes.bundles.contract import Contract

STEP, INIT = "step", "init"
# The converter sorts signatures by name, and the first is what plain interpreters run.
_FIRST = "classify"
TOLERANCE, _TRIED = 1e-6, 40


def check_stepping(model: "keras.Model", signatures: Sequence[str], quantization: str) -> None:
    """Refuse a file that cannot answer step by step, before any work.

    Args:
        model: The model to convert.
        signatures: What was asked for.
        quantization: Of the file.

    Raises:
        ValueError: If the model looks at later steps, or something else does not fit.
    """
    if tuple(signatures) != (STEP,):
        raise ValueError(f"`signatures` of signals must be ('{STEP}',), not {signatures!r}.")
    if quantization != "float32":
        raise ValueError(
            f'`signatures` are written in float32 only, received quantization="{quantization}": '
            "errors of rounding would add up from step to step. Leave one of the two out."
        )
    StepModel(model)


def convert_stepping(model: "keras.Model", contract: "Contract") -> bytes:
    """Convert a model to `.tflite` bytes with the signatures `classify`, `init` and `step`.

    Args:
        model: A causal model over time; see `check_stepping`.
        contract: What the file is to take and to answer, checked; see `check_model`.

    Returns:
        The bytes of a file without metadata.

    Raises:
        VerificationError: If an operator of the model has no built-in counterpart, or step by step
            is not the same as the whole.
    """
    import keras
    import tensorflow as tf

    from kerasrecipes.data.modality import get_modality

    stepping, noun = StepModel(model), get_modality(contract.modality).noun[0]
    channels = contract.input.shape[-1]
    names = list(stepping.shapes)
    whole = tf.TensorSpec((1, None, channels), tf.float32, name=noun)
    one = tf.TensorSpec((1, 1, channels), tf.float32, name=noun)
    state = {name: tf.TensorSpec(stepping.shapes[name], tf.float32, name=name) for name in names}

    def classify(signal: Any) -> dict[str, Any]:
        return answers_of(model, signal, contract)

    def init() -> dict[str, Any]:
        return {name: tf.identity(zeros) for name, zeros in stepping.initial().items()}

    def step(signal: Any, *held: Any) -> dict[str, Any]:
        answers, after = stepping.step(signal, dict(zip(names, held, strict=True)))
        outputs = [output.name for output in contract.outputs]
        return {**dict(zip(outputs, answers, strict=True)), **after}

    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(_FIRST, classify, [whole])
    archive.add_endpoint(INIT, init, [])
    archive.add_endpoint(STEP, step, [one, *state.values()])
    with TemporaryFolder() as folder:
        with silenced():
            archive.write_out(str(folder), verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(
            str(folder), signature_keys=[_FIRST, INIT, STEP]
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        content = with_plain_errors(converter.convert, model)
    _check_same(content, model, contract)
    return content


def _check_same(content: bytes, model: "keras.Model", contract: "Contract") -> None:
    """Ask the file step by step, and the model about the whole."""
    from kerasrecipes.export.tflite.runtime import Steps

    rng = np.random.default_rng(0)
    channels = contract.input.shape[-1] or 1
    values = rng.normal(0, 1, (1, _TRIED, channels)).astype(np.float32)
    stream = Steps(content)
    for at in range(_TRIED):
        found = stream.feed(values[0, at])
        if at not in {0, _TRIED // 2, _TRIED - 1}:
            continue
        wanted = answers_of(model, values[:, : at + 1], contract)
        gap = max(float(np.abs(found[name] - np.asarray(wanted[name])).max()) for name in wanted)
        if not gap <= TOLERANCE:
            raise VerificationError(
                f"Step by step, the file answers otherwise than the model does of the whole: by "
                f"{gap:.2g} after {at + 1} steps, and at most {TOLERANCE:g} is rounding. Leave "
                "`signatures` out."
            )
