"""Maps of where a score comes from, on models whose answer is known."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasrecipes as kr
from kerasrecipes.explaining.class_maps import ClassMaps
from spotting import SIDE, spotted, spotter


def linear_model(seed: int = 0) -> keras.Model:
    """Features, both poolings, and one dense layer, as the head of a classifier has them."""
    keras.utils.set_random_seed(seed)
    photo = keras.Input((SIDE, SIDE, 3))
    x = layers.Conv2D(8, 3, 2, padding="same", activation="relu")(photo)
    x = layers.Conv2D(8, 3, 2, padding="same", activation="relu")(x)
    x = layers.Concatenate()([layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)])
    bias = keras.initializers.RandomNormal(seed=seed)
    return keras.Model(photo, layers.Dense(3, bias_initializer=bias, name="logits")(x))


def photos(count: int = 4) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (count, SIDE, SIDE, 3)).astype(np.float32)


def test_shares_of_a_linear_head_add_up_to_its_score():
    model = linear_model()
    maps, answers, chosen = ClassMaps(model, "exact").of(photos(), np.array([0, 1, 2, -1]))
    bias = model.layers[-1].bias.numpy()
    for found, logits, k in zip(maps, answers - bias, chosen, strict=True):
        # A score is compared with the mean of the others.
        assert found.sum() == pytest.approx(logits[k] - np.delete(logits, k).mean(), rel=1e-4)
    assert chosen[3] == answers[3].argmax() and (chosen[:3] == [0, 1, 2]).all()


@pytest.mark.parametrize("method", ["layercam", "exact"])
@pytest.mark.parametrize(("row", "column"), [(4, 20), (26, 6)])
def test_the_map_is_where_the_spot_is(method, row, column):
    model = spotter()
    for value, k in ((255, 0), (0, 1)):
        found = kr.heatmap(model, spotted(row, column, value), method=method)
        assert found.label == str(k) and found.score > 0.99
        assert found.values.shape == (SIDE, SIDE) and found.values.max() == 1
        assert abs(found.peak[0] - row) <= 2 and abs(found.peak[1] - column) <= 2
        # Nothing else speaks for it.
        assert found.values[(row + 16) % SIDE, (column + 16) % SIDE] == 0


def test_nested_and_sequential_models_give_the_map_of_flat_ones():
    flat = spotter()
    photo = keras.Input((SIDE, SIDE, 3))
    nested = keras.Model(photo, keras.Model(flat.input, flat.output)(photo * 1.0))
    sequential = keras.Sequential([keras.Input((SIDE, SIDE, 3)), flat])
    expected = kr.heatmap(flat, spotted(8, 8, 255)).values
    for model in (
        nested,
        sequential,
        keras.Sequential([keras.Input((SIDE, SIDE, 3)), *flat.layers[1:]]),
    ):
        np.testing.assert_allclose(
            kr.heatmap(model, spotted(8, 8, 255)).values, expected, atol=1e-5
        )


def test_frozen_weights_and_batch_norm_are_explained_as_they_predict():
    keras.utils.set_random_seed(1)
    photo = keras.Input((SIDE, SIDE, 3))
    x = layers.Conv2D(4, 3, activation="relu")(photo)
    x = layers.BatchNormalization()(x)
    x = layers.Dropout(0.5)(x)
    model = keras.Model(photo, layers.Dense(2, name="logits")(layers.GlobalAveragePooling2D()(x)))
    model.trainable = False
    maps, answers, _ = ClassMaps(model, "exact").of(photos(), np.array([-1] * 4))
    np.testing.assert_allclose(answers, model.predict(photos(), verbose=0), rtol=1e-4)
    assert np.abs(maps).max() > 0


def test_numbers_and_single_scores_are_explained():
    photo = keras.Input((SIDE, SIDE, 3))
    x = layers.Conv2D(1, 1, kernel_initializer="ones")(photo)
    model = keras.Model(photo, layers.Dense(1, kernel_initializer="ones")(layers.Flatten()(x)))
    pixels = spotted(10, 10, 255)
    maps, answers, _ = ClassMaps(model, "exact").of(pixels[None].astype(np.float32), np.array([-1]))
    assert maps[0].sum() == pytest.approx(answers[0, 0], rel=1e-4)


def test_what_cannot_be_explained_is_refused():
    with pytest.raises(ValueError, match="Unknown method 'gradcam'"):
        kr.Explainer(spotter(), method="gradcam")
    photo = keras.Input((SIDE, SIDE, 3))
    dense = keras.Model(photo, layers.Dense(2)(layers.Flatten()(photo)))
    with pytest.raises(ValueError, match="no features with places"):
        kr.Explainer(dense)

    class Own(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ValueError, match="functional or sequential"):
        kr.heatmap(Own(), spotted(1, 1, 0))
    with pytest.raises(ValueError, match=r"shape \(32, 32, 3\)"):
        kr.heatmap(spotter(), np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(ValueError, match="`of` must be a class, or its number from 0 to 1, not 2"):
        kr.heatmap(spotter(), spotted(1, 1, 0), of=2)
