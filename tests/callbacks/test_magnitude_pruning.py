import warnings

import keras
import numpy as np
import pytest
from keras import layers

from kerasrecipes.callbacks.early_stopping import EarlyStopping
from kerasrecipes.callbacks.zeros.magnitude_pruning import (
    HoldZeros,
    MagnitudePruning,
    largest,
    largest_of_each,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(32, 8)).astype("float32")
Y = X[:, :2] @ RNG.normal(size=(2, 2)).astype("float32")
FIT = {"epochs": 5, "batch_size": 4, "verbose": 0}  # 40 steps


def new_model():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8,))
    x = layers.Dense(16, activation="relu", name="first")(inputs)
    x = layers.Reshape((2, 2, 4), name="places")(x)
    x = layers.Conv2D(8, 1, activation="relu", name="conv")(x)
    x = layers.DepthwiseConv2D(2, name="depthwise")(x)
    x = layers.Dense(2, name="last")(layers.Flatten()(x))
    model = keras.Model(inputs, x)
    model.compile(keras.optimizers.Adam(0.01), "mse")
    return model


def zeros(model, name):
    return float((model.get_layer(name).kernel.numpy() == 0).mean())


def test_the_schedule_is_the_one_of_the_paper():
    pruning = MagnitudePruning(0.8, begin_step=10, end_step=50)
    assert [pruning.sparsity_at(step) for step in (0, 9, 10, 50, 99)] == [0, 0, 0, 0.8, 0.8]
    for step in (20, 30, 40):
        assert pruning.sparsity_at(step) == pytest.approx(0.8 - 0.8 * (1 - (step - 10) / 40) ** 3)
    with pytest.raises(ValueError, match="Pass `end_step`"):
        MagnitudePruning(0.8).sparsity_at(3)


def test_training_ends_with_the_asked_zeros():
    model, seen = new_model(), []
    note = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(zeros(model, "first"))
    )
    pruning = MagnitudePruning(0.75, frequency=5)
    losses = model.fit(X, Y, **FIT, callbacks=[pruning, note]).history["loss"]
    assert zeros(model, "first") == zeros(model, "conv") == zeros(model, "last") == 0.75
    assert zeros(model, "depthwise") == 0
    assert seen == sorted(seen)
    for step in (4, 9, 24):
        assert seen[step] == pytest.approx(pruning.sparsity_at(step + 1), abs=0.5 / 128)
    assert seen[29] == 0.75  # three quarters of 40 steps
    assert pruning.summary() == {"kernels": 3, "weights": 176, "sparsity": 0.75}
    assert losses[-1] < losses[0]


def test_the_largest_stay():
    model = new_model()
    before = np.abs(model.get_layer("first").kernel.numpy())
    model.compile(keras.optimizers.SGD(0.0), "mse")
    model.fit(X, Y, **FIT, callbacks=[MagnitudePruning(0.5)])
    alive = model.get_layer("first").kernel.numpy() != 0
    assert before[alive].min() > before[~alive].max()
    assert largest(np.ones(4), 0.5).tolist() == [False, False, True, True]


def test_each_layer_has_its_sparsity():
    model = new_model()
    model.fit(X, Y, **FIT, callbacks=[MagnitudePruning({"^first": 0.25, "first|conv": 0.5})])
    assert [zeros(model, name) for name in ("first", "conv", "last")] == [0.25, 0.5, 0.0]


def test_two_of_four_along_the_inputs():
    model = new_model()
    pruning = MagnitudePruning(None, pattern=(2, 4))
    model.fit(X, Y, **FIT, callbacks=[pruning])
    for name in ("first", "conv"):
        kernel = model.get_layer(name).kernel.numpy()
        runs = np.moveaxis(kernel, -2, -1).reshape(-1, 4)
        assert ((runs != 0).sum(axis=1) == 2).all()
    kept = largest_of_each(np.abs(RNG.normal(size=(3, 3, 8, 5))), 1, 4)
    assert kept.shape == (3, 3, 8, 5)
    assert (kept.sum(axis=2) == 2).all()


def test_zeros_hold_through_fine_tuning():
    model = new_model()
    model.fit(X, Y, **FIT, callbacks=[MagnitudePruning(0.5, end_step=10, frequency=2)])
    before = model.get_layer("first").kernel.numpy()
    hold = HoldZeros()
    model.fit(X, Y, **FIT, callbacks=[hold])
    after = model.get_layer("first").kernel.numpy()
    assert ((before == 0) == (after == 0)).all()
    assert np.abs(after - before).max() > 1e-3
    assert hold.summary() == {"kernels": 3}
    model.fit(X, Y, **FIT)
    assert zeros(model, "first") == 0  # without it, Adam brings them back


def test_weights_that_come_back_are_pruned_again():
    model = new_model()
    stopping = EarlyStopping("val_loss", start_value=0.0)  # puts the dense first weights back
    model.fit(
        X, Y, validation_data=(X, Y), **FIT, callbacks=[stopping, MagnitudePruning(0.5)]
    )  # fmt: skip
    assert zeros(model, "first") == 0.5


def test_an_early_end_is_told():
    model = new_model()
    stop = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: setattr(model, "stop_training", True)
    )
    with pytest.warns(UserWarning, match="ended at step 8, before `end_step=30`: .*% of"):
        model.fit(X, Y, **FIT, callbacks=[stop, MagnitudePruning(0.5, frequency=2)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MagnitudePruning(0.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sparsity": 1.0}, "`sparsity` must lie between 0 and 1, not 1.0"),
        ({"sparsity": None}, "`sparsity` must lie between 0 and 1, not None"),
        ({"sparsity": {}}, "`sparsity` is empty"),
        ({"pattern": (2, 4)}, "`sparsity` or `pattern`, not both"),
        ({"sparsity": None, "pattern": (4, 4)}, "`pattern` must be two whole numbers"),
        ({"begin_step": 5, "end_step": 5}, "The steps must be"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        MagnitudePruning(**arguments)


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (MagnitudePruning({"frist": 0.5}), "no layer matches 'frist'. .* 'first', 'conv'"),
        (MagnitudePruning({"first": 0.5, "frist": 0.5}), "no layer matches 'frist'"),
        (MagnitudePruning(None, (1, 3)), "no kernel has a multiple of 3 input channels"),
        (MagnitudePruning(0.5, end_step=41), "end at step 41, and training after 40"),
        (HoldZeros(), "HoldZeros finds no zero in the kernels of 'first'"),
        (HoldZeros("depthwise"), "HoldZeros finds no zero"),
    ],
)
def test_what_would_have_no_effect_is_an_error(callback, message):
    with pytest.raises(ValueError, match=message):
        new_model().fit(X, Y, **FIT, callbacks=[callback])


def test_models_and_data_that_do_not_fit_are_named():
    empty = keras.Sequential([keras.Input((8,)), layers.ReLU()])
    empty.compile("sgd", "mse")
    with pytest.raises(ValueError, match="the model has no convolution and no dense layer"):
        empty.fit(X, X, verbose=0, callbacks=[MagnitudePruning(0.5)])
    with pytest.raises(ValueError, match="The number of steps is not known"):
        new_model().fit(((X, Y) for _ in range(3)), verbose=0, callbacks=[MagnitudePruning(0.5)])


def test_a_state_brings_back_what_is_zero():
    model, pruning = new_model(), MagnitudePruning(0.5, end_step=20)
    model.fit(X, Y, **FIT, callbacks=[pruning])
    state = pruning.get_state()
    other, again = new_model(), MagnitudePruning(0.5, end_step=20)
    resume = keras.callbacks.LambdaCallback(on_train_begin=lambda logs: again.set_state(state))
    other.fit(X, Y, **FIT, callbacks=[again, resume])
    for name in ("first", "conv", "last"):
        mask = model.get_layer(name).kernel.numpy() != 0
        assert (other.get_layer(name).kernel.numpy()[~mask] == 0).all()
    assert again.summary() == pruning.summary()
