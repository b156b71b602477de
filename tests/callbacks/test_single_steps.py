"""What counts steps refuses a model that hides some of them."""

import keras
import numpy as np
import pytest

from kerasrecipes.callbacks.averages.moving_average import MovingAverage
from kerasrecipes.callbacks.averages.snapshot_ensemble import SnapshotEnsemble
from kerasrecipes.callbacks.batch_loss import BatchLoss
from kerasrecipes.callbacks.divergence_guard import DivergenceGuard
from kerasrecipes.callbacks.gradient_monitor import GradientMonitor
from kerasrecipes.callbacks.learning_rates.lr_finder import LRFinder
from kerasrecipes.callbacks.zeros.magnitude_pruning import MagnitudePruning

X = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
Y = X[:, :1]


@pytest.mark.parametrize(
    "callback",
    [
        BatchLoss(),
        DivergenceGuard(),
        GradientMonitor((X, Y)),
        LRFinder(),
        MagnitudePruning(0.5),
        MovingAverage(),
        SnapshotEnsemble(1),
    ],
    ids=lambda one: type(one).__name__,
)
def test_several_steps_at_once_are_refused(callback):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", steps_per_execution=4)
    name = type(callback).__name__
    with pytest.raises(ValueError, match=f"{name} looks at each step, and the model runs 4 steps"):
        model.fit(X, Y, batch_size=4, verbose=0, callbacks=[callback])
