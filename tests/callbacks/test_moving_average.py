"""The weights that were measured are those that are left, in any company; Keras's are not."""

import keras
import numpy as np
import pytest

from kerasrecipes import EarlyStopping, ExactCheckpoint, MovingAverage

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 5)).astype("float32")
Y = (X[:, :1] - X[:, 1:2] + RNG.normal(0, 0.5, (64, 1))).astype("float32")
TRAIN, VAL = (X[:48], Y[:48]), (X[48:], Y[48:])


def make(optimizer=None):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(1)])
    model.compile(optimizer or keras.optimizers.Adam(0.2), "mse")
    return model


def fit(model, callbacks, epochs=6, **options):
    options = {"validation_data": VAL, **options}
    return model.fit(
        *TRAIN,
        batch_size=8,
        epochs=epochs,
        callbacks=callbacks,
        shuffle=False,
        verbose=0,
        **options,
    ).history


def loss_of(model):
    return model.evaluate(*VAL, verbose=0)


def ours(mode):
    return EarlyStopping("val_loss", patience=1, mode=mode)


def keras_own(mode):
    return keras.callbacks.EarlyStopping(
        "val_loss", patience=1, mode=mode, restore_best_weights=True
    )


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("best", [min, max])  # the best is in the last epochs, or in the first
@pytest.mark.parametrize("stopper", [ours, keras_own])
def test_what_was_measured_is_what_is_left(stopper, best, first):
    model, average, stopping = make(), MovingAverage(), stopper(best.__name__)
    history = fit(model, [average, stopping] if first else [stopping, average])
    assert loss_of(model) == pytest.approx(best(history["val_loss"]), rel=1e-5)
    assert (len(history["loss"]) == 2) == (best is max)


def test_without_early_stopping_the_last_average_is_left():
    model = make()
    history = fit(model, [MovingAverage()])
    assert loss_of(model) == pytest.approx(history["val_loss"][-1], rel=1e-5)


@pytest.mark.parametrize("swap", [False, True])
def test_keras_returns_other_weights_than_it_measured(swap):
    """The trap: whichever way, the logged loss is not that of the model that is left."""
    model = make(keras.optimizers.Adam(0.2, use_ema=True, ema_momentum=0.9))
    stopping = keras.callbacks.EarlyStopping("val_loss", patience=9, restore_best_weights=True)
    history = fit(model, [*([keras.callbacks.SwapEMAWeights()] if swap else []), stopping])
    if swap:
        assert loss_of(model) != pytest.approx(min(history["val_loss"]), rel=1e-2)
        return
    raw = make()  # the average is made, and nothing comes of it
    assert loss_of(model) == pytest.approx(min(fit(raw, [])["val_loss"]), rel=1e-4)


def test_keras_without_warm_up_returns_the_beginning():
    """The trap: with its default momentum, an average over few steps is mostly the first one."""
    slow = make(keras.optimizers.Adam(0.2, use_ema=True))
    logged = fit(slow, [])["val_loss"][-1]
    assert loss_of(slow) > 2 * logged
    ours = make()
    fit(ours, [MovingAverage()])
    assert loss_of(ours) < 1.2 * logged


def test_the_averages_are_those_by_hand():
    class Collect(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            kept.append(self.model.get_weights()[0])

    kept: list = []
    model = make()
    fit(model, [MovingAverage(0.7), Collect()], epochs=5)
    mean = kept[0]
    for step, weights in enumerate(kept[1:], 2):
        momentum = min(0.7, (step - 1) / (step + 8))
        mean = momentum * mean + (1 - momentum) * weights
    np.testing.assert_allclose(model.get_weights()[0], mean, rtol=1e-5)


def test_training_itself_is_as_without():
    ends = []
    for callbacks in ([], [MovingAverage()]):
        model = make()

        class Last(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                self.weights = self.model.get_weights()[0]

        last = Last()
        fit(model, [*callbacks, last])
        ends.append(last.weights)
    np.testing.assert_array_equal(*ends)


def test_it_goes_on_exactly_after_a_break(tmp_path):
    whole = make()
    fit(whole, [MovingAverage()])
    for epochs in (3, 6):
        model, average = make(), MovingAverage()
        checkpoint = ExactCheckpoint(tmp_path, stateful=[average])
        done = checkpoint.restore(model).epoch
        fit(model, [average, checkpoint], epochs, initial_epoch=done)
    np.testing.assert_array_equal(model.get_weights()[0], whole.get_weights()[0])


def test_batch_norm_statistics_are_averaged_and_counters_are_not():
    photo = keras.Input((5,))
    x = keras.layers.Normalization(name="count")(photo)
    x = keras.layers.BatchNormalization(momentum=0.5, name="norm")(x)
    model = keras.Model(photo, keras.layers.Dense(1)(x))
    model.get_layer("count").adapt(X)
    model.compile("sgd", "mse")
    counts = [w.numpy() for w in model.get_layer("count").weights]
    fit(model, [MovingAverage()], epochs=2)
    for one, other in zip(counts, model.get_layer("count").weights, strict=True):
        np.testing.assert_array_equal(one, other.numpy())
    assert np.abs(model.get_layer("norm").moving_mean.numpy()).max() > 0


def test_wrong_use_is_named():
    with pytest.raises(ValueError, match="`momentum` must lie between 0 and 1, not 1"):
        MovingAverage(1)
    model = make(keras.optimizers.Adam(0.2, use_ema=True))
    with pytest.raises(ValueError, match="optimizer keeps a moving average of its own"):
        fit(model, [MovingAverage()])
