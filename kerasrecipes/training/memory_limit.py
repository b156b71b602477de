"""Going on in smaller parts when a device has no memory left, to the same result.

There is no `batch_size="auto"`: the size of a batch changes what is learned, so that free
memory must not choose it. It decides in how many parts a batch is computed, and nothing else.
"""

import gc
from collections.abc import Callable
from typing import TypeVar

from kerasrecipes.errors import TrainingError
from kerasrecipes.training.schedule import Stage
from kerasrecipes.training.stage_state import put_state, take_state

Fitted = TypeVar("Fitted")


def within_memory(runner, stage: Stage, fit: Callable[[], Fitted]) -> Fitted:
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
        runner.say(
            f"  Out of memory. Stage '{stage.name}' begins again, with each batch of "
            f"{runner.settings.batch_size} in {2 * runner.parts} parts, to the same gradient."
        )
        if runner.settings.batch_norm == "train":
            runner.say("  BatchNormalization measures each part on its own: not quite the same.")
        put_state(runner, {**start, "parts": 2 * runner.parts})
        runner.summaries[f"{stage.name}: memory"] = {"parts": runner.parts}
        if runner.record is not None:
            runner.record.begin_again(runner)
        gc.collect()


def out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that a device has no memory left.

    Args:
        error: What tensorflow or JAX raised.
    """
    text = f"{type(error).__name__} {error}"
    # Tensorflow calls a full disk by the same name.
    disk = "No space left" in text or "quota" in text
    return not disk and ("ResourceExhaustedError" in text or "RESOURCE_EXHAUSTED" in text)


def _check_can_split(runner, stage: Stage, error: Exception) -> None:
    import keras

    size, backend = runner.settings.batch_size, keras.backend.backend()
    reason = ""
    if 2 * runner.parts * runner.devices.count > size:
        reason = "it cannot be cut any further"
    elif backend != "tensorflow":
        reason = f"it is cut under TensorFlow only, not under {backend}"
    elif runner.devices.worker is not None:
        reason = "the other workers would not begin again with this one"
    elif getattr(runner.loss, "compares_photos", False):
        reason = "it cannot be cut, since the loss compares all its photos"
    if reason:
        raise TrainingError(
            f"The memory is too small for a batch of {size} photos in stage '{stage.name}', and "
            f"{reason}. Lower `batch_size` or `image_size`."
        ) from error
