import keras
import numpy as np
import pytest

from kerasrecipes import TrainingError
from kerasrecipes.callbacks.batch_loss import BatchLoss


class RunningLoss(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.losses = []

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(logs["loss"])


def fit(targets, *callbacks, learning_rate=0.0):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.layers[-1].kernel.assign([[0.0]])
    model.compile(keras.optimizers.SGD(learning_rate), "mse")
    x = np.ones((len(targets), 1))
    model.fit(x, targets, batch_size=2, shuffle=False, epochs=2, callbacks=callbacks, verbose=0)


def test_each_step_has_its_own_loss_where_keras_gives_a_running_mean():
    targets = np.array([[1.0], [1.0], [3.0], [3.0], [5.0]])
    running, own = RunningLoss(), BatchLoss(count=5, batch_size=2)
    fit(targets, running, own)
    assert own.losses == pytest.approx([1, 9, 25] * 2, rel=1e-5)
    assert running.losses[1] == pytest.approx(5)  # the trap: the mean of 1 and 9


def test_loss_that_is_not_finite_names_the_step():
    targets = np.array([[1.0], [1.0], [np.nan], [3.0]])
    with pytest.raises(TrainingError, match="nan at step 2 of epoch 1. Lower the learning"):
        fit(targets, BatchLoss(count=4, batch_size=2))
