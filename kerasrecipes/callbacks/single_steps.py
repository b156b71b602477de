"""Callbacks that count steps have to be called after each of them."""

import keras


def require_single_steps(callback: keras.callbacks.Callback) -> None:
    """Refuse a model that calls its callbacks once for several steps.

    Args:
        callback: The callback, in its `on_train_begin`.

    Raises:
        ValueError: If the model was compiled with `steps_per_execution` other than 1.
    """
    together = callback.model.steps_per_execution
    if together != 1:
        raise ValueError(
            f"{type(callback).__name__} looks at each step, and the model runs {together} steps "
            "at once. Compile it with `steps_per_execution=1`."
        )
