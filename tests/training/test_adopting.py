"""A classifier that was trained elsewhere, taken as it is."""

import keras
import numpy as np
import pytest
from keras import layers

from kerasrecipes import DataError, adopt_model


def own_model(classes=3, activation="softmax", shape=(24, 24, 3)):
    keras.utils.set_random_seed(3)
    photo = keras.Input(shape)
    x = layers.Conv2D(4, 3, strides=2, activation="relu")(photo)
    x = layers.Dropout(0.5)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(photo, layers.Dense(classes, activation=activation)(x), name="own")


def test_it_answers_as_it_did_and_is_fitted(part_sets):
    train, val, test = part_sets
    model = own_model()
    before = model.get_weights()
    recipe = adopt_model(model, train, val, scaling="-1..1")
    photos = test.stack((24, 24, 3)).astype(np.float32)
    expected = model.predict(photos / 127.5 - 1, verbose=0)
    np.testing.assert_allclose(recipe.predict(test), expected, atol=1e-5)
    assert recipe.labels_ == test.class_names and recipe.report_.stages == []
    assert recipe.evaluate(test).n == len(test)
    with pytest.raises(DataError):
        recipe.evaluate(val)  # what it was chosen by is no test
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            {"classes": 4},
            r"have 3 classes, and the model 'own' answers with the shape .*4",
        ),
        ({"activation": None}, "probabilit"),
        ({"shape": (24, 24, 1)}, r"photos of 1 channel, .* Scan them with channels=1"),
        ({"shape": (24, 24, 17)}, r"must take one photo, RGB .* grey .* or of "),
    ],
)
def test_what_does_not_suit_is_said(part_sets, model, message):
    with pytest.raises(ValueError, match=message):
        adopt_model(own_model(**model), *part_sets[:2], scaling="0..1")
