import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasrecipes import MissingDependencyError
from kerasrecipes.callbacks.gradient_monitor import GradientMonitor

X = np.array([[1.0], [2.0]], dtype="float32")


def linear(rate=0.1):
    inputs = keras.Input((1,))
    model = keras.Model(inputs, keras.layers.Dense(1, use_bias=False, name="head")(inputs))
    model.layers[1].kernel.assign([[0.5]])
    model.compile(keras.optimizers.SGD(rate), "mse")
    return model


def fit(model, monitor, x=X, y=X, epochs=1):
    model.fit(x, y, epochs=epochs, shuffle=False, verbose=0, callbacks=[monitor])
    return monitor.summary()["epochs"]


def test_norms_and_ratios_are_those_computed_by_hand():
    (epoch,) = fit(linear(), GradientMonitor((X, X)))
    # The gradient of mean((wx - x)^2) is 2 (w - 1) mean(x^2), where mean(x^2) = 2.5.
    weight = 0.5 + 0.1 * 2.5
    assert epoch["gradient_norms"] == {"head": pytest.approx(2 * (1 - weight) * 2.5)}
    assert epoch["update_ratios"] == {"head": pytest.approx(0.25 / 0.5)}
    assert epoch["dead_units"] == {}


def test_sample_weights_count():
    (epoch,) = fit(linear(0.0), GradientMonitor((X, X, np.array([0.0, 0.0]))))
    assert epoch["gradient_norms"] == {"head": 0.0}


def rectified():
    inputs = keras.Input((1,))
    x = keras.layers.Dense(3, activation="relu", name="first")(inputs)
    x = keras.layers.Dense(2, name="second")(x)
    x = keras.layers.ReLU(6.0, name="act")(x)
    x = keras.layers.LeakyReLU(name="leaky")(x)
    x = keras.layers.ReLU(negative_slope=0.1, name="slope")(x)
    model = keras.Model(inputs, keras.layers.Dense(1, name="head")(x))
    model.get_layer("first").kernel.assign([[1.0, -1.0, 1.0]])
    model.get_layer("first").bias.assign([0.0, 0.0, -1.5])
    model.get_layer("second").bias.assign([-1e3, 1e3])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    return model


def test_dead_units_are_counted_where_a_layer_rectifies():
    (epoch,) = fit(rectified(), GradientMonitor((X, X)))
    assert epoch["dead_units"] == {"first": [1, 3], "act": [1, 2]}
    # Of x = 1 and 2 the first layer answers (1, 0, 0) and (2, 0, 0.5).
    answers = np.array([1, 0, 0, 2, 0, 0.5])
    assert epoch["activations"]["first"] == {"mean": answers.mean(), "spread": answers.std()}
    assert epoch["activations"].keys() == {"first", "second", "act", "head"}


def test_models_without_a_graph_say_that_dead_units_are_not_known():
    class Sub(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1, activation="relu")

        def call(self, x):
            return self.dense(x)

    model = Sub()
    model(X)
    model.compile("sgd", "mse")
    (epoch,) = fit(model, GradientMonitor((X, X)))
    assert epoch["dead_units"] is None
    assert len(epoch["gradient_norms"]) == 1


def test_blocks_can_be_watched_as_groups():
    monitor = GradientMonitor((X, X), groups={"body": "^(first|second)/", "head": "^head/"})
    epochs = fit(rectified(), monitor, epochs=2)
    assert [list(epoch["gradient_norms"]) for epoch in epochs] == [["body", "head"]] * 2
    with pytest.raises(ValueError, match="Group 'hade' matches no trainable weight"):
        fit(rectified(), GradientMonitor((X, X), groups={"hade": "hade"}))


def test_watching_changes_nothing():
    ends = []
    for watched in (False, True):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((1,))
        x = keras.layers.BatchNormalization()(keras.layers.Dense(4, activation="relu")(inputs))
        model = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Dropout(0.5)(x)))
        model.compile("adam", "mse", metrics=["mae"])
        callbacks = [GradientMonitor((X, X))] if watched else []
        history = model.fit(X, X, batch_size=1, epochs=3, verbose=0, callbacks=callbacks).history
        values = [keras.ops.convert_to_numpy(v).tobytes() for v in model.variables]
        ends.append((history, values))
    assert ends[0] == ends[1]


def test_histograms_are_written_for_tensorboard(tmp_path):
    pytest.importorskip("tensorboard")
    fit(linear(), GradientMonitor((X, X), log_dir=tmp_path), epochs=2)
    (path,) = tmp_path.iterdir()
    tags = [
        (event.step, value.tag)
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
    ]
    assert {(step, f"head/{kind}") for step in (0, 1) for kind in ("gradients", "weights")} < set(
        tags
    )


def test_missing_tensorboard_is_named_before_training(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(MissingDependencyError, match=r"needs 'tensorboard'.*kerasrecipes\[tensorb"):
        GradientMonitor((X, X), log_dir=tmp_path)


def test_wrong_use_is_named(monkeypatch):
    with pytest.raises(ValueError, match="`probe` must be a tuple"):
        GradientMonitor(X)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(RuntimeError, match="needs the TensorFlow backend, not 'jax'"):
        GradientMonitor((X, X))
