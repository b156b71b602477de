import keras
import numpy as np
import pytest

from kerasrecipes import EarlyStopping
from kerasrecipes.callbacks.averages.weight_averaging import (
    StochasticWeightAveraging,
    measure_batch_norms,
)

RNG = np.random.default_rng(0)
X = RNG.normal(3, 2, size=(32, 3)).astype("float32")
Y = X[:, :1]


def new_model(norm=False):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((3,))
    x = keras.layers.Dense(4)(inputs)
    if norm:
        x = keras.layers.Dropout(0.5)(keras.layers.BatchNormalization(name="norm")(x))
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    model.compile(keras.optimizers.SGD(0.01), "mse")
    return model


def batches():
    return [(X[i : i + 8], Y[i : i + 8]) for i in range(0, 32, 8)]


def trained(model):
    return [keras.ops.convert_to_numpy(v).copy() for v in model.trainable_variables]


def test_the_average_is_that_of_the_later_epochs():
    seen = []
    model, averaging = new_model(), StochasticWeightAveraging(start_epoch=2)
    note = keras.callbacks.LambdaCallback(on_epoch_end=lambda e, logs: seen.append(trained(model)))
    model.fit(X, Y, epochs=5, verbose=0, callbacks=[note, averaging])
    for found, *epochs in zip(trained(model), *seen[2:], strict=True):
        assert found == pytest.approx(np.mean(epochs, axis=0), rel=1e-6, abs=1e-7)
    assert averaging.summary() == {"start_epoch": 2, "averaged": 3}
    assert np.abs(trained(model)[0] - seen[-1][0]).max() > 1e-6


def test_statistics_are_those_of_the_averaged_weights():
    model = new_model(norm=True)
    averaging = StochasticWeightAveraging(1, dataset=batches())
    model.fit(X, Y, epochs=3, verbose=0, callbacks=[averaging])
    hidden = X @ trained(model)[0] + trained(model)[1]
    norm = model.get_layer("norm")
    assert norm.moving_mean.numpy() == pytest.approx(hidden.mean(axis=0), rel=1e-4, abs=1e-4)
    variances = [hidden[i : i + 8].var(axis=0) for i in range(0, 32, 8)]
    assert norm.moving_variance.numpy() == pytest.approx(np.mean(variances, axis=0), rel=1e-4)
    assert norm.momentum == 0.99


def test_measuring_moves_nothing_else():
    model = new_model(norm=True)
    before = {v.path: keras.ops.convert_to_numpy(v).copy() for v in model.variables}
    measure_batch_norms(model, batches())
    moved = {v.path for v in model.variables if (before[v.path] != v.numpy()).any()}
    assert moved == {"norm/moving_mean", "norm/moving_variance"}


def test_frozen_statistics_need_no_data_and_stay():
    model = new_model(norm=True)
    model.get_layer("norm").trainable = False
    model.compile("sgd", "mse")
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[StochasticWeightAveraging(0)])
    assert model.get_layer("norm").moving_mean.numpy().tolist() == [0.0] * 4


def test_wrong_use_is_named():
    with pytest.raises(ValueError, match="1 BatchNormalization layers train.*Pass `dataset`"):
        new_model(norm=True).fit(X, Y, verbose=0, callbacks=[StochasticWeightAveraging(0)])
    with pytest.raises(ValueError, match="`start_epoch=3` leaves nothing to average in 3 epochs"):
        new_model().fit(X, Y, epochs=3, verbose=0, callbacks=[StochasticWeightAveraging(3)])
    with pytest.raises(ValueError, match="`start_epoch` must be at least 0"):
        StochasticWeightAveraging(-1)
    with pytest.raises(ValueError, match="`dataset` is empty"):
        measure_batch_norms(new_model(norm=True), [])


def test_epochs_that_are_left_out_do_not_count():
    averaging = StochasticWeightAveraging(2)
    new_model().fit(X, Y, initial_epoch=5, epochs=8, verbose=0, callbacks=[averaging])
    assert averaging.averaged == 1
    with pytest.raises(ValueError, match="`start_epoch=4` leaves nothing to average in 3 epochs"):
        new_model().fit(
            X, Y, initial_epoch=5, epochs=8, verbose=0, callbacks=[StochasticWeightAveraging(4)]
        )


def test_a_training_that_ends_before_the_average_is_told_of():
    stop = EarlyStopping("loss", patience=1, start_value=-1.0)
    with pytest.warns(UserWarning, match="ended after 1 epochs, before the first one to average"):
        new_model().fit(X, Y, epochs=8, verbose=0, callbacks=[stop, StochasticWeightAveraging(4)])
