"""What a callback remembers of a training, so that it can be taken down and put back."""

import copy
from typing import ClassVar


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
