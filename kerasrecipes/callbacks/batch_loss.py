"""The loss of each single step, which Keras does not show."""

from typing import Any, ClassVar

import keras
import numpy as np

from kerasrecipes.callbacks.base import Resumable, metrics_of, require_single_steps
from kerasrecipes.callbacks.state.model_state import synchronise
from kerasrecipes.errors import TrainingError, listed


class BatchLoss(Resumable, keras.callbacks.Callback):
    """Record every step's own loss, and stop with an error when one is not finite.

    In `on_train_batch_end`, Keras's `logs["loss"]` is the mean over the epoch so far, so that
    a jump is smoothed away. Here the averaging is undone. `losses` has one number per step. Of
    a model with a `train_step` of its own, what it returns as `"loss"` may be either: if one of
    the model's metrics has the same value as its mean so far, that is undone, too.

    Args:
        count: Number of photos in an epoch; `None` to read from the model's own metrics how
            many have been seen, which any data set allows.
        batch_size: Photos per step, where `count` is given; only the last step of an epoch
            may have fewer.

    Raises:
        ValueError: If one of `count` and `batch_size` is given without the other, or, while
            training, if the model takes several steps at once, or a step returns no loss.
        TrainingError: While training, at the first step without a finite loss.
    """

    STATE: ClassVar[tuple[str, ...]] = ("losses", "_epoch", "_step")

    def __init__(self, count: int | None = None, batch_size: int | None = None):
        super().__init__()
        if (count is None) != (batch_size is None):
            raise ValueError(
                f"`count` and `batch_size` belong together, not {count} and {batch_size}. "
                "Pass both or none."
            )
        self.count = count
        self.batch_size = batch_size
        # Of each mean that is followed, its sum and its count after the last step.
        self._means: dict[str, tuple[float, float]] = {}

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        require_single_steps(self)
        self.losses: list[float] = []
        self._epoch = 0
        self._step = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch += 1
        self._step = 0
        self.forget_mean()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._step += 1
        if "loss" not in (logs or {}):
            raise ValueError(
                f"{type(self).__name__} found no 'loss' in what a training step returned, but "
                f"{listed(logs or ['nothing'])}. Return it from the `train_step` of the model: "
                "{'loss': loss}."
            )
        self.judge(self._own_loss(float((logs or {})["loss"]), batch))

    def _own_loss(self, shown: float, batch: int) -> float:
        """Return the loss of one step, given what the model shows as its loss."""
        own = None
        for name, value, seen in self._running_means(shown, batch):
            before, counted = self._means.get(name, (0.0, 0.0))
            same = bool(np.isclose(value, shown, rtol=1e-5, atol=0, equal_nan=True))
            total = (shown if same else value) * seen
            self._means[name] = (total, seen)
            if own is None and same and seen > counted:
                own = (total - before) / (seen - counted)
        return shown if own is None else own

    def judge(self, loss: float) -> None:
        """Take note of a step's loss; callbacks that build on this one decide differently.

        Args:
            loss: The mean loss of the photos of one step.

        Raises:
            TrainingError: If it is not finite.
        """
        self.losses.append(loss)
        if not np.isfinite(loss):
            raise TrainingError(
                f"The loss is {loss} at step {self._step} of epoch {self._epoch}. "
                "Lower the learning rate of this stage."
            )

    def forget_mean(self) -> None:
        """Begin a new running mean, as Keras does when its metrics are reset."""
        self._means = {}

    def summary(self) -> dict:
        """Return what a report should say."""
        return {"steps": len(self.losses), "last": self.losses[-1] if self.losses else None}

    def _running_means(self, shown: float, batch: int) -> list[tuple[str, float, float]]:
        """List what may be the mean that is shown: a name, the value, and of how many it is."""
        if self.count is not None and self.batch_size is not None:
            return [("loss", shown, min(self.count, (batch + 1) * self.batch_size))]
        synchronise(self.model)
        found = []
        for position, metric in enumerate(metrics_of(self.model)):
            if isinstance(metric, keras.metrics.Mean) and "loss" in metric.name:
                total, count = (
                    float(keras.ops.convert_to_numpy(one)) for one in (metric.total, metric.count)
                )
                if count:
                    found.append((f"{position} {metric.name}", total / count, count))
        return found
