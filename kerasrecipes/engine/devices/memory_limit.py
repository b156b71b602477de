"""Going on in smaller parts when a device has no memory left, to the same result.

There is no `batch_size="auto"`: the size of a batch changes what is learned, so that free
memory must not choose it. It decides in how many parts a batch is computed, and nothing else.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from kerasrecipes.console import say
from kerasrecipes.engine.schedule import Stage
from kerasrecipes.engine.stage_state import put_state, take_state
from kerasrecipes.errors import TrainingError, out_of_memory

if TYPE_CHECKING:
    from kerasrecipes.engine.stage import StageRunner

Fitted = TypeVar("Fitted")


def within_memory(runner: "StageRunner", stage: Stage, fit: Callable[[], Fitted]) -> Fitted:
    """Fit a stage; begin it again, in twice as many parts, each time the memory runs out.

    Args:
        runner: A `StageRunner`; its `parts` say how many there are, also for later stages.
        stage: The stage.
        fit: Fits it as `runner` stands.

    Returns:
        What `fit` returned.

    Raises:
        TrainingError: If a batch cannot be cut any further.
    """
    start = take_state(runner)
    while True:
        try:
            return fit()
        except Exception as error:
            if not out_of_memory(error):
                raise
            _check_can_split(runner, stage, error)
        say(
            f"  Out of memory. Stage '{stage.name}' begins again, with each batch of "
            f"{runner.settings.batch_size} in {2 * runner.parts} parts, to the same gradient."
        )
        if runner.settings.batch_norm == "train":
            say("  BatchNormalization measures each part on its own: not quite the same.")
        put_state(runner, {**start, "parts": 2 * runner.parts})
        runner.summaries[f"{stage.name}: memory"] = {"parts": runner.parts}
        if runner.record is not None:
            runner.record.begin_again(runner)
        gc.collect()


@contextmanager
def search_within_memory(stage: Stage) -> Iterator[None]:
    """Say what to do where the memory runs out while learning rates are searched.

    Args:
        stage: The stage they are for.

    Raises:
        TrainingError: Instead of what tensorflow or JAX raised.
    """
    try:
        yield
    except Exception as error:
        if not out_of_memory(error):
            raise
        raise TrainingError(
            f"The memory is too small to search the learning rate of stage '{stage.name}', which "
            "takes whole batches. Give the stage a `learning_rate`, and its batches are cut if "
            "need be; or lower `batch_size` or `image_size`."
        ) from error


def _check_can_split(runner: "StageRunner", stage: Stage, error: Exception) -> None:
    import keras

    size, backend = runner.settings.batch_size, keras.backend.backend()
    reason = ""
    if 2 * runner.parts * runner.devices.count > size:
        reason = "it cannot be cut any further"
    elif backend != "tensorflow":
        reason = f"it is cut under TensorFlow only, not under {backend}"
    elif runner.devices.worker is not None:
        reason = "the other workers would not begin again with this one"
    elif getattr(runner.lesson.loss, "compares_photos", False):
        reason = "it cannot be cut, since the loss compares all its photos"
    if reason:
        raise TrainingError(
            f"The memory is too small for a batch of {size} photos in stage '{stage.name}', and "
            f"{reason}. Lower `batch_size` or `image_size`."
        ) from error
