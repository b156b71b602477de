"""Photos of any channels, and of more than 8 bits without rounding: read, fitted and refused."""

import io
import pickle
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import kerasrecipes as kr
from kerasrecipes.errors import DataError
from kerasrecipes.photos.augment import AUGMENTATIONS, augment_photo
from kerasrecipes.photos.planes.npy import encode_npy

FOUR = kr.DecodePolicy(channels=4)
EXACT = kr.DecodePolicy(channels=1, dtype="float32")
SIZE = (20, 28)


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (33, 47, 4), np.uint8)


def file_of(values, kind="PNG", **options):
    file = io.BytesIO()
    Image.fromarray(values).save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("resize", ["stretch", "letterbox", "center_crop"])
def test_channels_are_fitted_as_pillow_fits_those_of_rgb(pixels, resize):
    policy = kr.DecodePolicy(channels=4, resize=resize)
    found = kr.decode_photo(encode_npy(pixels), SIZE, policy)
    rgb = kr.decode_photo(file_of(pixels[..., :3]), SIZE, replace(policy, channels=3))
    np.testing.assert_array_equal(found[..., :3], rgb)
    one = kr.decode_photo(file_of(pixels[..., 3]), SIZE, replace(policy, channels=1))
    np.testing.assert_array_equal(found[..., 3:], one)


def test_arrays_of_three_channels_are_photos_in_rgb_and_grey(pixels):
    data, same = encode_npy(pixels[..., :3]), file_of(pixels[..., :3])
    for policy in (kr.DecodePolicy(), kr.DecodePolicy(channels=1)):
        np.testing.assert_array_equal(
            kr.decode_photo(data, SIZE, policy), kr.decode_photo(same, SIZE, policy)
        )


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_declared_range_is_0_to_255_without_rounding(order):
    values = np.array([[0, 1, 5000], [9999, 10000, 2500]], f"{order}u2").repeat(8, 0).repeat(8, 1)
    policy = kr.DecodePolicy(channels=1, dtype="float32", value_range=(0, 10000))
    file = io.BytesIO()
    np.save(file, values)
    found = kr.decode_photo(file.getvalue(), values.shape, policy)
    np.testing.assert_allclose(found[..., 0], values * (255 / 10000), rtol=1e-6)
    rounded = kr.decode_photo(file.getvalue(), values.shape, replace(policy, dtype="uint8"))
    np.testing.assert_array_equal(rounded, np.rint(found))
    below = replace(policy, value_range=(-5000, 10000))
    assert kr.decode_photo(file.getvalue(), values.shape, below)[0, 0] == pytest.approx(85)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_photos_that_differ_in_the_low_byte_alone_differ(kind):
    deep = np.random.default_rng(0).integers(0, 65536, (24, 40), np.uint16)
    other = deep ^ np.uint16(1)
    one, two = (kr.decode_photo(file_of(one, kind), SIZE, EXACT) for one in (deep, other))
    assert one.dtype == np.float32 and (one != two).any()
    own = kr.decode_photo(file_of(deep, kind), deep.shape, EXACT)
    np.testing.assert_allclose(own[..., 0], deep / 257.0, rtol=1e-6)
    # In 8 bits they mostly are the same.
    usual = kr.DecodePolicy(channels=1)
    eight = [kr.decode_photo(file_of(one, kind), deep.shape, usual) for one in (deep, other)]
    assert (eight[0] == eight[1]).mean() > 0.9


def test_floats_are_what_8_bits_round():
    rng, grey = np.random.default_rng(1), np.arange(60 * 50, dtype=np.uint16).reshape(60, 50) * 20
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = file_of(grey, exif=exif)
    assert Image.open(io.BytesIO(turned)).getexif()[0x0112] == 6
    colours = rng.integers(0, 256, (33, 47, 4), np.uint8)
    for data, size in ((turned, (50, 60)), (file_of(colours), (33, 47)), (file_of(grey), SIZE)):
        for channels in (1, 3):
            eight = kr.DecodePolicy(channels=channels)
            usual = kr.decode_photo(data, size, eight).astype(float)
            exact = kr.decode_photo(data, size, replace(eight, dtype="float32"))
            assert np.abs(exact - usual).max() <= 1.01


class Hostile:
    def __reduce__(self):
        return (print, ("run",))


def header(text):
    told = text.encode() + b" " * (117 - len(text)) + b"\n"
    return b"\x93NUMPY\x01\x00\x76\x00" + told


def objects():
    file = io.BytesIO()
    np.save(file, np.array([Hostile()] * 4).reshape(2, 2), allow_pickle=True)
    return file.getvalue()


LIE = "{'descr': '|u1', 'fortran_order': False, 'shape': (100000, 100000, 4), }"
REFUSED = {
    "objects": (objects(), "cannot be read: it declares an array of object"),
    "a lie about the shape": (
        header(LIE) + bytes(400),
        r"declares an array of uint8 and shape \(1",
    ),
    "arithmetic": (
        header(LIE.replace("100000, 4", "1 + 1")) + bytes(400),
        "cannot be read: its header, which says what it holds, is damaged",
    ),
    "half a header": (header(LIE[:30]), "its header, which says what it holds, is damaged"),
    "more than it says": (encode_npy(np.zeros((9, 9, 4), np.uint8)) + b"\0", "declares an array"),
    "a pickle": (b"\x93NUMPY" + pickle.dumps([1]), "cannot be read"),
    "whole numbers": (None, "an array of int64: save it as uint8, uint16 or float32"),
    "channels": (encode_npy(np.zeros((9, 9, 5), np.uint8)), "5 channels, where 4 were asked for"),
    "channels first": (encode_npy(np.zeros((4, 99, 99), np.uint8)), "move its channels to the end"),
    "one side": (encode_npy(np.zeros((400,), np.uint8)), r"shape \(400,\), not \(height, width"),
    "too small": (encode_npy(np.zeros((4, 99, 4), np.uint8)), "too small: 99x4"),
    "too large": (encode_npy(np.zeros((101, 100, 4), np.uint8)), "too large: 100x101"),
    "no range": (encode_npy(np.zeros((9, 9, 4), np.float32)), "whose range is not known: declare"),
    "nothing": (encode_npy(np.full((9, 9, 4), np.nan, np.float32)), "NaN or infinite"),
    "infinity": (encode_npy(np.full((9, 9, 4), np.inf, np.float32)), "NaN or infinite"),
    "a photo": (file_of(np.zeros((9, 9, 3), np.uint8)), "3 channels, where 4 were asked for"),
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_arrays_that_cannot_be_photos_are_refused(name):
    data, told = REFUSED[name]
    if data is None:
        file = io.BytesIO()
        np.save(file, np.zeros((9, 9, 4), np.int64))
        data = file.getvalue()
    policy = kr.DecodePolicy(channels=4, max_pixels=10_000)
    with pytest.raises(DataError, match=f"Cannot use 'it'.*{told}"):
        kr.decode_photo(data, SIZE, policy, name="it")


def test_a_value_outside_the_range_is_refused():
    data = encode_npy(np.full((9, 9, 4), 4096, np.uint16))
    policy = kr.DecodePolicy(channels=4, max_16bit=4095)
    with pytest.raises(DataError, match="a value of 4096 is outside .* 0 to 4095: .* value_range"):
        kr.decode_photo(data, SIZE, policy)


def test_a_folder_of_arrays_is_scanned_and_others_are_told(tmp_path, pixels):
    rng = np.random.default_rng(0)
    for i in range(12):
        folder = tmp_path / ("a" if i % 2 else "b")
        folder.mkdir(exist_ok=True)
        np.save(folder / f"{i}.npy", rng.integers(0, 4000, (16, 16, 4), np.uint16))
    np.save(tmp_path / "a" / "wrong.npy", np.zeros((16, 16, 3), np.uint16))
    (tmp_path / "b" / "rgb.png").write_bytes(file_of(pixels[..., :3]))
    policy = replace(FOUR, max_16bit=4095)
    photos = kr.scan_photos(tmp_path, policy=policy, max_unreadable_fraction=0.5)
    assert len(photos) == 12 and photos.channels == 4
    reasons = {item.path.name: item.reason for item in photos.excluded}
    assert "3 channels, where 4 were asked for" in reasons["wrong.npy"]
    assert "a PNG photo, where photos of 4 channels were asked for" in reasons["rgb.png"]
    facts = photos.photos[0].facts
    assert (facts.image_format, facts.mode, facts.bits) == ("NPY", "uint16 x 4", 16)
    assert facts.max_value < 4000
    codes = {finding.code for finding in kr.check_photos(photos).findings}
    assert "16-bit" in codes and "misnamed" not in codes
    with pytest.raises(DataError, match=r"files of recordings.*read where their channels are told"):
        (tmp_path / "b" / "rgb.png").unlink()
        kr.scan_photos(tmp_path)


def test_photos_from_arrays_say_what_they_must_be():
    policy = replace(FOUR, dtype="float32")
    x = np.zeros((4, 9, 9, 4), np.int32)
    with pytest.raises(ValueError, match="must be of type uint8, uint16, float32, not int32"):
        kr.photos_from_arrays(x, [0, 1] * 2, class_names=("a", "b"), policy=policy)
    with pytest.raises(ValueError, match=r"\(height, width, 4\), as the policy says; number 0"):
        kr.photos_from_arrays(x[..., :2], [0, 1] * 2, class_names=("a", "b"), policy=policy)
    with pytest.raises(ValueError, match=r"pass policy=DecodePolicy\(channels=4\)"):
        kr.photos_from_arrays(x.astype("uint8"), [0, 1] * 2, class_names=("a", "b"))
    with pytest.raises(DataError, match="declare it as value_range"):
        floats = x.astype("float32")
        kr.photos_from_arrays(floats, [0, 1] * 2, class_names=("a", "b"), policy=policy)


@pytest.mark.parametrize("name", ["flips", "light", "factory", "randaugment", "augmix"])
def test_views_keep_the_channels_and_what_8_bits_cannot_say(name):
    photo = np.random.default_rng(0).uniform(0, 255, (24, 24, 4)).astype(np.float32)
    views = [augment_photo(photo, np.random.default_rng(i), AUGMENTATIONS[name]) for i in range(6)]
    assert {(view.shape, view.dtype.name) for view in views} == {(photo.shape, "float32")}
    assert any(np.abs(view - photo).max() > 1 for view in views)
    assert all((view != np.rint(view)).any() for view in views)


def test_what_is_for_pictures_alone_is_refused(part_sets):
    told = "photos of 8 bits, in RGB or grey, and these have channels=4 and dtype='uint8'"
    photos = replace(part_sets[0], policy=FOUR)
    with pytest.raises(DataError, match=f"Tiles are cut of {told}"):
        kr.cut_tiles(photos, (48, 48), (24, 24))
    drawn = kr.SyntheticDefects({"dot": "blob"}, good="plain")
    with pytest.raises(DataError, match=f"drawn into {told}"):
        drawn.added_to(photos, 0)


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"dtype": "float16"}, "Unknown dtype 'float16'"),
        ({"value_range": (5, 5)}, "`value_range` must be two numbers"),
        ({"value_range": 5}, "`value_range` must be two numbers"),
        ({"value_range": (0, float("inf"))}, "`value_range` must be two numbers"),
        ({"channels": 4, "resize": "letterbox", "fill": (1, 2, 3)}, "`fill` must be one shade"),
    ],
)
def test_a_policy_refuses_what_it_cannot_mean(how, told):
    with pytest.raises(ValueError, match=told):
        kr.DecodePolicy(**how)
    policy = kr.DecodePolicy(channels=4, dtype="float32", value_range=(0, 1))
    assert kr.DecodePolicy.from_dict(policy.to_dict()) == policy
