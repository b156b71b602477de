"""The history of a fit, with the learning rate that each epoch ended on."""

import keras

from kerasrecipes.callbacks.learning_rates import current_rates
from kerasrecipes.callbacks.resumable import Resumable


class LearningRateLog(Resumable, keras.callbacks.Callback):
    """Collect the logs of every finished epoch, and the learning rate, in `history`.

    Unlike the `History` that `fit` returns, it survives an interrupted fit.
    """

    STATE = ("history",)

    def on_train_begin(self, logs=None):
        self.history: dict[str, list[float]] = {}

    def on_epoch_end(self, epoch, logs=None):
        # With one optimizer per block, the largest rate is that of the head.
        rate = max(current_rates(self.model))
        for name, value in {**(logs or {}), "learning_rate": rate}.items():
            self.history.setdefault(name, []).append(float(value))
