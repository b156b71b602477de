import warnings

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
    model.run_eagerly = options.pop("run_eagerly", False)
    options = {"validation_data": (x, y), **options}
    history = model.fit(
        x, y, epochs=len(weights), callbacks=[SetWeight(weights), stopping], verbose=0, **options
    )
    return float(model.layers[-1].kernel.numpy()[0, 0]), len(history.history["loss"])


def test_best_weights_come_back_also_when_training_ends_by_itself():
    stopping = EarlyStopping(patience=10)
    assert fit(stopping, [3.0, 1.5, 4.0]) == (1.5, 3)
    assert stopping.best_epoch == 1  # from 0, as Keras counts
    summary = stopping.summary()
    assert (summary["best_epoch"], summary["best"]) == (2, pytest.approx(0.25))
    assert summary["stopped_epoch"] is None


def test_stops_after_patience():
    stopping = EarlyStopping(patience=2)
    assert fit(stopping, [2.0, 3.0, 4.0, 1.0, 1.0]) == (2.0, 3)
    assert (stopping.stopped_epoch, stopping.summary()["stopped_epoch"]) == (2, 3)


def test_weights_from_before_can_win():
    stopping = EarlyStopping(patience=5, start_value=0.01)
    assert fit(stopping, [3.0, 2.0]) == (9.0, 2)
    assert (stopping.best_epoch, stopping.summary()["best_epoch"]) == (-1, 0)
    assert fit(EarlyStopping(patience=1, start_value=0.01), [3.0, 2.0]) == (9.0, 1)


# Validation losses 4, 1, 0.25, 1: what Keras's class makes of them, ours does.
@pytest.mark.parametrize(
    ("arguments", "wait", "best_epoch", "stopped_epoch"),
    [
        ({"patience": 0}, 1, 2, 3),
        ({"patience": 1}, 1, 2, 3),
        ({"patience": 9}, 1, 2, 0),
        ({"patience": 2, "min_delta": 0.8}, 2, 1, 3),
        ({"patience": 2, "min_delta": -0.8}, 2, 1, 3),
        ({"patience": 3, "baseline": 0.1}, 4, 2, 3),
        ({"patience": 1, "baseline": 2.0}, 1, 2, 3),
        ({"patience": 0, "start_from_epoch": 3}, 0, 3, 0),
        ({"patience": 0, "mode": "max"}, 1, 0, 1),
        ({"patience": 0, "monitor": "loss", "restore_best_weights": False}, 1, 2, 3),
    ],
)
def test_the_arguments_and_attributes_are_those_of_keras(
    arguments, wait, best_epoch, stopped_epoch
):
    weights, ends = [3.0, 2.0, 1.5, 2.0], []
    for kind in (EarlyStopping, keras.callbacks.EarlyStopping):
        stopping = kind(**{"restore_best_weights": True, **arguments})
        kernel, epochs = fit(stopping, weights, run_eagerly=True)
        ends.append((kernel, epochs, stopping.wait, stopping.best_epoch, stopping.stopped_epoch))
        kept = stopping.best_weights
        assert (kept is None) == (not stopping.restore_best_weights)
        higher = arguments.get("mode") == "max"
        assert stopping.monitor_op is (keras.ops.greater if higher else keras.ops.less)
        if kept is not None:
            assert kernel == kept[0][0, 0] == weights[best_epoch]
    assert ends[0] == ends[1]
    assert ends[0][2:] == (wait, best_epoch, stopped_epoch)


def test_verbose_says_what_is_done(capsys):
    fit(EarlyStopping(patience=1, verbose=1), [2.0, 3.0, 4.0], run_eagerly=True)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["Epoch 2: early stopping.", "The weights of epoch 1, the best, are put back."]
    fit(EarlyStopping(patience=1), [2.0, 3.0, 4.0], run_eagerly=True)
    assert not capsys.readouterr().err


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
        {"patience": -1},
        {"patience": "3"},
        {"patience": 1.5},
        {"baseline": float("nan")},
        {"baseline": "0.5"},
        {"min_delta": float("inf")},
        {"start_from_epoch": -1},
        {"start_value": "0.5"},
    ],
)
def test_arguments_are_checked(arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=f"`{name}` must be .*, not "):
        EarlyStopping(**arguments)


@pytest.mark.parametrize(("every", "best_epoch"), [(2, 3), ([1, 4], 3), (3, 2)])
def test_epochs_without_validation_do_not_count(every, best_epoch):
    weights = [2.0, 9.0, 1.75, 1.5, 9.0]
    stopping = EarlyStopping(patience=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kernel, epochs = fit(stopping, weights, validation_freq=every, run_eagerly=True)
    assert (stopping.best_epoch, kernel, epochs) == (best_epoch, weights[best_epoch], 5)
    assert stopping.wait == 0


def test_a_validation_that_never_comes_is_named_at_once():
    with pytest.raises(ValueError, match="`validation_freq` that it reaches"):
        fit(EarlyStopping(), [1.0, 2.0], validation_freq=3, run_eagerly=True)


def test_a_value_that_another_callback_adds_is_waited_for():
    class Adds(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch % 2:
                logs["val_f1"] = epoch / 10

    def run(monitor, **options):
        x = np.ones((4, 1))
        stopping = EarlyStopping(monitor)
        model = model_with_weight()
        model.run_eagerly = True
        model.fit(x, x, epochs=4, verbose=0, callbacks=[Adds(), stopping], **options)
        return stopping

    assert run("val_f1").best == 0.3
    with pytest.warns(UserWarning, match="no 'val_auc' in the logs.* None of 4 epochs logged it"):
        run("val_auc")


def test_one_class_of_a_metric_can_be_monitored():
    f1 = keras.metrics.F1Score(threshold=0.5, name="f1")
    stopping = EarlyStopping("val_f1_1", mode="max")
    x, y = np.zeros((4, 1), "float32"), np.eye(2, dtype="float32")[[0, 1, 1, 1]]
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2, activation="softmax")])
    model.layers[0].bias.assign([-5.0, 5.0])
    model.compile(keras.optimizers.SGD(0.0), "mse", metrics=[f1], run_eagerly=True)
    model.fit(x, y, validation_data=(x, y), epochs=1, verbose=0, callbacks=[stopping])
    assert stopping.best == pytest.approx(6 / 7)
    with pytest.raises(ValueError, match="'val_f1'.*Logged here: .*val_f1_0, val_f1_1"):
        model.fit(x, y, validation_data=(x, y), verbose=0, callbacks=[EarlyStopping("val_f1")])
