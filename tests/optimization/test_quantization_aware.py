"""A model that computes as its int8 file will, and the file."""

import keras
import numpy as np
import pytest
from keras import layers

from kerasrecipes.backbones import get_backbone
from kerasrecipes.errors import DataError
from kerasrecipes.export import get_format
from kerasrecipes.optimization.quantization_aware import make_quantization_aware
from kerasrecipes.quantization.batch_norm_folding import fold_batch_norm
from kerasrecipes.quantization.fake_quantization import ActivationRange, QuantizedConv2D
from tiny_bundle import contract_of

SIDE = 32
# Where integer and float arithmetic meet the middle between two levels, one of them goes up and
# the other down; on scores that is at most this much here.
FILE_TOLERANCE = 0.01


def photos(count, seed=0):
    rng = np.random.default_rng(seed)
    colours = rng.integers(0, 200, (count, 1, 1, 3)) + rng.normal(0, 30, (count, SIDE, SIDE, 3))
    return np.clip(colours, 0, 255).astype("uint8")


def normalized(x, activation=None):
    x = layers.BatchNormalization()(x)
    return x if activation is None else activation(x)


def every_kind_of_block():
    """Stem, inverted residual, squeeze-and-excite, pre-activation, pooling, concatenation."""
    keras.utils.set_random_seed(3)
    photo = keras.Input((SIDE, SIDE, 3), name="photo")
    x = layers.Rescaling(1 / 128, -1, name="scale")(photo)
    x = normalized(layers.Conv2D(8, 3, 2, use_bias=False, name="stem")(x), layers.ReLU(6.0))
    y = normalized(layers.Conv2D(24, 1, use_bias=False, name="expand")(x), layers.ReLU(6.0))
    y = layers.ZeroPadding2D()(y)
    y = normalized(layers.DepthwiseConv2D(3, name="depthwise")(y), layers.Activation("relu"))
    gate = layers.GlobalAveragePooling2D(keepdims=True)(y)
    gate = layers.Conv2D(24, 1, name="gate")(layers.Conv2D(6, 1, activation="relu")(gate))
    y = layers.Multiply()([y, layers.Activation("sigmoid")(gate)])
    y = normalized(layers.Conv2D(8, 1, name="project")(y))
    x = layers.Add(name="add")([x, y])
    y = normalized(x, layers.ReLU())  # pre-activation: nothing before it to fold into
    y = layers.Conv2D(16, 3, padding="same", name="behind")(y)
    y = layers.Concatenate()([layers.MaxPooling2D()(y), layers.AveragePooling2D(2)(y)])
    y = layers.Conv2D(256, 1, activation="silu", name="wide")(layers.Activation("silu")(y))
    y = normalized(layers.Conv2D(64, 1, name="last")(y), layers.ReLU(6.0))
    y = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(y))
    return keras.Model(photo, layers.Dense(3, activation="softmax", name="scores")(y))


@pytest.fixture(scope="module")
def trained():
    model = every_kind_of_block()
    rng = np.random.default_rng(1)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            shapes = [weight.shape for weight in layer.weights]
            layer.set_weights([rng.uniform(0.5, 1.5, shape) for shape in shapes])
    return model


@pytest.fixture(scope="module")
def aware(trained):
    return make_quantization_aware(trained, photos(24))


@pytest.mark.parametrize("backbone", ["efficientnet_lite0", "mobilenet_v2", "resnet50_v2"])
def test_folding_keeps_the_answers_and_the_names(backbone):
    model = get_backbone(backbone).build(64, None)
    rng = np.random.default_rng(1)
    norms = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    for norm in norms:
        norm.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in norm.weights])
    folded = fold_batch_norm(model)
    pixels = photos(2)[:, :, :, :].repeat(2, axis=1).repeat(2, axis=2).astype("float32")
    expected = np.asarray(model(pixels, training=False))
    found = np.asarray(folded(pixels, training=False))
    np.testing.assert_allclose(found, expected, atol=1e-5 * max(1, np.abs(expected).max()))
    assert not any(isinstance(layer, layers.BatchNormalization) for layer in folded.layers)
    assert {layer.name for layer in folded.layers} <= {layer.name for layer in model.layers}
    assert len(norms) > 40


def test_folding_leaves_the_model_alone_and_handles_shared_layers():
    photo = keras.Input((8, 8, 3))
    shared, norm = layers.Conv2D(3, 1), layers.BatchNormalization()
    model = keras.Model(photo, norm(shared(norm(shared(photo)))))
    norm.set_weights([np.full(3, value) for value in (2.0, 1.0, 3.0, 4.0)])
    before = [weight.copy() for weight in model.get_weights()]
    folded = fold_batch_norm(model)
    pixels = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    np.testing.assert_allclose(folded(pixels), model(pixels, training=False), atol=1e-5)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_subclassed_model_is_refused_by_name():
    class Own(keras.Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(ValueError, match="`model` must be a functional keras.Model.*'mine', a Own"):
        fold_batch_norm(Own(name="mine"))


def test_without_rounding_in_between_it_is_still_nearly_the_model(trained, aware):
    pixels = photos(16, seed=5).astype("float32")
    expected, found = (m.predict(pixels, verbose=0) for m in (trained, aware))
    assert 0 < np.abs(found - expected).max() < 0.1
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.9


def test_the_int8_file_is_the_simulated_model(aware, tmp_path):
    tflite = get_format("tflite")
    path = tmp_path / "model.tflite"
    tflite.write(aware, path, quantization="int8", contract=contract_of(["a", "b", "c"]))
    pixels = photos(64, seed=7)
    expected = aware.predict(pixels.astype("float32"), verbose=0)
    assert np.abs(tflite.load(path)(pixels)["scores"] - expected).max() <= FILE_TOLERANCE
    facts = tflite.inspect(path)
    # The head, and the convolution with an activation inside that is no ReLU.
    assert facts.kernels - facts.int8_kernels == 2
    # Values are not rounded again and again, as where a normalization was not folded.
    assert facts.ops["QUANTIZE"] < facts.kernels
    assert "FAKE_QUANT" not in facts.ops
    assert not facts.custom_ops


@pytest.mark.parametrize("quantization", ["float32", "float16", "dynamic"])
def test_a_model_that_is_made_for_int8_becomes_nothing_else(aware, tmp_path, quantization):
    with pytest.raises(ValueError, match=f"must be 'int8', not '{quantization}'"):
        get_format("tflite").write(
            aware,
            tmp_path / "m.tflite",
            quantization=quantization,
            contract=contract_of(["a", "b", "c"]),
        )
    assert not list(tmp_path.iterdir())


def test_layers_keep_their_names_and_blocks(part_sets):
    spec = get_backbone("efficientnet_lite0")
    model = spec.build(32, None)
    aware = make_quantization_aware(model, photos(2))
    kernels = {layer.name for layer in model.layers if layer.name.endswith("_conv")}
    assert kernels <= {layer.name for layer in aware.layers}
    assert len(kernels) == 49
    for layer in aware.layers:
        if isinstance(layer, ActivationRange | QuantizedConv2D):
            assert spec.block_of(layer.name) is not None, layer.name
    # The stem and the first block, which see the photo itself, stay as they are.
    assert type(aware.get_layer("block01_project_conv")) is layers.Conv2D
    assert type(aware.get_layer("block02_expand_conv")) is QuantizedConv2D


def test_black_and_white_are_never_clipped():
    photo = keras.Input((SIDE, SIDE, 3))
    x = layers.Rescaling(2.0, -5.0, name="scale")(photo)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, name="stem")(x))
    model = keras.Model(photo, layers.Dense(2)(x))
    aware = make_quantization_aware(model, np.full((2, SIDE, SIDE, 3), 100))
    pixels = aware.get_layer("scale_range")
    assert (float(pixels.low), float(pixels.high)) == (-5, 505)
    assert pixels.momentum == 1.0


def test_it_trains_and_the_ranges_follow(trained):
    aware = make_quantization_aware(trained, photos(8))
    before = [weight.copy() for weight in aware.get_weights()]
    aware.compile("adam", "sparse_categorical_crossentropy")
    aware.fit(photos(16).astype("float32"), np.arange(16) % 3, verbose=0)
    kernel = aware.get_layer("depthwise").kernel
    moved = [
        weight.path
        for weight, old in zip(aware.weights, before, strict=True)
        if np.any(np.asarray(weight) != old)
    ]
    assert kernel.path in moved
    assert any("_range/high" in path for path in moved)
    assert not any("scale_range" in path for path in moved)


@pytest.mark.parametrize("shape", [(0, SIDE, SIDE, 3), (4, 16, 16, 3), (SIDE, SIDE, 3)])
def test_calibration_photos_of_another_shape_are_refused(trained, shape):
    with pytest.raises(DataError, match=r"`calibration` must be photos of shape \(n, 32, 32, 3\)"):
        make_quantization_aware(trained, np.zeros(shape))


def test_a_model_without_anything_to_quantize_is_refused():
    photo = keras.Input((SIDE, SIDE, 3))
    x = layers.SeparableConv2D(4, 3)(photo)
    model = keras.Model(photo, layers.GlobalAveragePooling2D()(x), name="tiny")
    with pytest.raises(ValueError, match="No layer of 'tiny' can compute in 8 bits"):
        make_quantization_aware(model, photos(2))
