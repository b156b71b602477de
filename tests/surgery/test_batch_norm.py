"""Re-estimated statistics are those of the layers' inputs, exactly, whatever the batches."""

import keras
import numpy as np
import pytest
from keras import layers

from kerasrecipes import DataError, TrainingError
from kerasrecipes.errors import NoEffectError
from kerasrecipes.surgery.batch_norm import reestimate_batch_norm


def photos(count=10, side=12):
    rng = np.random.default_rng(0)
    brightness = rng.uniform(0, 255, (count, 1, 1, 1))  # photos differ more than their pixels
    return (brightness + rng.normal(0, 20, (count, side, side, 3))).astype("float32")


def make_model(trainable=True):
    """Three levels, with two layers on the second, a depthwise one, and a dropout between."""
    photo = keras.Input((12, 12, 3))
    x = layers.BatchNormalization(name="first")(layers.Conv2D(6, 3, strides=2)(photo))
    x = layers.Dropout(0.5)(layers.ReLU()(x))
    a = layers.BatchNormalization(name="left")(layers.DepthwiseConv2D(3, padding="same")(x))
    b = layers.BatchNormalization(name="right", momentum=0.5)(layers.Conv2D(6, 1)(x))
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(layers.Add()([x, a, b])))
    x = layers.BatchNormalization(name="last")(layers.Dense(5)(x))
    model = keras.Model(photo, layers.Dense(2)(x), name="net")
    rng = np.random.default_rng(1)
    model.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in model.get_weights()])
    for norm in norms(model):
        norm.trainable = trainable
    return model


def norms(model):
    return [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]


def inputs_of(model, norm, x):
    return np.asarray(keras.Model(model.input, norm.input)(x, training=False), np.float64)


@pytest.mark.parametrize("trainable", [True, False])
def test_every_layer_gets_the_statistics_of_its_input(trainable):
    model, x = make_model(trainable), photos()
    others = {w.path: w.numpy() for w in model.weights if "moving" not in w.path}
    change = reestimate_batch_norm(model, x, batch_size=4)
    for norm in norms(model):
        values = inputs_of(model, norm, x).reshape(-1, norm.moving_mean.shape[0])
        np.testing.assert_allclose(norm.moving_mean, values.mean(0), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(norm.moving_variance, values.var(0), rtol=1e-4, atol=1e-7)
        assert norm.trainable == trainable
    for weight in model.weights:
        if weight.path in others:
            np.testing.assert_array_equal(weight.numpy(), others[weight.path])
    assert (change.layers, change.photos, change.passes) == (4, 10, 3)


def test_all_photos_in_one_batch_of_plain_keras_give_the_same():
    """With one batch and momentum 0, training mode without dropout is the truth."""
    model, plain, x = make_model(), make_model(), photos()
    next(layer for layer in plain.layers if isinstance(layer, layers.Dropout)).rate = 0.0
    for norm in norms(plain):
        norm.momentum = 0.0
    plain(x, training=True)
    reestimate_batch_norm(model, x, batch_size=3)
    for one, other in zip(norms(model), norms(plain), strict=True):
        np.testing.assert_allclose(one.moving_mean, other.moving_mean, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(one.moving_variance, other.moving_variance, rtol=1e-3)


def test_batches_and_their_kind_have_no_influence():
    import tensorflow as tf

    x = photos()
    kinds = [
        x,
        [x[:1], x[1:]],
        [(x[:7], None), (x[7:], None)],
        tf.data.Dataset.from_tensor_slices((x, np.zeros(10))).shuffle(10).batch(4),
    ]
    found = []
    for kind in kinds:
        model = make_model()
        reestimate_batch_norm(model, kind)
        found.append(model.get_weights())
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)


def test_a_second_time_changes_nothing_and_the_first_is_told():
    model, x = make_model(), photos()
    first = reestimate_batch_norm(model, x)
    assert first.largest_shift > 10 and first.largest_ratio > 10
    assert str(first).startswith("4 BatchNormalization layers re-estimated on 10 photos in 3 pas")
    again = reestimate_batch_norm(model, x)
    assert again.largest_shift < 1e-5
    assert again.largest_ratio == pytest.approx(1, abs=1e-5)


def test_statistics_can_change_without_the_answers():
    model, x = make_model(), photos()
    answers = np.asarray(model(x, training=False))
    change = reestimate_batch_norm(model, x, keep_answers=True)
    np.testing.assert_allclose(model(x, training=False), answers, rtol=1e-4, atol=1e-4)
    assert change.passes == 1 and change.largest_shift > 1
    # Another time, with or without it, there is nothing to change.
    for keep_answers in (True, False):
        again = reestimate_batch_norm(model, x, keep_answers=keep_answers)
        assert again.largest_shift < 1e-3 and again.largest_ratio < 1.001


def test_what_was_taken_away_is_made_up_for_in_each_channel():
    model, x = make_model(), photos()
    norm = model.get_layer("left")
    former = np.asarray(keras.Model(model.input, norm.output)(x, training=False))
    reestimate_batch_norm(model, x, keep_answers=True)
    convolution = next(y for y in model.layers if isinstance(y, layers.DepthwiseConv2D))
    kernel, bias = convolution.get_weights()
    convolution.set_weights([np.where(kernel > 1, kernel, 0), bias])
    reestimate_batch_norm(model, x)
    found = np.asarray(keras.Model(model.input, norm.output)(x, training=False))
    assert np.abs(found - former).max() > 1e-3
    axes = (0, 1, 2)
    np.testing.assert_allclose(found.mean(axes), former.mean(axes), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found.std(axes), former.std(axes), rtol=1e-2)


def test_without_gamma_and_beta_the_answers_cannot_be_kept():
    photo = keras.Input((4, 4, 3))
    model = keras.Model(photo, layers.BatchNormalization(scale=False)(photo))
    with pytest.raises(NoEffectError, match="has both gamma and beta, so `keep_answers`"):
        reestimate_batch_norm(model, photos()[:, :4, :4], keep_answers=True)


def test_a_large_offset_does_not_swallow_the_variance():
    photo = keras.Input((4, 4, 3))
    model = keras.Model(photo, layers.BatchNormalization(name="norm")(photo))
    x = (1e4 + np.random.default_rng(0).normal(0, 1, (40, 4, 4, 3))).astype("float32")
    reestimate_batch_norm(model, x, batch_size=7)
    truth = x.astype(np.float64).var((0, 1, 2))
    np.testing.assert_allclose(model.get_layer("norm").moving_variance, truth, rtol=1e-3)


def test_photo_sets_are_read_from_their_files(part_sets):
    photo = keras.Input((48, 48, 3))
    model = keras.Model(photo, layers.BatchNormalization(name="norm")(photo))
    train = part_sets[0]
    change = reestimate_batch_norm(model, train)
    assert change.photos == len(train)
    from kerasrecipes.photos.decoding.decode import read_photo

    pixels = [read_photo(one, (48, 48), train.policy) for one in train.photos]
    truth = np.stack(pixels).astype(np.float64)
    norm = model.get_layer("norm")
    np.testing.assert_allclose(norm.moving_mean, truth.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(norm.moving_variance, truth.var((0, 1, 2)), rtol=1e-4)


class Shrinking:
    """Gives fewer photos each time."""

    def __init__(self):
        self.passes = 0

    def __iter__(self):
        self.passes += 1
        return iter([photos(10 // self.passes)])


def damaged():
    x = photos()
    x[3, 2, 2] = np.nan
    return x


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (Shrinking(), DataError, "Pass 2 over `photos` gave 5 photos, the first one 10."),
        ([], DataError, "Pass 1 over `photos` gave 0 photos"),
        (damaged(), TrainingError, "The input of 'first' is not finite"),
    ],
    ids=["fewer", "none", "nan"],
)
def test_what_ends_early_leaves_the_statistics_alone(data, error, message):
    model = make_model()
    before = model.get_weights()
    with pytest.raises(error, match=message):
        reestimate_batch_norm(model, data)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_can_be_read_only_once_is_refused():
    with pytest.raises(ValueError, match="`photos` is a generator, which can be read only once"):
        reestimate_batch_norm(make_model(), (x for x in [photos()]))


def test_models_without_a_layer_to_set_are_refused():
    photo = keras.Input((12, 12, 3))
    bare = keras.Model(photo, layers.ReLU()(photo), name="bare")
    nested = keras.Model(photo, make_model()(photo))
    shared = layers.BatchNormalization(name="shared")
    twice = keras.Model(photo, shared(layers.ReLU()(shared(photo))))
    for model, message in (
        (bare, "The model 'bare' has no BatchNormalization"),
        (nested, "The BatchNormalization inside 'net' cannot be reached"),
        (twice, "The layer 'shared' is called more than once"),
        ("net", "`model` must be a functional keras.Model of one photo, not a str"),
    ):
        with pytest.raises(ValueError, match=message):
            reestimate_batch_norm(model, photos())
