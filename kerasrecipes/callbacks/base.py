"""What callbacks share: steps counted one by one, and a state that can be put back."""

import copy
from collections.abc import Mapping
from typing import Any, ClassVar

import keras
import numpy as np


def numbers_in(logs: Mapping[str, Any] | None) -> dict[str, float]:
    """Return what an epoch logged as plain numbers.

    Args:
        logs: What Keras hands to a callback. A metric may have one value for each class.

    Returns:
        Name → number. Of several values under one name, each gets its own: `"f1_0"`, `"f1_1"`, ….
        What is no number, such as a word that another callback has added, is left out.

    Example:
        >>> numbers_in({"loss": 0.5, "f1": np.array([0.25, 1.0])})
        {'loss': 0.5, 'f1_0': 0.25, 'f1_1': 1.0}
    """
    found: dict[str, float] = {}
    for name, value in (logs or {}).items():
        values = np.asarray(
            keras.ops.convert_to_numpy(value) if keras.ops.is_tensor(value) else value
        )
        if values.dtype.kind not in "biuf" and not keras.backend.is_float_dtype(str(values.dtype)):
            continue
        flat = values.ravel().tolist()
        several = len(flat) > 1
        found |= {f"{name}_{i}" if several else name: float(one) for i, one in enumerate(flat)}
    return found


def metrics_of(model: Any) -> list[keras.metrics.Metric]:
    """List a model's metrics, also those that `compile` has put together into one.

    Args:
        model: A model, or what stands for one.
    """
    outers = getattr(model, "metrics", ())
    return [one for outer in outers for one in (outer, *getattr(outer, "metrics", ()))]


def require_used(callback: keras.callbacks.Callback, iterations: int) -> None:
    """Refuse a model whose steps leave alone the optimizer whose rate a callback sets.

    Args:
        callback: The callback, after some steps.
        iterations: How many steps the optimizer had made before.

    Raises:
        ValueError: If it has made none since.
    """
    optimizer = callback.model.optimizer
    # One that scales the loss skips steps whose gradients are not finite.
    scales = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    if not scales and iterations_of(optimizer) == iterations:
        raise ValueError(
            f"{type(callback).__name__} sets the learning rate of `model.optimizer`, which the "
            "model's `train_step` does not use. Compile the model with the optimizer that it uses."
        )


def iterations_of(optimizer: keras.optimizers.Optimizer) -> int:
    """Return how many steps an optimizer has made."""
    return int(keras.ops.convert_to_numpy(optimizer.iterations))


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


class Resumable:
    """Gives a callback `get_state` and `set_state`, from the names of what it remembers.

    A subclass lists its attributes in `STATE`. Their values are what `ExactCheckpoint` can
    write: numbers, strings, `None`, arrays, and lists and dicts of these. A callback of your
    own need not be one of these; it only has to have the two methods.
    """

    STATE: ClassVar[tuple[str, ...]] = ()

    def get_state(self) -> dict:
        """Return what the callback remembers; nothing of it changes while training goes on."""
        known = [name for name in self.STATE if hasattr(self, name)]
        return {name: copy.deepcopy(getattr(self, name)) for name in known}

    def set_state(self, state: dict) -> None:
        """Put back what `get_state` returned.

        Args:
            state: The state; call this after `on_train_begin`, which forgets everything.

        Raises:
            ValueError: If it is the state of something else.
        """
        unknown = sorted(set(state) - set(self.STATE))
        if unknown:
            raise ValueError(
                f"`state` is not that of a {type(self).__name__}: it holds {', '.join(unknown)}. "
                "Pass what `get_state` of the same class returned."
            )
        for name, value in state.items():
            setattr(self, name, copy.deepcopy(value))
