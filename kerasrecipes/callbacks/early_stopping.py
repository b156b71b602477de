"""Stopping when validation no longer improves, with the best weights put back."""

import math
import re
from typing import Any

import keras
import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.callbacks.base import Resumable, metrics_of, numbers_in
from kerasrecipes.callbacks.monitored import MonitoredValue
from kerasrecipes.console import say
from kerasrecipes.errors import is_number

UP = {
    "acc", "accuracy", "auc", "precision", "recall", "sensitivity", "specificity", "f1",
    "f1score", "fbeta", "iou", "dice", "r2",
}  # fmt: skip
DOWN = {
    "loss", "error", "mse", "mae", "mape", "msle", "rmse", "crossentropy", "hinge", "logcosh",
    "divergence", "perplexity", "brier",
}  # fmt: skip


def higher_is_better(monitor: str, model: Any) -> bool:
    """Tell in which direction a monitored value improves.

    Args:
        monitor: Its name in the logs, e.g. `"val_accuracy"`.
        model: The model; once it has trained a step, its metrics say it themselves.

    Raises:
        ValueError: If neither a metric of the model nor the words of the name tell.

    Example:
        >>> higher_is_better("val_top_accuracy", keras.Sequential())
        True
    """
    name = monitor.removeprefix("val_")
    if name == "loss" or name.endswith("_loss"):
        return False
    # A metric of one of several outputs has the output's name in front; the whole name is longest.
    for metric in sorted(metrics_of(model), key=lambda one: -len(one.name)):
        direction = getattr(metric, "_direction", None)
        if direction in {"up", "down"} and f"_{name}".endswith(f"_{metric.name}"):
            return direction == "up"
    words = set(re.split(r"[^a-z0-9]+", name.lower()))
    if bool(words & UP) == bool(words & DOWN):
        raise ValueError(
            f"`monitor={monitor!r}` does not tell whether more or less of it is better. Pass "
            "mode='max' if higher values are better, or mode='min'."
        )
    return bool(words & UP)


@named
class EarlyStopping(Resumable, keras.callbacks.EarlyStopping):
    """Stop when a monitored value has not improved for a while, and keep the best weights.

    Takes the arguments of `keras.callbacks.EarlyStopping` with their meaning, and has its
    attributes, where epochs count from 0. What differs: the best weights are put back unless
    you say otherwise, also when training ends by itself or is interrupted; patience is long
    unless you say otherwise; a monitor that does not exist is an error in the first epoch
    instead of a warning in every one; a value that is not finite is never the best; and weights
    from before the first epoch can win: pass their value as `start_value`.

    Args:
        monitor: Name of the value in the logs. Epochs without it, as `validation_freq` makes
            them, do not count. Of a metric with a value for each class, name one: `"val_f1_0"`.
        min_delta: By how much a value must be better to count as an improvement.
        patience: Epochs without improvement before stopping; `None` for
            `max(10, 20 % of the epochs)`, since patience pays (Prechelt, 1998).
        verbose: 1 to say when training stops, and which weights come back; 0 for silence.
        mode: `"min"` if lower is better, `"max"` if higher is, `"auto"` to know it from the
            metric or its name.
        baseline: Value to beat: only an improvement beyond it ends the waiting. The best
            weights of the training come back, whether they beat it or not.
        restore_best_weights: Whether to put the best weights back; `False` leaves those of the
            last step, as Keras does unless told otherwise.
        start_from_epoch: Epochs to let pass before values count.
        start_value: Value of the weights that training starts from. If no epoch beats it,
            these weights come back; `best_epoch` is then -1.

    Raises:
        ValueError: If an argument is not usable, or, while training, if `monitor` is not in
            the logs or `"auto"` does not tell its direction.

    Example:
        >>> stopping = EarlyStopping(monitor="val_loss", patience=5)
        >>> stopping.patience
        5

    Reference:
        Prechelt, 1998, "Early Stopping - But When?".
    """

    STATE = (
        "best", "best_epoch", "best_weights", "stopped_epoch", "wait", "_stopped", "_limit",
    )  # fmt: skip

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int | None = None,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = True,
        start_from_epoch: int = 0,
        *,
        start_value: float | None = None,
    ):
        _check_words(monitor, mode)
        _check_numbers(min_delta=min_delta, baseline=baseline, start_value=start_value)
        _check_epochs(patience=patience, start_from_epoch=start_from_epoch)
        super().__init__(
            monitor, min_delta, patience or 0, verbose, mode, baseline, restore_best_weights,
            start_from_epoch,
        )  # fmt: skip
        self.patience = patience
        self.start_value = start_value
        self.best: float | None = None
        self.best_epoch: int | None = None  # until it is used
        self.best_weights: Any = None
        self._stopped = False

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        started = self.start_value is not None
        self.best = self.start_value
        self.best_epoch = -1 if started else 0
        self.best_weights = None
        if started and self.restore_best_weights:
            self.best_weights = self.model.get_weights()
        self.wait = self.stopped_epoch = 0
        self._stopped = False
        self.monitor_op: Any = None
        by_itself = max(10, round(0.2 * (self.params or {}).get("epochs", 0)))
        self._limit = by_itself if self.patience is None else self.patience
        why = f", so that `monitor={self.monitor!r}` would never stop the training"
        self._value = MonitoredValue(self, self.monitor, why)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self.monitor_op is None:
            self._value.check_first_step(logs)
            self._find_direction()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        values = numbers_in(logs)
        if not self._value.is_in(values) or epoch < self.start_from_epoch:
            return
        self._find_direction()
        value = values[self.monitor]
        self.wait += 1
        if self._is_improvement(value, self.best):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self._is_improvement(value, self.baseline):
                self.wait = 0
            return
        # Of the first epoch's value nothing is known yet, unless that of the start is.
        if self.wait >= self._limit and (epoch > 0 or self.start_value is not None):
            self.stopped_epoch, self._stopped = epoch, True
            self.model.stop_training = True

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._value.end()
        if self.verbose and self._stopped:
            say(f"Epoch {self.stopped_epoch + 1}: early stopping.")
        if self.verbose and self.best_weights is not None:
            say(f"The weights of epoch {self.summary()['best_epoch']}, the best, are put back.")
        self.restore()

    def restore(self) -> None:
        """Put the best weights back; call it when `fit` was left by an exception."""
        if self.best_weights is not None:
            self.model.set_weights(self.best_weights)

    def summary(self) -> dict:
        """Return what a report should say; epochs count from 1, and 0 stands for the start."""
        best = self.best_epoch
        return {
            "monitor": self.monitor,
            "best": self.best,
            "best_epoch": None if best is None else 0 if self.best is None else best + 1,
            "stopped_epoch": self.stopped_epoch + 1 if self._stopped else None,
        }

    def _is_improvement(self, value: float, reference: float | None) -> bool:
        if not np.isfinite(value):
            return False
        if reference is None:
            return True
        if self.monitor_op is keras.ops.greater:
            return value - self.min_delta > reference
        return value + self.min_delta < reference

    def _find_direction(self) -> None:
        if self.monitor_op is None:
            auto = self.mode == "auto"
            higher = higher_is_better(self.monitor, self.model) if auto else self.mode == "max"
            self.monitor_op = keras.ops.greater if higher else keras.ops.less


def _check_words(monitor: object, mode: object) -> None:
    if not isinstance(monitor, str) or not monitor:
        raise ValueError(
            f"`monitor` must be the name of a value in the logs, e.g. 'val_loss', not {monitor!r}."
        )
    if mode not in {"auto", "min", "max"}:
        raise ValueError(f"`mode` must be 'auto', 'min' or 'max', not {mode!r}.")


def _check_numbers(min_delta: object, **others: object) -> None:
    if not is_number(min_delta, -math.inf, math.inf, above=True, below=True):
        raise ValueError(f"`min_delta` must be a number, e.g. 0.001, not {min_delta!r}.")
    for name, value in others.items():
        if value is not None and not is_number(value, -math.inf, math.inf):
            raise ValueError(f"`{name}` must be a number or None, not {value!r}.")


def _check_epochs(patience: object, start_from_epoch: object) -> None:
    if patience is not None and not is_number(patience, 0, math.inf, whole=True):
        raise ValueError(
            f"`patience` must be a whole number of epochs, at least 0, or None, not {patience!r}."
        )
    if not is_number(start_from_epoch, 0, math.inf, whole=True):
        raise ValueError(
            "`start_from_epoch` must be a whole number of epochs, at least 0, not "
            f"{start_from_epoch!r}."
        )
