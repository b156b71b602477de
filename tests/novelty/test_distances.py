"""Distances from what good photos are like, in numpy and in the graph."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasrecipes as kr
from kerasrecipes.novelty.detector import Novelty, depths_of
from kerasrecipes.novelty.distances import Places, Whole, pooled


def drawn(n: int, seed: int, size: int = 4, channels: int = 6) -> np.ndarray:
    """Features whose channels go together, and that have another mean and spread at each place."""
    fixed = np.random.default_rng(0)
    mean = fixed.normal(0, 3, (size, size, channels))
    spread = fixed.uniform(0.5, 2, (size, size, 1))
    mixing = fixed.normal(size=(channels, channels))
    noise = np.random.default_rng(seed).normal(size=(n, size, size, channels))
    return (mean + spread * (noise @ mixing)).astype(np.float32)


def test_a_place_is_far_off_by_its_own_mean_and_spread():
    found = Places.of(drawn(500, 1))
    good = found.distances(drawn(200, 2))
    # By it all places are alike: a mean squared distance near 1.
    assert good.shape == (200, 4, 4)
    assert np.abs(good.mean(axis=0) - 1).max() < 0.5
    odd = drawn(200, 2)
    odd[:, 1, 2] = odd[:, 3, 3]  # what is good there is not good here
    moved = found.distances(odd)
    assert moved[:, 1, 2].mean() > 2 * good[:, 1, 2].mean()
    np.testing.assert_allclose(np.delete(moved.reshape(200, -1), 6, 1),
                               np.delete(good.reshape(200, -1), 6, 1), rtol=1e-5)  # fmt: skip


def test_a_whole_photo_is_far_off_where_good_ones_never_go():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 1)) * np.array([1.0, 1.0]) + rng.normal(0, 0.1, (300, 2))
    found = Whole.of(rows)
    along, across = found.distances(np.array([[2.0, 2.0], [1.0, -1.0]]))
    assert across > 10 * along


def test_folds_part_no_part_and_scores_are_in_standard_deviations():
    features = [drawn(240, 3), drawn(240, 4, 8, 5)]
    found = Novelty.of(features, np.arange(240) // 2)
    held_out = found.scores([drawn(400, 5), drawn(400, 6, 8, 5)])
    assert abs(held_out.mean()) < 0.5 and 0.6 < held_out.std() < 1.5
    odd = [drawn(50, 7) + 6, drawn(50, 8, 8, 5)]
    assert found.scores(odd).min() > held_out.max()


def test_too_few_good_photos_are_refused():
    with pytest.raises(kr.DataError, match="cannot be learned from 19 of 19 parts"):
        Novelty.of([drawn(19, 1)], np.arange(19))
    with pytest.raises(kr.DataError, match="60 of 2 parts"):
        Novelty.of([drawn(60, 1)], np.arange(60) // 30)


def test_the_graph_answers_as_the_numbers_do():
    features = [drawn(60, 3), drawn(60, 4, 8, 5)]
    found = Novelty.of(features, np.arange(60))
    inputs = [keras.Input(one.shape[1:]) for one in features]
    model = keras.Model(inputs, found.attach(inputs))
    others = [drawn(30, 5), drawn(30, 6, 8, 5)]
    scores, maps = model.predict(others, verbose=0)
    np.testing.assert_allclose(scores[:, 0], found.scores(others), atol=1e-3)
    assert model.output_names == ["novelty", "novelty_map"] and maps.shape == (30, 64)
    # Most places of good photos are near 0, and a place that is not good is where it is.
    assert abs(np.median(maps)) < 1
    others[1][:, 5, 2] += 40
    where = model.predict(others, verbose=0)[1].reshape(30, 8, 8)
    assert (where.reshape(30, -1).argmax(axis=1) == 5 * 8 + 2).all()


def test_features_of_two_sizes_are_found_the_deepest_first():
    photo = keras.Input((64, 64, 3))
    x = layers.Conv2D(8, 3, 2, padding="same")(photo)
    fine = layers.ReLU()(layers.Conv2D(12, 3, 2, padding="same")(x))
    deep = layers.Conv2D(16, 3, 2, padding="same")(fine)
    wide = layers.Conv2D(300, 1)(deep)  # a covariance would have 90,000 numbers
    model = keras.Model(photo, layers.GlobalMaxPooling2D()(wide))
    assert depths_of(model)[0] is deep and depths_of(model)[1] is fine
    dense = keras.Model(photo, layers.Dense(2)(layers.Flatten()(photo)))
    with pytest.raises(kr.DataError, match="no features with places"):
        depths_of(dense)


def test_pooled_features_are_the_largest_and_the_spread():
    rows = pooled(np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1))
    np.testing.assert_allclose(rows, [[15, np.arange(16).std()]], rtol=1e-4)
