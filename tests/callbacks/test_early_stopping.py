import keras
import numpy as np
import pytest

from kerasrecipes import EarlyStopping
from kerasrecipes.callbacks.early_stopping import higher_is_better


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


def classify(stopping, epochs=6, metrics=("accuracy",), optimizer=None, callbacks=()):
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
    y = (x.sum(axis=1) > 0).astype("float32")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation="sigmoid")])
    optimizer = optimizer or keras.optimizers.Adam(0.05)
    model.compile(optimizer, "binary_crossentropy", metrics=list(metrics))
    history = model.fit(
        x, y, validation_data=(x, y), epochs=epochs, batch_size=8, verbose=0,
        callbacks=[*callbacks, stopping],
    ).history  # fmt: skip
    return history, model.evaluate(x, y, verbose=0, return_dict=True)


@pytest.mark.parametrize(
    ("monitor", "metrics", "best"),
    [
        ("val_accuracy", ["accuracy"], max),
        ("accuracy", ["accuracy"], max),
        ("val_area", [keras.metrics.AUC(name="area")], max),  # no word of it tells
        ("val_gap", [keras.metrics.MeanAbsoluteError(name="gap")], min),
        ("val_loss", ["accuracy"], min),
    ],
)
def test_the_direction_is_that_of_the_metric(monitor, metrics, best):
    stopping = EarlyStopping(monitor, patience=9)
    history, _ = classify(stopping, metrics=metrics)
    assert min(history[monitor]) < max(history[monitor])
    assert stopping.best == best(history[monitor])


def test_a_direction_that_cannot_be_told_is_asked_for():
    def goodness(y, scores):
        return keras.ops.mean(scores)

    with pytest.raises(ValueError, match="'val_goodness'.*Pass mode='max' if higher"):
        classify(EarlyStopping("val_goodness"), metrics=[goodness])
    stopping = EarlyStopping("val_goodness", mode="min")
    history, _ = classify(stopping, metrics=[goodness])
    assert stopping.best == min(history["val_goodness"])


@pytest.mark.parametrize(
    ("monitor", "higher"),
    [("val_head_auc_1", True), ("val_accuracy_loss", False), ("rmse", False), ("f1", True)],
)
def test_names_tell_a_direction(monitor, higher):
    assert higher_is_better(monitor, keras.Sequential()) is higher


@pytest.mark.parametrize("monitor", ["learning_rate", "precision_error"])
def test_names_that_tell_no_direction(monitor):
    with pytest.raises(ValueError, match="Pass mode='max'"):
        higher_is_better(monitor, keras.Sequential())


@pytest.mark.parametrize(
    "arguments",
    [
        {"mode": "up"},
        {"monitor": ""},
        {"monitor": None},
        {"patience": 0},
        {"patience": "3"},
        {"patience": 1.5},
        {"baseline": float("nan")},
        {"baseline": "0.5"},
    ],
)
def test_arguments_are_checked(arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=f"`{name}` must be .*, not "):
        EarlyStopping(**arguments)
