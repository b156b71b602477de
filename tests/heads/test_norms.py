"""Heads that normalize each photo's features by themselves: any batch size, any file."""

import keras
import numpy as np
import pytest

from kerasrecipes.heads import list_heads, make_head
from tiny_bundle import contract_of

NORMS = ["layer", "group"]


def model_of(norm, name="classification"):
    features = keras.Input((4, 4, 48))
    head = make_head(name, norm=norm)
    return keras.Model(features, head.build(features, width=3, seed=5))


@pytest.mark.parametrize("norm", NORMS)
def test_the_scale_of_features_and_the_other_photos_do_not_matter(norm):
    model = model_of(norm)
    x = 10 * np.random.default_rng(0).normal(size=(4, 4, 4, 48)).astype("float32")
    scores = model(x).numpy()
    np.testing.assert_allclose(model(100 * x).numpy(), scores, atol=0.01)
    assert np.abs(model_of(None)(100 * x).numpy() - scores).max() > 0.1
    # Alone, in inference and in training, a photo gets the same features as among others.
    normed = keras.Model(model.input, model.get_layer("head_norm").output)
    together = normed(x, training=True).numpy()
    np.testing.assert_allclose(normed(x[:1], training=False).numpy(), together[:1], atol=1e-5)
    assert together.mean() == pytest.approx(0, abs=1e-4)


def test_a_batch_normalization_would_depend_on_the_batch():
    """The trap of tiny batches: of two photos, it leaves little more than their signs."""
    norm = keras.layers.BatchNormalization()
    x = np.random.default_rng(0).normal(size=(2, 48)).astype("float32")
    two = norm(x, training=True).numpy()
    assert np.abs(np.abs(two) - 1).mean() < 0.2
    np.testing.assert_array_equal(norm(x[:1], training=True).numpy(), np.zeros((1, 48)))


def test_groups_are_normalized_one_by_one():
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 48)).astype("float32")
    x[..., :3] *= 50
    model = model_of("group")
    (layer,) = [one for one in model.layers if one.name == "head_norm"]
    assert layer.groups == 32
    values = keras.Model(model.input, layer.output)(x).numpy()
    groups = values.reshape(2, 32, -1)
    np.testing.assert_allclose(groups.mean(axis=2), 0, atol=1e-4)


@pytest.mark.parametrize("norm", NORMS)
def test_int8_files_need_built_in_operators_only(norm, tiny, tmp_path):
    from kerasrecipes.export import get_format
    from kerasrecipes.export.tflite.graph import inspect_file

    photos, labels = tiny.colour_photos(96, seed=2)
    photo = keras.Input((32, 32, 3))
    x = keras.layers.Rescaling(1 / 128, -1)(photo)
    x = keras.layers.Conv2D(24, 3, 2, activation="relu")(x)
    scores = make_head("classification", norm=norm, dropout=0.0).build(x, 3, seed=0)
    model = keras.Model(photo, scores)
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    model.fit(photos.astype("float32"), labels, epochs=6, batch_size=2, verbose=0)
    path, tflite = tmp_path / "model.tflite", get_format("tflite")
    tflite.write(
        model,
        path,
        quantization="int8",
        calibration=photos[:40],
        contract=contract_of(tiny.CLASS_NAMES),
    )
    facts = inspect_file(path)
    assert not facts.custom_ops and "RSQRT" in facts.ops
    photos, labels = tiny.colour_photos(60, seed=3)
    expected = model.predict(photos.astype("float32"), verbose=0)
    found = tflite.load(path)(photos)["scores"]
    assert np.mean(found.argmax(1) == expected.argmax(1)) >= 0.95
    assert np.abs(found - expected).mean() < 0.05
    assert np.mean(expected.argmax(1) == labels) > 0.8


@pytest.mark.parametrize("name", list_heads())
def test_every_head_has_the_norms(name):
    assert any(layer.name == "head_norm" for layer in model_of("layer", name).layers)
    with pytest.raises(ValueError, match="Unknown head norm 'grup'. Did you mean 'group'"):
        make_head(name, norm="grup")
