import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasrecipes import VerificationError
from kerasrecipes.engine.gradient_check import check_gradients

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4))


@tf.custom_gradient
def wrong_square(x):
    return x**2, lambda up: up * 2 * x * tf.constant([1.0, 1.0, 1.01, 1.0], tf.float64)


class Scale(keras.layers.Layer):
    """A custom layer, with a gradient that is right or not."""

    def __init__(self, right=True, **kwargs):
        super().__init__(**kwargs)
        self.right = right

    def build(self, shape):
        self.scale = self.add_weight(name="scale", shape=(shape[-1],), initializer="ones")

    def call(self, x):
        scale = self.scale if self.right else tf.stop_gradient(self.scale)
        return keras.ops.tanh(x) * scale

    def get_config(self):
        return {**super().get_config(), "right": self.right}


def test_smooth_functions_agree():
    found = check_gradients(lambda x: keras.ops.exp(x) * keras.ops.sin(x), X)
    assert found.compared == 12
    assert found.largest_error < 1e-8


def test_a_wrong_gradient_is_named_with_its_place():
    message = r"wrong at input 0\[\d, 2\]: automatic.*relative error of 0.0099"
    with pytest.raises(VerificationError, match=message):
        check_gradients(wrong_square, X)
    assert check_gradients(wrong_square, X, tolerance=0.02).largest_error > 0.009


def test_something_to_check_is_needed():
    with pytest.raises(ValueError, match="`target` must be a layer, a model, a loss or a function"):
        check_gradients(None, X)


def test_layers_are_checked_in_float64_and_left_alone():
    layer = Scale()
    layer(X.astype("float32"))
    layer.scale.assign([1.0, 2.0, 3.0, 4.0])
    found = check_gradients(layer, X)
    assert found.compared == 16
    assert layer.scale.dtype == "float32"
    assert layer.scale.numpy().tolist() == [1.0, 2.0, 3.0, 4.0]
    broken = Scale(right=False)
    broken(X.astype("float32"))
    with pytest.raises(VerificationError, match=r"scale\[\d\]: automatic differentiation gives 0,"):
        check_gradients(broken, X)


def test_a_functional_model_is_checked_with_its_weights():
    inputs = keras.Input((4,))
    x = keras.layers.Dense(5, activation="gelu", name="body")(inputs)
    x = keras.layers.Dropout(0.5)(keras.layers.BatchNormalization()(x))
    model = keras.Model(inputs, keras.layers.Dense(2, activation="softmax", name="head")(x))
    before = model.get_weights()
    found = check_gradients(model, X)
    assert found.compared == 12 + 25 + 10 + 12
    assert found.largest_error < 1e-6
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


@pytest.mark.parametrize(
    ("loss", "targets"),
    [
        (keras.losses.MeanSquaredError(), RNG.normal(size=(3, 4))),
        (keras.losses.CategoricalCrossentropy(from_logits=True), np.eye(4)[:3]),
    ],
)
def test_losses_are_checked(loss, targets):
    assert check_gradients(loss, targets, X, constant=(0,)).compared == 12


def test_constant_inputs_keep_their_type():
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    found = check_gradients(loss, np.array([0, 1, 2]), X, constant=(0,))
    assert found.compared == 12


def test_large_arrays_are_sampled():
    assert check_gradients(keras.ops.tanh, RNG.normal(size=(100, 10)), entries=20).compared == 20


def test_wrong_use_is_named(monkeypatch):
    with pytest.raises(ValueError, match="output is float32, too coarse"):
        check_gradients(lambda x: keras.ops.cast(x, "float32"), X)
    with pytest.raises(ValueError, match="nothing to compare"):
        check_gradients(keras.ops.tanh, X, constant=(0,))
    with pytest.raises(ValueError, match="Scale is not built"):
        check_gradients(Scale(), X)
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(RuntimeError, match="not 'torch'"):
        check_gradients(keras.ops.tanh, X)


def test_nan_is_not_taken_for_agreement():
    with pytest.raises(VerificationError, match="nan"):
        check_gradients(keras.ops.sqrt, np.array([-1.0, 4.0]))
