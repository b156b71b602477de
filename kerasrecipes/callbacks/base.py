"""What callbacks share: steps counted one by one, and a state that can be put back."""

import copy
from typing import ClassVar

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
