"""Augmentation of one's own: a function of (photo, seed) or layers of Keras, repeated."""

import json

import keras
import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.photos.augment import AUGMENTATIONS, get_augmentation, tried_augmentation
from kerasrecipes.settings.judging import judge_recipe


def speckled(photo, seed):
    rng = np.random.default_rng(seed)
    photo[rng.integers(0, len(photo), 5)] = 0
    return photo


def unseeded(photo, seed):
    return np.random.default_rng().permutation(photo)


def layers():
    return [keras.layers.RandomFlip(), keras.layers.RandomBrightness(0.2)]


@pytest.fixture
def photo():
    return np.random.default_rng(3).integers(0, 256, (24, 32, 3), np.uint8)


@pytest.mark.parametrize("made_by", [speckled, layers()], ids=["function", "layers"])
def test_one_seed_gives_one_view_whatever_came_before(made_by, photo, part_sets):
    views = get_augmentation(made_by)
    seen = [views.view(photo, (0, 1, number)) for number in range(6)]
    again = [views.view(photo, (0, 1, number)) for number in range(5, -1, -1)]
    for one, other in zip(seen, again[::-1], strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == np.float32 and one.shape == photo.shape
    assert len({one.tobytes() for one in seen}) > 3
    kept = photo.copy()
    views.view(photo, (2,))
    np.testing.assert_array_equal(photo, kept)
    figure = kr.draw_augmentation(part_sets[0], made_by, views=2, count=1, image_size=(48, 48))
    assert len(figure.axes) == 3


@pytest.mark.parametrize(
    ("augment", "message"),
    [
        (unseeded, "makes two views of one photo and one seed: it draws from elsewhere"),
        (lambda photo, seed: photo, "would have no effect: it left a photo as it is with 64"),
        (lambda photo, seed: photo[:9], r"makes the shape \(9, 48, 3\) of \(48, 48, 3\)"),
        (lambda photo, seed: photo + 9.5, r"returns numbers from .* 0 to 255: use np\.clip"),
        (lambda photo, seed: photo / 255, "0 to 255: do not scale them"),
        (lambda photo, seed: photo * np.nan, "returns numbers from nan to nan"),
        (lambda photo, seed: photo > 9, "returns bool"),
        (lambda photo, seed: photo.no, "AttributeError: 'numpy.ndarray' object has no attribute"),
        (lambda photo: photo, r"must be a function of \(photo, seed\)"),
        ([keras.layers.Dense(3)], "the layer Dense, which is none of keras.layers that change"),
        (keras.layers.MixUp(), "the layer MixUp, which is none of"),
        (keras.layers.RandomShear(0.1), "RandomShear, which Keras cannot make again"),
        ("tiles.train:speckled", "somebody's own Python made: a file keeps no more of it"),
        ('keras.layers:[["Dense", {"units": 3}]]', "holds layers that cannot be made"),
        ("keras.layers:[[3]]", "holds layers that cannot be made"),
        ([], "Unknown augmentation"),
    ],
)
def test_what_does_not_work_is_told_before_a_photo_is_read(augment, message):
    with pytest.raises(ValueError, match=message):
        judge_recipe(kr.ImageClassifier(augment=augment, image_size=(48, 48)))


def test_layers_are_saved_in_full_and_a_function_by_where_it_is(photo):
    told = json.loads(json.dumps(kr.ImageClassifier(augment=layers()).get_config()))
    read = kr.ImageClassifier.from_config(told)
    first, second = (get_augmentation(one) for one in (layers(), read.augment))
    for seed in range(4):
        np.testing.assert_array_equal(first.view(photo, (seed,)), second.view(photo, (seed,)))
    assert told == kr.ImageClassifier(augment=layers()).get_config()
    assert kr.ImageClassifier(augment=speckled).get_config()["augment"].endswith(":speckled")


def test_a_name_is_found_by_saved_recipes(monkeypatch):
    monkeypatch.setattr("kerasrecipes.photos.augment.AUGMENTATIONS", dict(AUGMENTATIONS))
    kr.register_augmentation("speckled", speckled)
    recipe = kr.ImageClassifier.from_config(kr.ImageClassifier(augment="speckled").get_config())
    assert tried_augmentation(recipe.augment, (48, 48)).made_by is speckled


def test_a_run_says_where_its_views_came_from(part_sets, tiny_spec, tmp_path):
    schedule = kr.UnfreezeSchedule.head_only(1)
    own = {"augment": speckled, "views": 2, "schedule": schedule}
    recipe = kr.ImageClassifier(tiny_spec(), image_size=(48, 48), **own)
    recipe.fit(*part_sets[:2], verbose=False, run_folder=tmp_path / "run")
    assert "test_own_views:speckled" in (tmp_path / "run" / "recipe.toml").read_text()
    read = kr.ImageClassifier.from_config(recipe.get_config())
    with pytest.raises(ValueError, match="test_own_views:speckled', what somebody's own Python"):
        read.fit(*part_sets[:2], verbose=False, run_folder=tmp_path / "run", resume=True)
