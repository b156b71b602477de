"""Stopping when validation no longer improves, with the best weights put back."""

import math
import re
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from kerasrecipes.callbacks.base import Resumable
from kerasrecipes.errors import did_you_mean, is_number

UP = {
    "acc", "accuracy", "auc", "precision", "recall", "sensitivity", "specificity", "f1",
    "f1score", "fbeta", "iou", "dice", "r2",
}  # fmt: skip
DOWN = {
    "loss", "error", "mse", "mae", "mape", "msle", "rmse", "crossentropy", "hinge", "logcosh",
    "divergence", "perplexity", "brier",
}  # fmt: skip


def higher_is_better(monitor: str, model: keras.Model) -> bool:
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
    for metric in sorted(_metrics(model), key=lambda one: -len(one.name)):
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


def _metrics(model: keras.Model) -> list[keras.metrics.Metric]:
    """Find a model's metrics, also those that `compile` has put together into one."""
    return [one for outer in model.metrics for one in (outer, *getattr(outer, "metrics", ()))]


class EarlyStopping(Resumable, keras.callbacks.Callback):
    """Stop when a monitored value has not improved for a while, and keep the best weights.

    Unlike `keras.callbacks.EarlyStopping`, a monitor that does not exist is an error in the
    first epoch instead of a warning in every one, the best weights are always put back
    (also when training ends by itself or is interrupted), and weights from before the first
    epoch can win: pass their value as `baseline`.

    Args:
        monitor: Name of the value in the logs.
        patience: Epochs without improvement before stopping; `None` for
            `max(10, 20 % of the epochs)`, since patience pays (Prechelt, 1998).
        mode: `"min"` if lower is better, `"max"` if higher is, `"auto"` to know it from the
            metric or its name.
        baseline: Value of the weights that training starts from. If no epoch beats it,
            these weights come back and `best_epoch` is 0.

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
        "best", "best_epoch", "stopped_epoch", "_weights", "_epochs_run", "_waited", "_limit",
    )  # fmt: skip

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int | None = None,
        mode: str = "auto",
        baseline: float | None = None,
    ):
        super().__init__()
        _check(monitor, patience, mode, baseline)
        self.monitor = monitor
        self.patience = patience
        self.mode = mode
        self.baseline = baseline
        self.best_epoch: int | None = None  # until it is used
        self._weights = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.best = self.baseline
        self.best_epoch = 0
        self.stopped_epoch: int | None = None
        self._weights = None if self.baseline is None else self.model.get_weights()
        self._epochs_run = 0
        self._waited = 0
        self._higher: bool | None = None
        by_itself = max(10, round(0.2 * self.params.get("epochs", 0)))
        self._limit = by_itself if self.patience is None else self.patience

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        # A validation value carries the name of a training one, so a typo shows at once.
        if batch == 0 and self._epochs_run == 0 and logs:
            known = [*logs, *(f"val_{name}" for name in logs)]
            if self.monitor not in known and self.monitor.removeprefix("val_") not in known:
                raise self._unknown_monitor(known)
            self._find_direction()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = logs or {}
        if self.monitor not in logs:
            raise self._unknown_monitor(logs)
        self._epochs_run += 1
        self._find_direction()
        value = float(logs[self.monitor])
        if self._improves(value):
            self.best, self.best_epoch, self._waited = value, self._epochs_run, 0
            self._weights = self.model.get_weights()
            return
        self._waited += 1
        if self._waited >= self._limit:
            self.stopped_epoch = self._epochs_run
            self.model.stop_training = True

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.restore()

    def restore(self) -> None:
        """Put the best weights back; call it when `fit` was left by an exception."""
        if self._weights is not None:
            self.model.set_weights(self._weights)

    def summary(self) -> dict:
        """Return what a report should say."""
        return {
            "monitor": self.monitor,
            "best": self.best,
            "best_epoch": self.best_epoch,
            "stopped_epoch": self.stopped_epoch,
        }

    def _improves(self, value: float) -> bool:
        if not np.isfinite(value):
            return False
        if self.best is None:
            return True
        return value > self.best if self._higher else value < self.best

    def _find_direction(self) -> None:
        if self._higher is None:
            auto = self.mode == "auto"
            self._higher = (
                higher_is_better(self.monitor, self.model) if auto else self.mode == "max"
            )

    def _unknown_monitor(self, known: Iterable[str]) -> ValueError:
        hint = " Pass `validation_data` to `fit`." if self.monitor.startswith("val_") else ""
        return ValueError(
            f"`monitor={self.monitor!r}` is not in the logs, so training would never stop."
            f"{did_you_mean(self.monitor, known)} Logged here: {', '.join(sorted(known))}.{hint}"
        )


def _check(monitor: object, patience: object, mode: object, baseline: object) -> None:
    if not isinstance(monitor, str) or not monitor:
        raise ValueError(
            f"`monitor` must be the name of a value in the logs, e.g. 'val_loss', not {monitor!r}."
        )
    if patience is not None and not is_number(patience, 1, math.inf, whole=True):
        raise ValueError(
            f"`patience` must be a whole number of epochs, at least 1, or None, not {patience!r}."
        )
    if mode not in {"auto", "min", "max"}:
        raise ValueError(f"`mode` must be 'auto', 'min' or 'max', not {mode!r}.")
    if baseline is not None and not is_number(baseline, -math.inf, math.inf):
        raise ValueError(f"`baseline` must be a number or None, not {baseline!r}.")
