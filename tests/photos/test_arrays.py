"""Photos from arrays: what goes in comes out to the bit; what could mean two things is refused."""

import hashlib

import numpy as np
import pytest
from PIL import Image

from kerasrecipes import (
    DataError,
    ImageClassifier,
    UnfreezeSchedule,
    check_photos,
    draw_augmentation,
    photos_from_arrays,
    scan_photos,
    split_photos,
)
from kerasrecipes.photos.decoding.decode import read_photo
from kerasrecipes.photos.sources.png import encode_png

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (12, 24, 32, 3), np.uint8)
Y = np.arange(12) % 3
NAMES = ("none", "light", "heavy")


def pixels(photos, index):
    photo = photos.photos[index]
    return read_photo(photo, (photo.facts.height, photo.facts.width))


def test_pixels_come_out_as_they_went_in():
    photos = photos_from_arrays(X, Y, class_names=NAMES)
    assert photos.class_names == NAMES and photos.labels.tolist() == Y.tolist()
    for i in range(12):
        np.testing.assert_array_equal(pixels(photos, i), X[i])
    np.testing.assert_array_equal(photos.stack((24, 32, 3)), X)
    grey = photos_from_arrays(X[..., 0], Y, class_names=NAMES)
    np.testing.assert_array_equal(pixels(grey, 5), np.repeat(X[5, ..., :1], 3, axis=-1))
    assert grey.digest() == photos_from_arrays(X[..., :1], Y, class_names=NAMES).digest()
    sizes = [X[i, : 8 + i] for i in range(12)]
    photos = photos_from_arrays(sizes, Y, class_names=NAMES)
    for i in range(12):
        np.testing.assert_array_equal(pixels(photos, i), sizes[i])


def test_a_photo_is_the_same_on_every_machine(tmp_path):
    # No zlib has a say in it: this is what the bytes of an 8 x 8 photo of one grey always are.
    known = "cf6b14965823331c460783daece2991f7838047454f72589e25d9c8cbe3fd1b2"
    assert hashlib.sha256(encode_png(np.full((8, 8), 7, np.uint8))).hexdigest() == known
    large = RNG.integers(0, 256, (300, 200, 3), np.uint8)  # in several blocks
    (tmp_path / "photo.png").write_bytes(encode_png(large))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "photo.png")), large)
    photos = photos_from_arrays(X, Y, class_names=NAMES)
    # The same photo from a file that was written from the set is known again.
    for name in "ab":
        (tmp_path / "p" / name).mkdir(parents=True)
    for i in range(len(photos)):
        suffix, content = photos.file_of(i)
        assert suffix == "png"
        (tmp_path / "p" / "ab"[i % 2] / f"{i}.png").write_bytes(content)
    again = {photo.key for photo in scan_photos(tmp_path / "p").photos}
    assert again == {photo.key for photo in photos.photos}


def test_floats_are_read_by_their_range():
    for given in (X / 255, X.astype(np.float32), (X / 255).astype(np.float32)):
        photos = photos_from_arrays(given, Y, class_names=NAMES)
        np.testing.assert_array_equal(photos.stack((24, 32, 3)), X)
    dark = [np.zeros((24, 32)), *(X[1:] / 255)]
    np.testing.assert_array_equal(pixels(photos_from_arrays(dark, Y, class_names=NAMES), 3), X[3])


NAN = X / 255
NAN[4, 1, 1] = np.nan


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (X / 127.5 - 1, "from -1 to 1. Floats must be in 0…1 or 0…255: undo what was done"),
        (X * 2.0, "from 0 to 510. Floats must be in 0…1 or 0…255"),
        (X / 100, r"from 0 to 2.55, which is neither 0…1 nor 0…255 for sure. Pass them as uint8"),
        (NAN, "Photo 4 of `x` has pixels that are NaN or infinite"),
        (X.astype(int), "must be of type uint8 or float, not int64"),
        (X.astype(np.uint16), r"not uint16.*x / 4095 \* 255"),
        (X > 9, "not bool. Pass it in 0…255 with .astype"),
        (X[0], r"got the shape \(24, 32, 3\). That looks like one photo: pass x\[None\]"),
        (np.moveaxis(X, -1, 1), r"Move the channels to the end: np.moveaxis\(x, 1, -1\)"),
        (np.concatenate([X, X], -1)[..., :4], r"Leave the opacity out: x\[..., :3\]"),
        ([X[0], X[0, 0, 0]], r"number 1 has the shape \(3,\)"),
    ],
)
def test_what_is_no_photo_is_refused(x, message):
    with pytest.raises(ValueError, match=message):
        photos_from_arrays(x, Y, class_names=NAMES)


@pytest.mark.parametrize(
    ("y", "options", "target", "names", "first"),
    [
        ([NAMES[i] for i in Y], {}, "class", ("heavy", "light", "none"), "none"),
        (np.array(NAMES)[Y], {"class_names": NAMES}, "class", NAMES, "none"),
        (np.array(NAMES, object)[Y], {}, "class", ("heavy", "light", "none"), "none"),
        (Y[:, None].astype(np.uint8), {"class_names": NAMES}, "class", NAMES, "none"),
        (Y.astype(np.float32), {"class_names": NAMES}, "class", NAMES, "none"),
        (np.eye(3)[Y], {"class_names": NAMES}, "class", NAMES, "none"),
        (np.eye(3)[Y], {"class_names": NAMES, "target": "labels"}, "labels", NAMES, ("none",)),
        (1 - np.eye(3)[Y], {"class_names": NAMES}, "labels", NAMES, ("heavy", "light")),
        ([["b", "a"], []] * 6, {}, "labels", ("a", "b"), ("a", "b")),
        ([{"a"}, ()] * 6, {"class_names": ("c", "a")}, "labels", ("c", "a"), ("a",)),
        (Y / 2, {}, "number", (), 0.0),
        (Y, {"target": "number"}, "number", (), 0.0),
        (Y, {"target": "class"}, "class", ("0", "1", "2"), "0"),
        (Y == 1, {"class_names": ("no", "yes")}, "class", ("no", "yes"), "no"),
    ],
)
def test_labels_of_every_kind(y, options, target, names, first):
    photos = photos_from_arrays(X, y, for_training=False, **options)
    assert (photos.target, photos.class_names) == (target, names)
    assert photos.photos[0].label == first


@pytest.mark.parametrize(
    ("y", "options", "message"),
    [
        (Y, {}, "`y` holds whole numbers. Pass `class_names`, .* or target='number'"),
        (Y[:5], {"class_names": NAMES}, "one label for each of the 12 photos, not 5"),
        (Y, {"class_names": NAMES[:2]}, r"the class 2 \(number 2\), and .* only 2 names, 0 to 1"),
        (Y - 1, {"class_names": NAMES}, r"the class -1 \(number 0\)"),
        (Y / 2, {"class_names": NAMES}, "not whole, so they are no classes"),
        (np.where(Y, Y, np.nan), {}, "4 numbers that are NaN or infinite, the first .* number 0"),
        (np.eye(3)[Y], {}, "rows of 3 numbers each. Pass `class_names`"),
        (np.eye(3)[Y], {"class_names": NAMES[:2]}, "rows of 3 .* `class_names` 2 names"),
        (np.eye(3)[Y] * 2, {"class_names": NAMES}, "not of 0 and 1: number 0"),
        (["a", None] * 6, {}, r"beside them None \(number 1\)"),
        (["a", "b"] * 6, {"class_names": ("a", "c")}, "has 'b', which `class_names` does not name"),
        (["a", "b"] * 6, {"target": "number"}, "`target='number'` does not suit `y`, .* texts"),
        (Y, {"class_names": ("a", "a", "b")}, "`class_names` names 'a' more than once"),
        (Y, {"class_names": "abc"}, "`class_names` must be a list of names, not 'abc'"),
        (Y, {"target": "klass"}, "`target` must be one of 'class', 'labels', 'number'"),
        (Y / 2, {"groups": "ab"}, "`groups` must have one entry for each of the 12 photos, not 2"),
        (Y / 2, {"split": ["dev"] * 12}, "`split` has 'dev'; it must be train, val or test"),
        (np.zeros((12, 2, 2)), {}, r"rows of 0 and 1, or numbers; got float64 of shape"),
        (["a"] * 12, {}, "has only one class: 'a'"),
        (["a"] * 11 + ["b"], {}, "1 of 2 classes .* fewer than 2"),
        (np.ones(12), {}, "photos of only one number"),
    ],
)
def test_labels_that_do_not_fit(y, options, message):
    with pytest.raises(ValueError, match=message):
        photos_from_arrays(X, y, **options)


def test_photos_must_be_usable_and_there():
    with pytest.raises(DataError, match=r"2 of 2 photos cannot be used.*too small: 9x7 pixels"):
        photos_from_arrays(X[:2, :7, :9], ["a", "b"], for_training=False)
    with pytest.raises(DataError, match="There are no photos"):
        photos_from_arrays([], [])


def test_copies_groups_and_sides():
    twice = np.concatenate([X, X[:2]])
    y = [*"abc" * 4, "a", "c"]
    report = check_photos(photos_from_arrays(twice, y, names=[f"n{i}" for i in range(14)]))
    found = {finding.code: finding for finding in report.findings}
    assert found["duplicates"].examples == ("n0 = n12",)
    assert found["conflicting-labels"].examples == ("n1 = n13",)
    assert "Pass `groups`" in found["unknown-parts"].message
    assert "misnamed" not in found
    grouped = photos_from_arrays(X, ["a", "b"] * 6, groups=[i // 2 for i in range(12)])
    assert "unknown-parts" not in {finding.code for finding in check_photos(grouped).findings}
    assert [photo.group for photo in grouped.photos][:3] == ["0", "0", "1"]
    sides = split_photos(
        photos_from_arrays(X, ["a", "b"] * 6, split=["Train"] * 6 + ["val"] * 2 + ["test"] * 4)
    )
    assert [len(side) for side in sides] == [6, 2, 4]


@pytest.fixture(scope="module")
def part_arrays(draw_part):
    kinds = ("dot", "plain", "stripe")
    x = np.stack([draw_part(kind, seed) for seed in range(12) for kind in kinds])
    return x, np.arange(len(x)) % 3, kinds


def test_arrays_are_learned_from_like_files(part_arrays, tiny_spec, tmp_path):
    x, y, kinds = part_arrays
    train, val, test = split_photos(photos_from_arrays(x, y, class_names=kinds))
    assert len(draw_augmentation(val, views=2, count=2, image_size=(48, 48)).axes) == 6
    recipe = ImageClassifier(
        tiny_spec(), augment="none", schedule=UnfreezeSchedule.head_only(epochs=1)
    )
    recipe.fit(train, val, verbose=False)
    assert f"{len(test)} photos" in str(recipe.evaluate(test))
    bundle = recipe.save(tmp_path / "model")
    assert {path.suffix for path in (bundle.folder / "golden").iterdir()} >= {".png"}
    model = ImageClassifier.load(bundle.folder)
    with pytest.raises(DataError, match="were used in the fit"):
        model.evaluate(photos_from_arrays(x, y, class_names=kinds))
    np.testing.assert_array_equal(model.predict(test), recipe.predict(test))
