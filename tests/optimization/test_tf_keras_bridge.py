"""The bridge to tf_keras, and the traps of TFMOT that it is there for."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

import kerasrecipes as kr
from kerasrecipes.optimization.tfmot.bridge import copy_back, import_tfmot, to_tf_keras
from kerasrecipes.surgery.rebuilding import flattened

RNG = np.random.default_rng(0)
FAMILIES = (
    "mobilenet_v2",
    "resnet50_v2",
    "mobilenet_v3_small",
    "efficientnet_lite0",
    # Of layers that the others have, but more of them.
    pytest.param("efficientnet_b0", marks=pytest.mark.proof),
    pytest.param("efficientnet_v2_b0", marks=pytest.mark.proof),
)
SIDE = 32


def randomise(model):
    """Give every weight another value, BatchNormalization's statistics included."""
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([RNG.uniform(0.8, 1.2, w.shape) for w in layer.get_weights()])
        elif layer.weights:
            layer.set_weights([w + RNG.normal(0, 0.01, w.shape) for w in layer.get_weights()])


def small_model(name="small"):
    keras.utils.set_random_seed(0)
    photo = keras.Input((8, 8, 3), name="photo")
    x = layers.Rescaling(1 / 128, offset=-1, name="scale")(photo)
    x = layers.Conv2D(8, 3, use_bias=False, name="conv")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(6.0, name="act")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dense(3, name="logits")(layers.Dropout(0.2, name="dropout")(x))
    return keras.Model(photo, layers.Softmax(name="scores")(x), name=name)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_twin_answers_the_same_and_gives_its_weights_back(family):
    model = kr.get_backbone(family).build((SIDE, SIDE), weights=None)
    randomise(model)
    twin = to_tf_keras(model)
    photos = RNG.uniform(0, 255, (2, SIDE, SIDE, 3)).astype("float32")
    expected = np.asarray(model(photos, training=False))
    scale = max(1.0, np.abs(expected).max())
    assert np.abs(np.asarray(twin(photos, training=False)) - expected).max() <= 1e-5 * scale
    weights = model.get_weights()
    for weight in model.weights:
        weight.assign(keras.ops.zeros_like(weight))
    copy_back(twin, model)
    assert all(np.array_equal(a, b) for a, b in zip(weights, model.get_weights(), strict=True))


def every_layer():
    photo = keras.Input((8, 8, 3), name="photo")
    norm = layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 5.0, 6.0], name="norm")
    x = layers.SeparableConv2D(6, 3, padding="same", activation="relu6", name="separable")(
        norm(photo)
    )
    shared = layers.Conv2D(6, 1, activation="gelu", name="shared")
    x = shared(shared(x)) * 0.5 + layers.UpSampling2D(name="up")(
        layers.MaxPooling2D(name="small")(x)
    )
    x = x * layers.Activation("hard_sigmoid", name="gate")(2.0 + x)
    x = layers.LayerNormalization(name="layer_norm")(layers.Permute((2, 1, 3), name="turned")(x))
    x = layers.Concatenate(name="both")([x, layers.AveragePooling2D(2, 1, "same", name="mean")(x)])
    return keras.Model(photo, layers.Dense(2, name="dense")(layers.Flatten(name="flat")(x)))


def test_layers_beyond_the_families_are_the_same_too():
    model = every_layer()
    model.get_layer("shared").bias.assign(RNG.normal(size=6))
    photos = RNG.normal(1, 2, (4, 8, 8, 3)).astype("float32")
    twin = to_tf_keras(model)
    assert np.abs(twin.predict_on_batch(photos) - model.predict_on_batch(photos)).max() < 1e-5


def test_models_in_models_are_unfolded_first():
    inner = small_model("inner")
    photo = keras.Input((8, 8, 3), name="outside")
    nested = keras.Model(photo, layers.Dense(2, name="last")(inner(photo, training=False)))
    with pytest.raises(ValueError, match=r"'inner \(a model within the model; flatten it first\)'"):
        to_tf_keras(nested)
    flat = flattened(nested)
    photos = RNG.uniform(0, 255, (4, 8, 8, 3)).astype("float32")
    expected = nested.predict_on_batch(photos)
    assert np.abs(to_tf_keras(flat).predict_on_batch(photos) - expected).max() < 1e-5
    assert flattened(flat) is flat


def test_what_cannot_be_repeated_is_named_before_anything_is_built(monkeypatch):
    class Own(layers.Layer):
        def call(self, x):
            return x

    photo = keras.Input((8, 8, 3))
    x = Own(name="mine")(layers.Conv2D(4, 1, activation="mish", name="odd")(photo))
    x = keras.ops.add(keras.ops.sqrt(x), np.ones((8, 8, 4), "float32"))
    model = keras.Model(photo, layers.ReLU(name="fine")(x), name="strange")
    monkeypatch.setattr(
        "kerasrecipes.optimization.tfmot.bridge.import_tfmot", lambda: pytest.fail("it built")
    )
    with pytest.raises(ValueError, match="4 layers of 'strange' have no counterpart") as told:
        to_tf_keras(model)
    for part in (
        "odd (the activation 'mish')", "mine (Own)", "(Sqrt)", "(keras.ops.add)", "engine='native'"
    ):  # fmt: skip
        assert part in str(told.value)
    with pytest.raises(ValueError, match="must be a functional keras.Model of one input"):
        to_tf_keras(keras.Model([photo, keras.Input((2,))], x))


def test_weights_of_another_model_are_not_taken():
    model, other = small_model(), small_model()
    twin = to_tf_keras(keras.Model(other.input, other.get_layer("pool").output))
    before = model.get_weights()
    with pytest.raises(ValueError, match="no weights that fit the layers 'logits' of 'small'"):
        copy_back(twin, model)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


# --- traps ------------------------------------------------------------------------------------


FIT_AFTERWARDS = """
import os
import keras, numpy as np, tensorflow as tf
{load}
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
loss = model.fit(np.ones((4, 2)), np.ones(4), verbose=0).history["loss"][0]
legacy = tf.keras.layers.Dense.__module__.startswith("tf_keras")
print(os.environ.get("TF_USE_LEGACY_KERAS"), keras.__version__[0], legacy, loss < 99)
"""
OURS = "from kerasrecipes.optimization.tfmot.bridge import import_tfmot; import_tfmot()"


@pytest.mark.proof
@pytest.mark.parametrize(
    ("load", "told"),
    [
        # Not of ours, but the reason why ours loads it otherwise.
        ("import tensorflow_model_optimization", "1 3 True True"),
        (OURS, "None 3 False True"),
    ],
    ids=["plain", "ours"],
)
def test_keras_3_goes_on_working_beside_tfmot(load, told):
    """Importing TFMOT makes `tf.keras` another library, here and in processes that it starts."""
    environment = {k: v for k, v in os.environ.items() if k != "TF_USE_LEGACY_KERAS"}
    code = [sys.executable, "-c", FIT_AFTERWARDS.format(load=load)]
    done = subprocess.run(code, capture_output=True, text=True, env=environment)
    assert done.stdout.strip() == told, done.stderr


def test_plain_tfmot_refuses_keras_3_models_or_returns_nothing():
    tfmot, _ = import_tfmot()
    model = small_model()
    with pytest.raises(ValueError, match="Sequential or Functional"):
        tfmot.quantization.keras.quantize_model(model)
    with pytest.raises(ValueError, match="can only prune an object"):
        tfmot.sparsity.keras.prune_low_magnitude(model)
    clustering = tfmot.clustering.keras
    wish = {
        "number_of_clusters": 4,
        "cluster_centroids_init": clustering.CentroidInitialization.LINEAR,
    }
    assert clustering.cluster_weights(model, **wish) is None
    assert clustering.cluster_weights(to_tf_keras(model), **wish) is not None
