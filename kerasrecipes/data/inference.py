"""Running a Keras model over examples, a few in memory at a time."""

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.console import bar
from kerasrecipes.data.examples import Examples, Reader
from kerasrecipes.data.shapes import count_within, stand_in
from kerasrecipes.errors import TrainingError, out_of_memory

if TYPE_CHECKING:
    import keras

BATCH = 32
# Numbers of a batch: of large photos there are fewer in one.
_MOST_NUMBERS = 1 << 26


def batch_for(model: "keras.Model") -> int:
    """Return how many examples a model is asked about at a time."""
    return min(BATCH, count_within(_MOST_NUMBERS, model.input.shape))


def predict_scores(model: "keras.Model", examples: Examples) -> np.ndarray:
    """Return what a model says about examples, a few in memory at a time.

    Args:
        model: A Keras model from what `examples` are read as, to one row each; of several
            outputs, the first is meant.
        examples: What to run it on; labels are not looked at.

    Returns:
        float32, shape `(n, outputs)`.

    Raises:
        DataError: If an example cannot be read, or changed since it was scanned.
        TrainingError: If the memory does not suffice for a single one.
    """
    return answers_by_output(model, examples)[0]


def answers_by_output(model: "keras.Model", examples: Examples) -> list[np.ndarray]:
    """Return all that a model says about examples, one array for each of its outputs.

    Args:
        model: A Keras model from what `examples` are read as.
        examples: What to run it on; labels are not looked at.

    Raises:
        DataError: If an example cannot be read, or changed since it was scanned.
        TrainingError: If the memory does not suffice for a single one.
    """
    return run_over(examples.reader(model), model, batch_runner(model))


def run_over(
    reader: Reader,
    model: "keras.Model",
    run: Callable[[np.ndarray], list[np.ndarray]],
    doing: str = "computing answers",
) -> list[np.ndarray]:
    """Do the same by another way to run the model.

    Args:
        reader: Reads the examples.
        model: The model, for the shapes of its outputs.
        run: From a batch to a list with an array for each output.
        doing: What the progress bar says.
    """
    count = len(reader.examples)
    found = [np.zeros((count, *output.shape[1:]), np.float32) for output in model.outputs]
    with bar(doing) as show:
        done = 0
        for index, batch in reader.each_once(batch_for(model)):
            for rows, answer in zip(found, run(batch.numpy()), strict=True):
                rows[index] = answer
            show(done := done + len(batch), count)
    return found


def time_single(
    model: "keras.Model", run: Callable[[np.ndarray], Any] | None = None, runs: int = 30
) -> list[float]:
    """Time single examples through Keras; what counts on a device is the exported file's.

    Args:
        model: A Keras model.
        run: What runs it; `None` for what `batch_runner` returns.
        runs: How often it is asked.

    Returns:
        Milliseconds of each run.
    """
    example = stand_in(model.input.shape[1:], model.input.dtype)[None]
    run, times = run or batch_runner(model), []
    for _ in range(runs + 3):
        started = time.perf_counter()
        run(example)
        times.append((time.perf_counter() - started) * 1e3)
    return times[3:]


def batch_runner(model: "keras.Model") -> Callable[[np.ndarray], list[np.ndarray]]:
    """Return what runs a model, in smaller batches from when the memory has run out.

    Args:
        model: A Keras model.

    Returns:
        A function from photos to a list with an array for each output; it raises a
        `TrainingError` if the memory does not suffice for a single photo.
    """
    import keras

    ask, largest = _compiled(model), None

    def run(photos: np.ndarray) -> list[np.ndarray]:
        nonlocal largest
        size = min(largest or len(photos), len(photos))
        try:
            # A model with a list of one output answers without the list.
            parts = [
                [np.asarray(output) for output in keras.tree.flatten(ask(part))]
                for part in np.split(photos, range(size, len(photos), size))
            ]
        except Exception as error:
            if not out_of_memory(error):
                raise
            if size == 1:
                raise TrainingError(
                    "The memory is too small to run the model on a single photo. Lower "
                    "`image_size`, or free what other programs take."
                ) from error
        else:
            return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]
        largest = size // 2
        return run(photos)

    return run


def _compiled(model: "keras.Model") -> Callable[[np.ndarray], Any]:
    """Return what asks a model, traced once for batches of any size where Keras would do it anew.

    Each trace of a backbone takes a second; Keras traces for the first size, for the second one,
    and again for whatever is made of a model.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        return model.predict_on_batch
    import tensorflow as tf

    if len(model.inputs) != 1 or model.distribute_strategy.num_replicas_in_sync > 1:
        return model.predict_on_batch
    given = tf.TensorSpec(model.input.shape, model.input.dtype)
    # Of functions with one code, tensorflow counts the traces together, and would warn of models
    # that are traced once each.
    ask = tf.function(partial(_answers, model), input_signature=[given])
    return lambda batch: ask(tf.convert_to_tensor(batch, given.dtype))


def _answers(model: "keras.Model", batch: Any) -> Any:
    return model(batch, training=False)
