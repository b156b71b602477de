"""The layers that round in float as an 8-bit file does."""

import keras
import numpy as np
import pytest

from kerasrecipes.bundles.model_file import load_model
from kerasrecipes.errors import IntegrityError
from kerasrecipes.quantization.fake_quantization import (
    ActivationRange,
    QuantizedConv2D,
    QuantizedDense,
    QuantizedDepthwiseConv2D,
    SummedAveragePooling2D,
    fake_quantized_weights,
    is_quantization_aware,
)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def test_weights_are_rounded_to_255_levels_per_channel():
    kernel = noise(3, 3, 4, 2)
    kernel[..., 1] *= 100
    rounded = np.asarray(fake_quantized_weights(kernel, 3))
    for channel in range(2):
        scale = np.abs(kernel[..., channel]).max() / 127
        expected = np.round(kernel[..., channel] / scale) * scale
        np.testing.assert_allclose(rounded[..., channel], expected, atol=1e-3 * scale)
    assert np.abs(rounded - kernel)[..., 0].max() > 0


def test_a_channel_of_zeros_stays_zero():
    kernel = noise(3, 3, 4, 2)
    kernel[..., 1] = 0
    rounded = np.asarray(fake_quantized_weights(kernel, 3))
    assert np.all(rounded[..., 1] == 0)
    assert np.all(np.isfinite(rounded))


def test_the_gradient_passes_the_rounding():
    import tensorflow as tf

    kernel = tf.constant(noise(3, 3, 4, 2))
    with tf.GradientTape() as tape:
        tape.watch(kernel)
        loss = tf.reduce_sum(fake_quantized_weights(kernel, 3) * 2)
    np.testing.assert_array_equal(tape.gradient(loss, kernel), np.full(kernel.shape, 2))


@pytest.mark.parametrize(
    ("rounding", "plain", "axis"),
    [
        (QuantizedConv2D(6, 3, activation="relu"), keras.layers.Conv2D(6, 3, activation="relu"), 3),
        (QuantizedDense(6), keras.layers.Dense(6), None),
    ],
)
def test_a_layer_computes_with_rounded_weights(rounding, plain, axis):
    photos = noise(2, 8, 8, 4)
    rounding(photos), plain(photos)
    kernel, bias = rounding.get_weights()
    bias = noise(*bias.shape, seed=1)
    rounding.set_weights([kernel, bias])
    plain.set_weights([np.asarray(fake_quantized_weights(kernel, axis)), bias])
    np.testing.assert_allclose(rounding(photos), plain(photos), atol=1e-5)


def test_a_depthwise_layer_rounds_each_output_channel_by_itself():
    photos = noise(2, 8, 8, 3)
    options = {"depth_multiplier": 2, "strides": 2, "padding": "same", "activation": "relu"}
    rounding = QuantizedDepthwiseConv2D(3, **options)
    plain = keras.layers.DepthwiseConv2D(3, **options)
    rounding(photos), plain(photos)
    kernel, bias = noise(3, 3, 3, 2, seed=1), noise(6, seed=2)
    rounding.set_weights([kernel, bias])
    flat = fake_quantized_weights(kernel.reshape(3, 3, 1, 6), 3)
    plain.set_weights([np.asarray(flat).reshape(kernel.shape), bias])
    np.testing.assert_allclose(rounding(photos), plain(photos), atol=1e-5)


def test_a_range_follows_the_data_in_training_only():
    layer = ActivationRange(momentum=0.5)
    layer.set_range(-1.0, 1.0)
    layer(np.array([-3.0, 5.0], "float32"))
    assert (float(layer.low), float(layer.high)) == (-1, 1)
    layer(np.array([-3.0, 5.0], "float32"), training=True)
    assert (float(layer.low), float(layer.high)) == (-2, 3)
    layer.trainable = False
    layer(np.array([-30.0, 50.0], "float32"), training=True)
    assert (float(layer.low), float(layer.high)) == (-2, 3)


def test_a_range_always_holds_zero_and_is_never_empty():
    layer = ActivationRange()
    layer.set_range(2.0, 3.0)
    assert (float(layer.low), float(layer.high)) == (0, 3)
    layer.set_range(0.0, 0.0)
    assert float(layer.high) > 0
    assert np.all(np.isfinite(layer(np.zeros(3, "float32"))))


def test_the_pooling_is_a_mean():
    photos = noise(2, 5, 7, 3)
    np.testing.assert_allclose(
        SummedAveragePooling2D()(photos), photos.mean(axis=(1, 2)), atol=1e-6
    )
    pooled = SummedAveragePooling2D(keepdims=True)(photos)
    np.testing.assert_allclose(pooled, photos.mean(axis=(1, 2), keepdims=True), atol=1e-6)


def every_layer():
    photo = keras.Input((8, 8, 3))
    x = ActivationRange(0.9, name="range")(photo)
    x = QuantizedDepthwiseConv2D(3)(QuantizedConv2D(4, 3)(x))
    return keras.Model(photo, QuantizedDense(2)(SummedAveragePooling2D()(x)))


def test_a_saved_model_loads_safely_and_answers_the_same(tmp_path):
    model = every_layer()
    model.get_layer("range").set_range(-2.0, 1.5)
    model.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    photos = noise(4, 8, 8, 3)
    np.testing.assert_array_equal(loaded.predict(photos), model.predict(photos))
    assert loaded.get_layer("range").momentum == 0.9
    assert is_quantization_aware(loaded)
    assert not is_quantization_aware(keras.Sequential([keras.layers.Dense(2)]))


def test_a_file_with_too_large_a_layer_is_still_refused(tmp_path, monkeypatch):
    model = every_layer()
    config = QuantizedDense.get_config
    monkeypatch.setattr(QuantizedDense, "get_config", lambda self: {**config(self), "units": 10**9})
    model.save(tmp_path / "model.keras")
    with pytest.raises(IntegrityError, match="asks for more than"):
        load_model(tmp_path / "model.keras")
