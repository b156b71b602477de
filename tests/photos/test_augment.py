from dataclasses import replace

import numpy as np
import pytest

from kerasrecipes import AUGMENTATIONS, Augmentation
from kerasrecipes.photos.augment import augment_photo, get_augmentation


@pytest.fixture
def photo():
    rng = np.random.default_rng(3)
    return rng.integers(60, 190, (40, 56, 3)).astype(np.uint8)


def draw(photo, augmentation, seed=0):
    return augment_photo(photo, np.random.default_rng(seed), augmentation)


@pytest.mark.parametrize("name", sorted(AUGMENTATIONS))
def test_views_are_photos_and_repeat(photo, name):
    augmentation = get_augmentation(name)
    for seed in range(20):
        view = draw(photo, augmentation, seed)
        assert view.shape == photo.shape and view.dtype == np.float32
        assert view.min() >= 0 and view.max() <= 255
        np.testing.assert_array_equal(view, draw(photo, augmentation, seed))


def test_none_changes_nothing(photo):
    np.testing.assert_allclose(draw(photo, get_augmentation("none")), photo, atol=1e-3)


@pytest.mark.parametrize("name", sorted(set(AUGMENTATIONS) - {"none", "flips"}))
def test_seeds_give_different_views(photo, name):
    views = {draw(photo, get_augmentation(name), seed).tobytes() for seed in range(20)}
    # Two draws of the same operations, or of none that matters here, are the same view.
    assert len(views) >= (18 if name == "randaugment" else 20)


def test_flips_mirror_and_leave_every_pixel(photo):
    seen = set()
    for seed in range(30):
        view = draw(photo, get_augmentation("flips"), seed)
        for name, mirrored in {
            "same": photo,
            "left-right": photo[:, ::-1],
            "up-down": photo[::-1],
            "both": photo[::-1, ::-1],
        }.items():
            if np.allclose(view, mirrored, atol=1e-3):
                seen.add(name)
    assert seen == {"same", "left-right", "up-down", "both"}


def test_shift_moves_by_whole_pixels_and_fills_by_reflection(photo):
    for seed in range(10):
        view = draw(photo, Augmentation(shift_fraction=0.1), seed)
        padded = np.pad(photo, ((8, 8), (8, 8), (0, 0)), mode="reflect").astype(np.float32)
        places = [
            (y, x)
            for y in range(17)
            for x in range(17)
            if np.allclose(padded[y : y + 40, x : x + 56], view, atol=1e-3)
        ]
        assert len(places) == 1


def test_rotation_keeps_the_middle_and_leaves_no_black_corner():
    photo = np.full((64, 64, 3), 200, np.uint8)
    photo[30:34, 30:34] = 20
    for seed in range(5):
        view = draw(photo, Augmentation(rotation_degrees=20), seed)
        assert view[31:33, 31:33].max() < 60
        assert view[[0, 0, -1, -1], [0, -1, 0, -1]].min() > 195
    turned = draw(np.arange(64 * 64 * 3).reshape(64, 64, 3).astype(np.uint8), Augmentation(), 1)
    assert turned.shape == (64, 64, 3)


def test_rotation_turns_by_no_more_than_stated():
    photo = np.zeros((101, 101, 3), np.uint8)
    photo[50, 50:] = 255  # a hand that points to three o'clock
    for seed in range(10):
        view = draw(photo, Augmentation(rotation_degrees=10), seed)[..., 0]
        y, x = np.nonzero(view[:, 85:] > 100)
        angle = np.degrees(np.arctan2(y - 50, x + 35))
        assert len(y) and np.abs(angle).max() <= 11.5


def test_lighting_stays_within_its_limits(photo):
    for seed in range(20):
        bright = draw(photo, Augmentation(brightness_fraction=0.1), seed)
        assert np.abs(bright - photo).max() <= 25.6
        contrast = draw(photo, Augmentation(contrast_fraction=0.2), seed)
        assert 0.79 <= contrast.std() / photo.std() <= 1.21
        assert abs(contrast.mean() - photo.mean()) < 1


def test_cutout_erases_one_square(photo):
    areas = []
    for seed in range(20):
        view = draw(photo, Augmentation(cutout_fraction=0.3), seed)
        changed = np.abs(view - photo).max(axis=2) > 0.5
        rows, columns = np.nonzero(changed)
        areas.append(changed.sum())
        assert np.ptp(rows) <= 12 and np.ptp(columns) <= 12
    assert max(areas) >= 100


def test_unknown_preset_is_corrected():
    with pytest.raises(ValueError, match=r"Unknown augmentation 'lite'. Did you mean 'light'"):
        get_augmentation("lite")


def test_random_erasing_fills_a_box_with_noise_in_half_of_the_views():
    photo = np.full((60, 90, 3), 128, np.uint8)
    erased, shapes = [], []
    for seed in range(200):
        view = draw(photo, Augmentation(cutout_fraction=0.5, cutout_random=True), seed)
        changed = (view != 128).all(axis=2)
        erased.append(changed.any())
        if not changed.any():
            np.testing.assert_array_equal(view, photo)
            continue
        rows, columns = np.nonzero(changed)
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert changed.sum() == height * width
        assert 0.7 * 0.02 <= height * width / (60 * 90) <= 1.1 * 0.5**2 * 60 / 90
        shapes.append(height / width)
        # Noise of the whole range, another at every pixel.
        assert view[changed].std() == pytest.approx(255 / np.sqrt(12), rel=0.25)
    assert 0.4 <= np.mean(erased) <= 0.6
    assert min(shapes) < 0.6 and max(shapes) > 1.7
    assert 0.25 <= min(shapes) and max(shapes) <= 4


def test_an_erased_box_never_outgrows_the_photo():
    photo = np.full((12, 80, 3), 7, np.uint8)
    for seed in range(60):
        view = draw(photo, Augmentation(cutout_fraction=1.0, cutout_random=True), seed)
        assert view.shape == photo.shape and 0 <= view.min() and view.max() <= 255


def test_more_strength_changes_more(photo):
    for name in ("random_operations", "mixed_chains"):
        change = [
            np.mean([
                np.abs(draw(photo, Augmentation(**{name: 3}, operation_strength=s), seed) - photo)
                for seed in range(30)
            ])
            for s in (0.01, 0.3, 1.0)
        ]  # fmt: skip
        assert change[0] < change[1] < change[2]
        assert change[2] > 10


def test_new_kinds_of_augmentation_leave_the_old_draws_alone(photo):
    """What is cached and compared across runs must not move when something is added."""
    plain = Augmentation(flip_horizontal=True, shift_fraction=0.1, brightness_fraction=0.1)
    for seed in range(10):
        erasing = replace(plain, cutout_fraction=0.2, cutout_random=True)
        same = draw(photo, erasing, seed) == draw(photo, plain, seed)
        assert same.mean() > 0.9


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shift_fraction": 1.5}, "`shift_fraction` must be from 0 to 1, not 1.5"),
        ({"rotation_degrees": -3}, "`rotation_degrees` must be from 0 to 180, not -3"),
        ({"cutout_fraction": float("nan")}, "`cutout_fraction` must be from 0 to 1, not nan"),
        ({"contrast_fraction": True}, "`contrast_fraction` must be from 0 to 1, not True"),
        ({"brightness_fraction": "0.1"}, "`brightness_fraction` must be from 0 to 1, not '0.1'"),
        ({"random_operations": 1.5}, "`random_operations` must be a whole number from 0 to 10"),
        ({"mixed_chains": 11}, "`mixed_chains` must be a whole number from 0 to 10, not 11"),
        ({"cutout_random": "noise"}, "`cutout_random` must be True or False, not 'noise'"),
        ({"cutout_random": True}, "would have no effect without `cutout_fraction`"),
        ({"operation_strength": 0.5}, "only have an effect together"),
        ({"random_operations": 2}, "Pass e.g. operation_strength=0.5 with random_operations=2"),
        ({"mixed_chains": 3}, "`operation_strength` and a number of operations"),
    ],
)
def test_what_cannot_be_or_has_no_effect_is_an_error(settings, message):
    with pytest.raises(ValueError, match=message):
        Augmentation(**settings)
