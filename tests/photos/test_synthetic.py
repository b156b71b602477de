"""Defects drawn into good photos: what they look like, which photos they go into, how often."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import kerasrecipes as kr
from kerasrecipes.photos.reader import PhotoReader
from kerasrecipes.photos.synthetic.drawing import DRAWN, KINDS, Patch, paste

SIZE = (48, 48)
LIGHT = kr.AUGMENTATIONS["light"]


@pytest.fixture
def photo():
    return np.random.default_rng(3).normal(90, 4, (64, 80, 3)).astype(np.uint8)


@pytest.fixture
def patch():
    """A dark spot of 8 by 5 pixels on a plate that is twice as bright."""
    donor, mask = np.full((64, 80, 3), 180, np.uint8), np.zeros((64, 80), bool)
    donor[20:28, 30:35], mask[20:28, 30:35] = 60, True
    return Patch.of(donor, mask)


@pytest.fixture(scope="module")
def masked(part_photos, tmp_path_factory):
    """A table of parts that are good, have dots with a mask each, or stripes without."""
    folder = tmp_path_factory.mktemp("masked")
    lines = ["path,label,mask"]
    for kind, count in (("plain", 12), ("dot", 3), ("stripe", 5)):
        for i in range(count):
            path, mask = part_photos / kind / f"{i:02}.png", ""
            if kind == "dot":
                dark = np.asarray(Image.open(path)).mean(axis=2) < 65
                mask = folder / f"{i}.png"
                Image.fromarray(dark.astype(np.uint8) * 255).save(mask)
            lines.append(f"{path},{kind},{mask}")
    (folder / "parts.csv").write_text("\n".join(lines))
    return kr.scan_photos(folder / "parts.csv")


@pytest.mark.parametrize("kind", KINDS)
def test_a_small_part_changes_and_one_seed_draws_one_thing(kind, photo, patch):
    def drawn(seed):
        rng = np.random.default_rng(seed)
        return paste(photo, patch, rng) if kind == "paste" else DRAWN[kind](photo, rng)

    kept, seen = photo.copy(), [drawn(seed) for seed in range(12)]
    for seed, one in enumerate(seen):
        np.testing.assert_array_equal(one, drawn(seed))
        changed = np.abs(one.astype(int) - photo).max(axis=2) > 9
        assert one.dtype == np.uint8 and 0 < changed.sum() < 0.25 * changed.size
    np.testing.assert_array_equal(photo, kept)
    assert len({one.tobytes() for one in seen}) == 12


def test_what_is_pasted_has_its_shape_and_the_light_of_its_place(photo, patch):
    for seed in range(8):
        found = paste(photo, patch, np.random.default_rng(seed))
        rows, columns = np.nonzero(np.abs(found.astype(int) - photo).max(axis=2) > 30)
        spot = found[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert sorted(spot.shape[:2]) == [5, 8]
        assert abs(spot.mean() - 30) < 5  # a third of what is around it, as where it was cut out


def test_a_mark_of_less_than_a_pixel_is_left(photo):
    mask = np.zeros((640, 800), bool)
    mask[333, 444] = True
    assert Patch.of(photo, mask).opacity.max() == pytest.approx(0.01, abs=0.005)


def test_rare_classes_are_filled_up_by_good_photos_alone(masked):
    synthetic = kr.SyntheticDefects({"dot": "paste", "stripe": "scratch"}, share=0.2, good="plain")
    found = synthetic.added_to(masked, seed=1)
    real, drawn = found.photos[: len(masked)], found.photos[len(masked) :]
    assert real == masked.photos
    assert len(drawn) / len(found) == 0.2
    # Three dots are filled up to the five stripes, then both in turn.
    assert Counter(one.label for one in drawn) == {"dot": 4, "stripe": 1}
    good = {one.path for one in masked.photos if one.label == "plain"}
    assert {one.path for one in drawn} <= good and len({one.path for one in drawn}) == len(drawn)
    assert found.photos == synthetic.added_to(masked, seed=1).photos
    assert found.photos != synthetic.added_to(masked, seed=2).photos


def test_views_are_drawn_anew_and_repeat_and_real_photos_stay(masked):
    found = kr.SyntheticDefects(good="plain").added_to(masked, seed=1)
    reader = PhotoReader(found, SIZE, LIGHT, seed=0)
    as_it_was = PhotoReader(masked, SIZE, LIGHT, seed=0)
    for view in (0, 2):
        np.testing.assert_array_equal(reader.read(3, view), as_it_was.read(3, view))
    new = len(masked)
    dark = [int((reader.read(new, view).mean(axis=2) < 60).sum()) for view in range(4)]
    assert found.photos[new].label == "dot" and min(dark) > 40
    again = PhotoReader(found, SIZE, LIGHT, seed=0)
    np.testing.assert_array_equal(reader.read(new, 3), again.read(new, 3))
    assert reader.identity() == again.identity() != as_it_was.identity()
    fixed = PhotoReader(found, SIZE)
    np.testing.assert_array_equal(fixed.read(new, 0), fixed.read(new, 1))
    # What statistics are measured on is what is trained on.
    np.testing.assert_array_equal(list(found.each((*SIZE, 3)))[new], fixed.read(new, 0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"share": 0}, "`share` must be above 0"),
        ({"share": 0.9}, "at most 0.8"),
        ({"good": 3}, "`good` must be a class"),
        ({"classes": {}}, "must say how each class is drawn"),
        ({"classes": {"dot": "scrach"}}, "Did you mean 'scratch'"),
    ],
)
def test_arguments_that_cannot_be_used(arguments, message):
    with pytest.raises(ValueError, match=message):
        kr.SyntheticDefects(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "needs the class of the good photos"),
        ({"good": "plainn"}, "Did you mean 'plain'"),
        ({"good": "plain", "classes": {"dott": "blob"}}, "names 'dott', none of .*Did you mean"),
        ({"good": "plain", "classes": {"plain": "blob"}}, "it is the good class"),
        ({"good": "plain", "classes": {"stripe": "paste"}}, "on no training photo of this class"),
        ({"good": "plain", "share": 0.01}, "is less than one"),
    ],
)
def test_what_would_have_no_effect_is_told(masked, arguments, message):
    with pytest.raises(kr.DataError, match=message):
        kr.SyntheticDefects(**arguments).added_to(masked, seed=0)


def test_photos_that_nothing_can_be_drawn_into(masked):
    synthetic = kr.SyntheticDefects({"dot": "blob"}, good="plain")
    bad = replace(masked, photos=tuple(one for one in masked.photos if one.label != "plain"))
    with pytest.raises(kr.DataError, match="no training photos of the class 'plain'"):
        synthetic.added_to(bad, seed=0)
    unmasked = replace(masked, photos=tuple(replace(one, mask=None) for one in masked.photos))
    with pytest.raises(kr.DataError, match="nothing to paste: no training photo"):
        kr.SyntheticDefects(good="plain").added_to(unmasked, seed=0)
    with pytest.raises(kr.DataError, match="one class each, and these have labels"):
        synthetic.added_to(replace(masked, target="labels"), seed=0)
    with pytest.raises(kr.DataError, match="`good` is 'dot'. Leave the first one out"):
        synthetic.added_to(masked, seed=0, good="dot")
