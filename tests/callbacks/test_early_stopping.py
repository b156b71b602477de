import keras
import numpy as np
import pytest

from kerasrecipes import EarlyStopping


def model_with_weight(value=0.0):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    model.layers[-1].kernel.assign([[value]])
    return model


class SetWeight(keras.callbacks.Callback):
    """Gives the model a known weight in every epoch, so that each epoch has a known loss."""

    def __init__(self, values):
        super().__init__()
        self.values = values

    def on_epoch_begin(self, epoch, logs=None):
        self.model.layers[-1].kernel.assign([[self.values[epoch]]])


def fit(stopping, weights, **options):
    """Validation loss of a weight w is (w - 1)^2."""
    model = model_with_weight(9.0)
    x = y = np.ones((4, 1))
    options = {"validation_data": (x, y), **options}
    history = model.fit(
        x, y, epochs=len(weights), callbacks=[SetWeight(weights), stopping], verbose=0, **options
    )
    return float(model.layers[-1].kernel.numpy()[0, 0]), len(history.history["loss"])


def test_best_weights_come_back_also_when_training_ends_by_itself():
    stopping = EarlyStopping(patience=10)
    assert fit(stopping, [3.0, 1.5, 4.0]) == (1.5, 3)
    assert stopping.best_epoch == 2
    assert stopping.summary()["best"] == pytest.approx(0.25)


def test_stops_after_patience():
    stopping = EarlyStopping(patience=2)
    assert fit(stopping, [2.0, 3.0, 4.0, 1.0, 1.0]) == (2.0, 3)
    assert stopping.stopped_epoch == 3


def test_weights_from_before_can_win():
    stopping = EarlyStopping(patience=5, baseline=0.01)
    assert fit(stopping, [3.0, 2.0]) == (9.0, 2)
    assert stopping.best_epoch == 0


def test_default_patience_is_conservative():
    stopping = EarlyStopping()
    _, epochs = fit(stopping, [1.0] + [2.0] * 30)
    assert epochs == 11


def test_one_instance_serves_two_fits():
    stopping = EarlyStopping(patience=2)
    first = fit(stopping, [2.0, 3.0, 4.0, 5.0])
    assert fit(stopping, [2.0, 3.0, 4.0, 5.0]) == first


def test_nan_is_never_the_best():
    assert fit(EarlyStopping(patience=9), [2.0, float("nan")])[0] == 2.0


def test_max_mode():
    stopping = EarlyStopping("val_loss", mode="max", patience=9)
    assert fit(stopping, [2.0, 3.0, 1.0])[0] == 3.0


def test_misspelled_monitor_is_an_error_where_keras_never_stops():
    x = y = np.ones((4, 1))
    with pytest.warns(UserWarning, match="Early stopping conditioned on metric"):
        history = model_with_weight().fit(
            x,
            y,
            validation_data=(x, y),
            epochs=3,
            verbose=0,
            callbacks=[keras.callbacks.EarlyStopping("val_los", mode="min", patience=0)],
        )
    assert len(history.history["loss"]) == 3  # the trap: it would have to stop at once

    with pytest.raises(ValueError, match=r"'val_los'.*would never stop.*Did you mean 'val_loss'"):
        fit(EarlyStopping("val_los"), [1.0])


def test_misspelled_monitor_is_found_before_the_first_epoch_ends():
    class NotReached(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise AssertionError("an epoch was computed in vain")

    x = y = np.ones((4, 1))
    with pytest.raises(ValueError, match="accuracy"):
        model_with_weight().fit(
            x, y, verbose=0, callbacks=[EarlyStopping("val_accuracy"), NotReached()]
        )


def test_missing_validation_data_is_named():
    with pytest.raises(ValueError, match="Pass `validation_data`"):
        fit(EarlyStopping(), [1.0], validation_data=None)


def test_unknown_mode():
    with pytest.raises(ValueError, match="`mode` must be 'min' or 'max', not 'up'"):
        EarlyStopping(mode="up")
