"""What a head may be besides the usual: other poolings, hidden layers, and cosines."""

import keras
import numpy as np
import pytest

from kerasrecipes import (
    ImageClassifier,
    NoEffectError,
    TextClassifier,
    UnfreezeSchedule,
    load_recipe,
)
from kerasrecipes.bundles.model_file import load_model
from kerasrecipes.export import get_format
from kerasrecipes.export.tflite.graph import inspect_file
from kerasrecipes.heads import list_heads, make_head
from kerasrecipes.heads.parts import EqualLengths, GeneralizedMeanPooling2D
from kerasrecipes.heads.pooled import POOLINGS
from kerasrecipes.settings.judging import judge_recipe
from tiny_bundle import contract_of

RNG = np.random.default_rng(0)
MAPS = RNG.normal(0, 1, (4, 5, 3, 6)).astype("float32")


def model_of(name="classification", **choices):
    features = keras.Input((5, 3, 6))
    head = make_head(name, dropout=0.0, **choices)
    return keras.Model(features, head.build(features, width=3, seed=5))


def pooled_by(**choices):
    model = model_of(**choices)
    return keras.Model(model.input, model.get_layer("pool").output)(MAPS).numpy()


def test_poolings_are_what_they_are_called():
    flat = MAPS.reshape(4, 15, 6)
    np.testing.assert_allclose(pooled_by(pooling="average"), flat.mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(pooled_by(pooling="max"), flat.max(axis=1), atol=1e-6)
    # Before anything is learned, all places count alike.
    np.testing.assert_allclose(pooled_by(pooling="attention"), flat.mean(axis=1), atol=1e-6)
    mean = (np.maximum(flat, 0) ** 3).mean(axis=1) ** (1 / 3)
    np.testing.assert_allclose(pooled_by(pooling="gem"), mean, atol=1e-4)


def test_attention_counts_places_as_it_learned():
    model = model_of(pooling="attention")
    kernel = RNG.normal(size=(1, 1, 6, 1))
    model.get_layer("attention_pool_score").set_weights([kernel])
    flat = MAPS.reshape(4, 15, 6)
    shares = np.exp(flat @ kernel[0, 0])
    wanted = (flat * shares / shares.sum(axis=1, keepdims=True)).sum(axis=1)
    found = keras.Model(model.input, model.get_layer("pool").output)(MAPS).numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_a_generalized_mean_goes_from_the_average_to_the_maximum_and_stays_finite():
    pool = GeneralizedMeanPooling2D()
    x = np.abs(MAPS)
    x[..., 0], x[..., 1] = 0, 1e4 * x[..., 1]
    pool(x)
    pool.power_change.assign(-2.0)
    np.testing.assert_allclose(pool(x), x.mean(axis=(1, 2)), rtol=1e-3, atol=1e-5)
    pool.power_change.assign(1.0)
    np.testing.assert_allclose(pool(x), x.max(axis=(1, 2)), rtol=1e-3, atol=1e-5)
    model = model_of(pooling="gem")
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.train_on_batch(np.minimum(x, 3), np.eye(3)[[0, 1, 2, 0]])
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    assert float(model.get_layer("gem_pool").power) != 3


def test_several_depths_are_pooled_each():
    depths = [keras.Input((6, 6, 4)), keras.Input((5, 3, 6))]
    answers = make_head("classification", pooling="attention").build(depths, 3, seed=0)
    names = {layer.name for layer in keras.Model(depths, answers).layers}
    assert {"attention_pool_1_below", "attention_pool_1_below_score", "attention_pool"} <= names


def test_cosines_do_not_see_how_long_features_are_and_learn_one_scale():
    model = model_of(cosine=True)
    np.testing.assert_allclose(model(100 * MAPS), model(MAPS), atol=1e-5)
    logits = model.get_layer("logits")
    assert not logits.use_bias
    np.testing.assert_allclose(np.linalg.norm(logits.kernel, axis=0), 10, rtol=1e-5)
    model.compile(keras.optimizers.Adam(0.05), "mse")
    for _ in range(3):
        model.train_on_batch(MAPS, np.eye(3)[[0, 1, 2, 0]])
    lengths = np.linalg.norm(logits.kernel, axis=0)
    np.testing.assert_allclose(lengths, lengths[0], rtol=1e-5)
    assert abs(lengths[0] - 10) > 0.01
    kernel = RNG.normal(size=(7, 3)).astype("float32")
    nearest = EqualLengths()(kernel).numpy()
    # Of all kernels with columns of one length, none is nearer.
    for scale in (0.97, 1.03):
        assert np.square(nearest - kernel).sum() < np.square(scale * nearest - kernel).sum()


@pytest.mark.parametrize("name", list_heads())
def test_every_head_has_the_choices(name):
    names = [layer.name for layer in model_of(name, pooling="gem", hidden=(8, 4)).layers]
    assert [one for one in names if one in {"gem_pool", "hidden_1", "hidden_2"}] == [
        "gem_pool", "hidden_1", "hidden_2",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="Unknown pooling 'gen'. Did you mean 'gem'"):
        make_head(name, pooling="gen")
    if name in {"margin", "embedding"}:
        with pytest.raises(NoEffectError, match=f"the head '{name}' compares directions anyway"):
            make_head(name, cosine=True)
    else:
        assert "feature_direction" in [layer.name for layer in model_of(name, cosine=True).layers]


def test_features_that_are_pooled_already_are_not_pooled_otherwise():
    for pooling in POOLINGS[1:]:
        with pytest.raises(ValueError, match=f"`pooling='{pooling}'` would have no effect: this "):
            make_head("classification", pooling=pooling).build(keras.Input((6,)), 3, seed=0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden": (1, 2, 3)}, "`hidden` must be the units of one or two layers, each 1 to 4096"),
        ({"hidden_dropout": 0.1}, "`hidden_dropout` would have no effect without `hidden`"),
        ({"cosine": True, "start": "probe"}, "none of `head_norm`, `hidden`, `cosine`"),
        ({"hidden": (8,), "start": "probe"}, "none of `head_norm`, `hidden`, `cosine`"),
        ({"pooling": "gem", "start": "probe"}, "a `pooling` that learns"),
        ({"pooling": "attention", "start": "probe"}, "a `pooling` that learns"),
    ],
)
def test_what_does_not_go_is_said_before_anything_is_read(settings, message):
    with pytest.raises(ValueError) as error:
        judge_recipe(ImageClassifier(**settings))
    assert message in str(error.value)


def test_only_a_linear_head_starts_from_the_probe_by_itself():
    for linear in ({}, {"pooling": "max"}, {"pooling": "average"}):
        assert judge_recipe(ImageClassifier(**linear)).from_probe
    for other in ({"pooling": "gem"}, {"hidden": (8,)}, {"cosine": True}):
        assert not judge_recipe(ImageClassifier(**other)).from_probe
        assert "begins with random weights" in judge_recipe(ImageClassifier(**other)).why_no_probe
    for told in ({}, {"cosine": True, "start": "head"}):
        assert not judge_recipe(ImageClassifier(**told)).why_no_probe
    with pytest.raises(ValueError, match="`pooling` cannot be used for texts: the backbone has"):
        judge_recipe(TextClassifier(pooling="max"))


def test_it_is_fitted_saved_and_loaded_as_it_was_chosen(part_sets, tiny_spec, tmp_path):
    recipe = ImageClassifier(
        tiny_spec(), image_size=(48, 48), augment="none", pooling="gem", hidden=(8,),
        hidden_dropout=0.1, cosine=True, schedule=UnfreezeSchedule.head_only(1),
    )  # fmt: skip
    recipe.fit(*part_sets[:2], verbose=False)
    loaded = load_recipe(recipe.save(tmp_path / "parts"))
    assert (loaded.pooling, loaded.hidden, loaded.cosine) == ("gem", (8,), True)
    found, answers = loaded.predict(part_sets[2]), recipe.predict(part_sets[2])
    np.testing.assert_allclose(found, answers, atol=1e-6)


@pytest.mark.parametrize("pooling", ["gem", "attention"])
def test_int8_files_keep_what_learns_in_float(pooling, tiny, tmp_path):
    photos, _ = tiny.colour_photos(40, seed=2)
    photo = keras.Input((32, 32, 3))
    x = keras.layers.Rescaling(1 / 128, -1)(photo)
    x = keras.layers.Conv2D(8, 3, 2, activation="relu", name="conv")(x)
    head = make_head("classification", pooling=pooling, dropout=0.0)
    model = keras.Model(photo, head.build(x, 3, seed=0))
    # A channel that is 0 everywhere: its mean would be 0 / 0.
    model.get_layer("conv").bias.assign([-1000.0] + 7 * [0.0])
    if pooling == "attention":
        model.get_layer("attention_pool_score").set_weights([RNG.normal(size=(1, 1, 8, 1))])
    model.save(tmp_path / "model.keras")
    expected = load_model(tmp_path / "model.keras").predict(photos, verbose=0)
    path, tflite = tmp_path / "model.tflite", get_format("tflite")
    contract = contract_of(tiny.CLASS_NAMES)
    tflite.write(model, path, quantization="int8", calibration=photos, contract=contract)
    facts = inspect_file(path)
    assert not facts.custom_ops and facts.int8_kernels
    np.testing.assert_allclose(tflite.load(path)(photos)["scores"], expected, atol=0.03)
