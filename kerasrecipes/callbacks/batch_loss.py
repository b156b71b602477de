"""The loss of each single step, which Keras does not show."""

import keras
import numpy as np

from kerasrecipes.errors import TrainingError


class BatchLoss(keras.callbacks.Callback):
    """Record every step's own loss, and stop with an error when one is not finite.

    In `on_train_batch_end`, Keras's `logs["loss"]` is the mean over the epoch so far, so that
    a jump is smoothed away. Here the averaging is undone. `losses` has one number per step.

    Args:
        count: Number of photos in an epoch.
        batch_size: Photos per step; only the last step of an epoch may have fewer.

    Raises:
        TrainingError: While training, at the first step without a finite loss.
    """

    def __init__(self, count: int, batch_size: int):
        super().__init__()
        self.count = count
        self.batch_size = batch_size

    def on_train_begin(self, logs=None):
        self.losses: list[float] = []
        self._epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch += 1
        self._sum = 0.0

    def on_train_batch_end(self, batch, logs=None):
        seen = min(self.count, (batch + 1) * self.batch_size)
        total = float(logs["loss"]) * seen
        loss = (total - self._sum) / (seen - batch * self.batch_size)
        self._sum = total
        self.losses.append(loss)
        if not np.isfinite(loss):
            raise TrainingError(
                f"The loss is {loss} at step {batch + 1} of epoch {self._epoch}. "
                "Lower the learning rate of this stage."
            )
