"""Values in the logs that a callback waits for: not there yet, or never to come."""

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import keras

from kerasrecipes.callbacks.base import numbers_in
from kerasrecipes.errors import did_you_mean
from kerasrecipes.keras_private import running_fit

# Where any callback can add to the logs of an epoch, besides at its end those before, and what
# decides what a model logs.
_ADDS = ("on_test_end", "on_test_batch_end")
_OURS = ("keras.", "kerasrecipes.")
_LOGS = ("train_step", "test_step", "compute_metrics", "get_metrics_result")


class MonitoredValue:
    """Tells a value that this epoch does not log from one that no epoch will.

    `fit` may validate after some epochs only, a model may log other values in validation than
    in training, and a callback may add values of its own. Make it in `on_train_begin`.

    Args:
        callback: Who waits for it.
        name: Its name in the logs.
        why: What follows from its absence, for the message.
    """

    def __init__(self, callback: keras.callbacks.Callback, name: str, why: str = ""):
        self.name = name
        self.why = why
        self.measured = self._checked = False
        self.waited = 0
        # No callback is kept: all that a fit holds would live until cycles are looked for.
        self._kind, self._model = type(callback).__name__, type(callback.model)
        fit = running_fit(callback.model)
        self._validates = fit is None or fit.validates
        self._may_be_added = _may_be_added(callback, fit.callbacks if fit else ())

    def check_first_step(self, logs: Mapping[str, Any] | None) -> None:
        """Find out before the first epoch is over that no epoch will log it, if that is certain.

        Args:
            logs: The logs of the first step; later ones are not looked at.

        Raises:
            ValueError: If neither training nor validation will log it.
        """
        checked, self._checked = self._checked, True
        if checked or self._may_be_added:
            return
        validates = self._validates
        known = list(numbers_in(logs))
        if validates:
            known += [f"val_{name}" for name in known]
        if self.name in known:
            return
        usual = all(getattr(self._model, one) is getattr(keras.Model, one) for one in _LOGS)
        if usual or (self.name.startswith("val_") and not validates):
            raise self._unknown(known)

    def is_in(self, logs: Mapping[str, Any]) -> bool:
        """Tell whether an epoch has logged the value.

        Args:
            logs: The logs of the epoch.

        Raises:
            ValueError: If it has not, and so no epoch will.
        """
        if self.name in logs:
            self.measured = True
            return True
        validated = any(name.startswith("val_") for name in logs)
        waits = self.name.startswith("val_") and not validated
        if not (waits or self.measured or self._may_be_added):
            raise self._unknown(logs)
        self.waited += 1
        return False

    def end(self) -> None:
        """Warn if epochs went by, and none logged it."""
        if self.waited and not self.measured:
            warnings.warn(
                f"{self._absent} None of {self.waited} epochs logged it. {self._advice}",
                stacklevel=3,
            )

    @property
    def _absent(self) -> str:
        return f"{self._kind} found no {self.name!r} in the logs{self.why}."

    @property
    def _advice(self) -> str:
        if not self.name.startswith("val_"):
            return "Name a value that is logged."
        return "Pass `validation_data` to `fit`, and a `validation_freq` that it reaches."

    def _unknown(self, known: Iterable[str]) -> ValueError:
        known = sorted(known)
        alike = [one for one in known if one.startswith("val_") == self.name.startswith("val_")]
        return ValueError(
            f"{self._absent} {self._advice}{did_you_mean(self.name, alike)} Logged here: "
            f"{', '.join(known) or 'nothing'}."
        )


def _may_be_added(
    callback: keras.callbacks.Callback, others: tuple[keras.callbacks.Callback, ...]
) -> bool:
    """Whether another callback might put a value into the logs before the turn of this one."""
    before = others[: others.index(callback)] if callback in others else others
    hooks = [getattr(one, hook) for hook in _ADDS for one in others]
    hooks += [one.on_epoch_end for one in before]
    return any(not str(hook.__module__).startswith(_OURS) for hook in hooks)
