"""What plain conversion of Keras 3 models silently does, beside what `write` does."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers

from keras_versions import INNER_CALLS_TRAIN
from kerasrecipes.export.tflite.graph import inspect_content, inspect_file
from kerasrecipes.export.tflite.tflite import load, write
from tiny_bundle import contract_of

NAMES = ["blue", "green", "red"]


@pytest.fixture(scope="module")
def photos(tiny):
    return tiny.colour_photos(12, seed=7)[0]


def test_a_concrete_function_of_a_keras_3_model_converts_without_its_weights(
    trained, photos, tmp_path
):
    import tensorflow as tf

    function = tf.function(lambda photo: trained(photo, training=False))
    concrete = function.get_concrete_function(tf.TensorSpec((1, 32, 32, 3), tf.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], trained)
        plain = inspect_content(converter.convert())
    weights = 4 * trained.count_params()
    assert plain.constant_bytes < weights / 2
    path = write(trained, tmp_path / "m.tflite", contract=contract_of(NAMES))
    assert inspect_file(path).constant_bytes >= weights
    expected = trained.predict(photos.astype("float32"), verbose=0)
    assert np.abs(load(path)(photos)["scores"] - expected).max() < 1e-5


def leaking(first):
    keras.utils.set_random_seed(0)
    photo = keras.Input((32, 32, 3))
    x = layers.Conv2D(4, 3, name="conv")(first(photo))
    x = layers.Dropout(0.5, name="dropout")(layers.BatchNormalization(name="norm")(x))
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(photo, layers.Dense(3, activation="softmax", name="scores")(x))


@pytest.mark.parametrize(
    "first",
    [
        lambda: layers.Resizing(16, 16),
        pytest.param(lambda: layers.CenterCrop(24, 24), marks=pytest.mark.proof),
        pytest.param(lambda: layers.RandomFlip("horizontal", seed=0), marks=pytest.mark.proof),
    ],
    ids=["resizing", "center_crop", "random_flip"],
)
def test_a_layer_for_photos_switches_what_follows_to_training(first, photos, tmp_path):
    import tensorflow as tf

    model = leaking(first())
    values = photos.astype("float32")
    moving = model.get_layer("norm").moving_mean
    expected, before = model.predict(values, verbose=0), moving.numpy()
    path = write(model, tmp_path / "m.tflite", contract=contract_of(NAMES))
    assert np.abs(load(path)(photos)["scores"] - expected).max() < 1e-4
    assert np.array_equal(moving.numpy(), before)
    if not INNER_CALLS_TRAIN:
        return
    # Plain: exported or called, the model is in training mode, and even its statistics move.
    model.export(tmp_path / "saved", verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    exported = loaded.serve(values)
    assert np.abs(np.asarray(exported) - expected).max() > 0.01
    assert np.abs(np.asarray(model(values)) - expected).max() > 0.01
    assert np.abs(moving.numpy() - before).max() > 0.01
