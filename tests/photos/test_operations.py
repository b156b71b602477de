"""Every operation keeps a photo a photo, does nothing at level 0, and does what it is called."""

import numpy as np
import pytest

from kerasrecipes.photos.operations import (
    OPERATIONS,
    apply_random_operations,
    mix_chains,
    warp_photo,
)

LEVELS = (-1.0, -0.37, 0.37, 1.0)


@pytest.fixture
def photo(make):
    """A texture with colours, neither square nor of full contrast."""
    grey = make.texture(5, (40, 56))[..., None].astype(float)
    return np.clip(grey * [0.9, 0.7, 0.5] + [10, 20, 30], 0, 255).astype(np.uint8)


def centre(photo):
    """Where the dark pixels of a photo lie, as (x, y) from its middle."""
    y, x = np.nonzero(photo[..., 0] < 125)
    return np.array([x.mean(), y.mean()]) - (np.array(photo.shape[1::-1]) - 1) / 2


def test_all_operations_are_tested():
    assert len(OPERATIONS) == 12


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_photos_stay_photos_and_repeat(name, photo):
    before = photo.copy()
    # Mirrored photos are views with strides of their own.
    for view in (photo, photo[:, ::-1], photo[::-1]):
        for level in LEVELS:
            changed = OPERATIONS[name](view, level)
            assert changed.shape == photo.shape and changed.dtype == np.uint8
            np.testing.assert_array_equal(changed, OPERATIONS[name](view.copy(), level))
    np.testing.assert_array_equal(photo, before)


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_level_zero_is_the_photo_and_more_changes_more(name, photo):
    operation = OPERATIONS[name]
    np.testing.assert_array_equal(operation(photo, 0.0), photo)
    for sign in (-1, 1):
        change = [np.abs(operation(photo, sign * level) - photo.astype(float)).mean()
                  for level in (0.3, 1.0)]  # fmt: skip
        assert 0 < change[0] < change[1]


@pytest.mark.parametrize("name", sorted(OPERATIONS))
@pytest.mark.parametrize("value", [0, 200, 255])
def test_flat_photos_are_no_trouble(name, value):
    flat = np.full((1, 3, 3), value, np.uint8)
    for level in LEVELS:
        changed = OPERATIONS[name](flat, level)
        assert changed.shape == flat.shape and np.ptp(changed) == 0


@pytest.mark.parametrize("name", ["rotate", "shear_x", "shear_y", "shift_x", "shift_y"])
def test_geometry_moves_what_is_there_and_leaves_no_black_corner(name):
    photo = np.full((80, 80, 3), 220, np.uint8)
    photo[26:32, 48:54] = 30  # up and right of the middle, where no edge mirrors it
    x, y = centre(photo)
    for level in LEVELS:
        angle = np.radians(30 * level)
        expected = {
            # What the matrix says of new pixels holds for old ones the other way round.
            "rotate": (
                x * np.cos(angle) + y * np.sin(angle),
                y * np.cos(angle) - x * np.sin(angle),
            ),
            "shear_x": (x - 0.3 * level * y, y),
            "shear_y": (x, y - 0.3 * level * x),
            "shift_x": (x + round(24 * level), y),
            "shift_y": (x, y + round(24 * level)),
        }[name]
        moved = OPERATIONS[name](photo, level)
        assert moved[[0, 0, -1, -1], [0, -1, 0, -1]].min() > 200
        np.testing.assert_allclose(centre(moved), expected, atol=0.7)


def test_light_and_colour_go_both_ways(photo):
    def of(name, level):
        return OPERATIONS[name](photo, level).astype(float)

    def vividness(x):
        return (x.max(axis=2) - x.min(axis=2)).mean()

    def edges(x):
        return np.abs(np.diff(x, axis=1)).mean()

    for name, measure in {
        "brightness": np.mean,
        "contrast": np.std,
        "colour": vividness,
        "sharpness": edges,
    }.items():
        assert measure(of(name, -0.5)) < measure(photo.astype(float)) < measure(of(name, 0.5))
    assert np.ptp(of("autocontrast", 1.0)) == 255 > np.ptp(photo)
    assert len(np.unique(of("posterize", 1.0))) <= 16 < len(np.unique(photo))


def test_warp_looks_new_pixels_up_in_the_photo(photo):
    half_turn = warp_photo(photo, ((-1.0, 0.0), (0.0, -1.0)))
    np.testing.assert_array_equal(half_turn, photo[::-1, ::-1])
    shifted = warp_photo(photo, ((1.0, 0.0), (0.0, 1.0)), (3, -2))
    np.testing.assert_array_equal(shifted[:-2, 3:], photo[2:, :-3])
    # What comes into view is the mirror image of what was at the edge.
    np.testing.assert_array_equal(shifted[:-2, :3], photo[2:, 3:0:-1])
    assert warp_photo(photo, ((1.0, 0.0), (0.0, 1.0))) is photo


def test_random_operations_are_as_many_as_asked(photo, monkeypatch):
    levels = []
    for name in OPERATIONS:
        monkeypatch.setitem(OPERATIONS, name, lambda p, level: levels.append(level) or p)
    for seed in range(50):
        apply_random_operations(photo, np.random.default_rng(seed), 3, 0.4)
    assert len(levels) == 150
    assert set(levels) == {-0.4, 0.4} and abs(sum(levels)) < 0.4 * 40


def test_a_mixture_lies_between_the_photo_and_its_chains(photo, monkeypatch):
    """With chains that only darken, a view is the photo times one factor."""
    calls = []

    def darken(pixels, level):
        calls.append(level)
        return np.zeros_like(pixels)

    for name in OPERATIONS:
        monkeypatch.setitem(OPERATIONS, name, darken)
    shares = []
    for seed in range(300):
        mixed = mix_chains(photo, np.random.default_rng(seed), 3, 0.4)
        assert mixed.dtype == np.float32
        factors = mixed / np.maximum(photo, 1)
        assert np.ptp(factors[photo > 0]) < 1e-4
        shares.append(1 - factors.max())
    assert np.mean(shares) == pytest.approx(0.5, abs=0.06)
    assert np.std(shares) == pytest.approx(np.sqrt(1 / 12), abs=0.04)
    assert 3 * 300 <= len(calls) <= 9 * 300 and np.abs(calls).max() <= 0.4
    assert len(calls) / 900 == pytest.approx(2, abs=0.15)


@pytest.mark.parametrize("draw", [apply_random_operations, mix_chains])
def test_drawing_repeats_and_changes_nothing_at_strength_zero(draw, photo):
    for seed in range(10):
        views = [draw(photo, np.random.default_rng(seed), 3, 0.6) for _ in range(2)]
        np.testing.assert_array_equal(*views)
        assert 0 <= views[0].min() and views[0].max() <= 255
        same = draw(photo, np.random.default_rng(seed), 3, 0.0)
        np.testing.assert_allclose(same, photo, atol=1e-3)
