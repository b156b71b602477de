"""The loss of each single step, which Keras does not show."""

from typing import Any, ClassVar

import keras
import numpy as np

from kerasrecipes.callbacks.base import Resumable, require_single_steps
from kerasrecipes.callbacks.state.model_state import synchronise
from kerasrecipes.errors import TrainingError


class BatchLoss(Resumable, keras.callbacks.Callback):
    """Record every step's own loss, and stop with an error when one is not finite.

    In `on_train_batch_end`, Keras's `logs["loss"]` is the mean over the epoch so far, so that
    a jump is smoothed away. Here the averaging is undone. `losses` has one number per step.

    Args:
        count: Number of photos in an epoch; `None` to read from the model's own loss metric
            how many have been seen, which any data set allows.
        batch_size: Photos per step, where `count` is given; only the last step of an epoch
            may have fewer.

    Raises:
        ValueError: If one of `count` and `batch_size` is given without the other, or, while
            training, if the model takes several steps at once.
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
        self._sum, self._seen = 0.0, 0

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
        seen = self._photos_seen(batch)
        total = float((logs or {})["loss"]) * seen
        loss = (total - self._sum) / (seen - self._seen)
        self._sum, self._seen = total, seen
        self.judge(loss)

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
        self._sum = 0.0
        self._seen = 0

    def summary(self) -> dict:
        """Return what a report should say."""
        return {"steps": len(self.losses), "last": self.losses[-1] if self.losses else None}

    def _photos_seen(self, batch: int) -> int:
        if self.count is not None and self.batch_size is not None:
            return min(self.count, (batch + 1) * self.batch_size)
        synchronise(self.model)
        mean = next(metric for metric in self.model.metrics if metric.name == "loss")
        return int(keras.ops.convert_to_numpy(mean.count))
