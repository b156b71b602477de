"""Lowering learning rates when a value no longer improves, schedules included."""

import math
from typing import Any, ClassVar

import keras

from kerasrecipes.arguments import named
from kerasrecipes.callbacks.base import Resumable, numbers_in
from kerasrecipes.callbacks.early_stopping import higher_is_better
from kerasrecipes.callbacks.learning_rates.rates import (
    current_rates,
    scale_rates,
    schedule_factors,
    set_schedule_factors,
)
from kerasrecipes.callbacks.monitored import MonitoredValue
from kerasrecipes.errors import is_number


@named
class PlateauRate(Resumable, keras.callbacks.Callback):
    """Multiply all learning rates by a factor when a value has not improved for some epochs.

    Keras's `ReduceLROnPlateau` refuses an optimizer with a schedule, such as one that warms up, and
    several optimizers in one. A recipe does this with `curve="plateau"`.

    Args:
        monitor: Name of the value in the logs; epochs without it do not count.
        factor: What the rates are multiplied by, above 0 and below 1.
        patience: Epochs without improvement before they fall, and again before they fall further.

    Raises:
        ValueError: If a number is out of range, or, while training, if nothing of this name is
            logged.

    Example:
        >>> PlateauRate(patience=2).factor
        0.3
    """

    STATE: ClassVar[tuple[str, ...]] = ("best", "wait", "lowered")

    def __init__(self, monitor: str = "val_loss", factor: float = 0.3, patience: int = 3):
        super().__init__()
        if not is_number(factor, 0, 1, above=True, below=True):
            raise ValueError(f"`factor` must be above 0 and below 1, not {factor!r}.")
        if not is_number(patience, 1, math.inf, whole=True):
            raise ValueError(f"`patience` must be a whole number of at least 1, not {patience!r}.")
        self.monitor, self.factor, self.patience = monitor, factor, patience

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.best: float | None = None
        self.wait = 0
        self.lowered: list[int] = []
        why = f", so that `monitor={self.monitor!r}` would never lower the rate"
        self._value = MonitoredValue(self, self.monitor, why)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._value.check_first_step(logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        values = numbers_in(logs)
        if not self._value.is_in(values):
            return
        value = values[self.monitor]
        sign = 1 if higher_is_better(self.monitor, self.model) else -1
        if math.isfinite(value) and (self.best is None or sign * (value - self.best) > 0):
            self.best, self.wait = value, 0
            return
        self.wait += 1
        if self.wait >= self.patience:
            scale_rates(self.model, current_rates(self.model), self.factor)
            self.lowered = [*self.lowered, epoch + 1]
            self.wait = 0

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._value.end()

    def summary(self) -> dict:
        """Return what a report should say; epochs count from 1."""
        return {"monitor": self.monitor, "lowered_after_epochs": self.lowered}

    def get_state(self) -> dict:
        """Return what the callback remembers, with what it made of the rates."""
        state = super().get_state()
        model = getattr(self, "model", None)
        return state | ({"factors": schedule_factors(model)} if state and model else {})

    def set_state(self, state: dict) -> None:
        """Put back what `get_state` returned.

        Args:
            state: The state; call this after `on_train_begin`, which forgets everything.
        """
        super().set_state({name: one for name, one in state.items() if name != "factors"})
        if "factors" in state:
            set_schedule_factors(self.model, state["factors"])
