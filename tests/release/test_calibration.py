"""The photos that calibration sees: of every class, and of every kind that there is in it."""

import keras
import numpy as np
import pytest
from PIL import Image

from kerasrecipes import scan_photos
from kerasrecipes.release import calibration
from kerasrecipes.release.calibration import calibration_inputs, representatives

RARE = 3


@pytest.fixture(scope="module")
def uneven(tmp_path_factory):
    """Two classes of 40 dark photos each, three of which are bright."""
    root = tmp_path_factory.mktemp("uneven")
    rng = np.random.default_rng(0)
    for kind in ("left", "right"):
        (root / kind).mkdir()
        for i in range(40):
            level = 200 if i < RARE else 50
            pixels = np.clip(rng.normal(level, 4, (8, 8, 3)), 0, 255).astype("uint8")
            Image.fromarray(pixels).save(root / kind / f"{i:02}.png")
    return scan_photos(root)


@pytest.fixture(scope="module")
def model():
    """Says of a photo how bright it is."""
    photo = keras.Input((8, 8, 3))
    pool = keras.layers.GlobalAveragePooling2D(name="pool")(photo)
    return keras.Model(photo, keras.layers.Dense(2, activation="softmax")(pool))


def bright(pixels):
    return (pixels.mean(axis=(1, 2, 3)) > 120).reshape(2, -1)


def test_a_rare_kind_is_among_the_photos_of_each_class(uneven, model):
    drawn = [calibration_inputs(uneven, (8, 8, 3), seed, 20) for seed in range(6)]
    assert not all(bright(pixels).any(axis=1).all() for pixels in drawn)  # by chance it is not
    for seed in range(6):
        chosen = calibration_inputs(uneven, (8, 8, 3), seed, 20, model)
        assert chosen.shape == (20, 8, 8, 3)
        assert bright(chosen).any(axis=1).all()
    again = calibration_inputs(uneven, (8, 8, 3), 5, 20, model)
    np.testing.assert_array_equal(chosen, again)


def test_photos_are_read_in_another_size_than_they_are_compared_in(uneven, model):
    assert calibration_inputs(uneven, (12, 10, 3), 0, 8, model).shape == (8, 12, 10, 3)


def test_without_a_choice_no_model_is_asked(uneven):
    few = uneven.select(range(6))
    # No model could have such an input.
    assert len(calibration_inputs(few, (8, 8, 3), 0, 20, model="never asked")) == 6


def test_equal_rows_are_chosen_once(recwarn):
    rows = np.repeat(np.eye(3), 4, axis=0)
    chosen = representatives(rows, 5, seed=1)
    assert len(set(chosen)) == 5 and len(np.unique(rows[chosen], axis=0)) == 3
    assert list(representatives(rows, 12, seed=1)) == list(range(12))
    assert not recwarn.list


def test_labels_that_are_all_rare_are_calibrated_with(make, monkeypatch):
    """A draw of few has other strata than one of many: each of its labels is too rare to be one."""
    photos = make.photo_set([(f"label {i % 40:02}",) for i in range(400)])
    monkeypatch.setattr(calibration, "_features", lambda model, many: np.eye(len(many)))
    monkeypatch.setattr(
        type(photos), "stack", lambda chosen, shape: [p.label for p in chosen.items]
    )
    found = calibration_inputs(photos, (8, 8, 3), 0, count=60, model=object())
    assert len(found) >= 60 and len(set(found)) > 30
