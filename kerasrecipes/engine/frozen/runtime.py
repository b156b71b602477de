"""Running the frozen part of a model fast, with the same numbers."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np

from kerasrecipes.console import say
from kerasrecipes.data.inference import batch_runner
from kerasrecipes.environment import silenced
from kerasrecipes.errors import first_line
from kerasrecipes.surgery.converting.converter import tflite_converter

if TYPE_CHECKING:
    import keras

# Converting takes some seconds, which fewer photos would not pay back.
WORTH_CONVERTING = 1000
TOLERANCE = 1e-3

# Models of which was said why they run in Keras.
_TOLD: "WeakSet[keras.Model]" = WeakSet()

Engine = Callable[[np.ndarray], list[np.ndarray]]


def frozen_engine(frozen: "keras.Model", photos: int) -> Engine:
    """Return a fast way to run a frozen model.

    LiteRT is the fastest on a laptop's CPU, see tests/benchmarks/RESULTS.md. It is used there when
    the model converts to built-in operations and its answer to noise is Keras's own. By this rule,
    and not by timing both: they differ in the last digits, and a fit is to repeat bit for bit.

    Args:
        frozen: A Keras model, photos to a list of outputs.
        photos: How many photos it will see.

    Returns:
        A function from float32 photos `(n, height, width, 3)` to one array per output.
    """

    import keras
    import tensorflow as tf

    by_keras = batch_runner(frozen)
    # With JAX there is no TensorFlow graph to convert.
    converts = keras.backend.backend() == "tensorflow"
    # One by one, as LiteRT takes them, examples of free length are no faster than in batches.
    free = None in frozen.input.shape[1:]
    if photos < WORTH_CONVERTING or free or not converts or tf.config.list_physical_devices("GPU"):
        return by_keras
    try:
        with silenced():
            by_litert = _litert_engine(frozen, os.cpu_count() or 1)
            noise = np.random.default_rng(0).uniform(0, 255, (1, *frozen.input.shape[1:]))
            noise = noise.astype(np.float32)
            expected, found = by_keras(noise), by_litert(noise)
    except Exception as error:  # The converter raises whatever it likes; Keras always works.
        _tell(frozen, f"{type(error).__name__}: {first_line(error)}")
        return by_keras
    order: list[Any] = [_match(output, found) for output in expected]
    if None in order:
        _tell(frozen, "its answer to noise is another one")
        return by_keras

    def reordered(batch: np.ndarray) -> list[np.ndarray]:
        outputs = by_litert(batch)
        return [outputs[i] for i in order]

    return reordered


def _tell(frozen: "keras.Model", reason: str) -> None:
    """Say once for a model that it is run by another engine than it would be."""
    if frozen not in _TOLD:
        _TOLD.add(frozen)
        say(f"  The frozen blocks run in Keras, since LiteRT cannot take their place: {reason}.")


def _litert_engine(frozen: "keras.Model", threads: int) -> Engine:
    from ai_edge_litert.interpreter import Interpreter

    with tflite_converter(frozen) as converter:
        content = converter.convert()
    interpreter = Interpreter(model_content=content, num_threads=threads)
    interpreter.allocate_tensors()
    (given,) = interpreter.get_input_details()
    returned = interpreter.get_output_details()

    def run(batch: np.ndarray) -> list[np.ndarray]:
        rows = []
        # One by one: a larger batch is no faster here, and the last one would differ in size.
        for photo in batch:
            interpreter.set_tensor(given["index"], photo[None])
            interpreter.invoke()
            rows.append([interpreter.get_tensor(output["index"])[0] for output in returned])
        return [np.stack(output) for output in zip(*rows, strict=True)]

    return run


def _match(output: np.ndarray, candidates: list[np.ndarray]) -> int | None:
    """Find the same output in the order of another runtime, judged by shape and values."""
    for i, candidate in enumerate(candidates):
        if candidate.shape == output.shape:
            scale = max(1.0, float(np.abs(output).max()))
            if float(np.abs(candidate - output).max()) <= TOLERANCE * scale:
                return i
    return None
