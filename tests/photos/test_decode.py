"""The decoding policy on every kind of photo: one picture, whatever the file."""

import io

import numpy as np
import pytest
from PIL import Image

from kerasrecipes.errors import DataError
from kerasrecipes.photos.decoding.decode import decode_photo
from kerasrecipes.photos.decoding.policy import DecodePolicy
from pngs import GREY, RGB, chunk, png

SIZE = (24, 32)


def encoded(image: Image.Image, image_format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "TIFF"])
def test_all_exif_orientations_of_one_picture_give_equal_arrays(image_format, make):
    upright = Image.fromarray(make.texture(1, SIZE)).convert("RGB")
    turn = Image.Transpose
    back = {
        1: None,
        2: turn.FLIP_LEFT_RIGHT,
        3: turn.ROTATE_180,
        4: turn.FLIP_TOP_BOTTOM,
        5: turn.TRANSPOSE,
        6: turn.ROTATE_90,
        7: turn.TRANSVERSE,
        8: turn.ROTATE_270,
    }
    for orientation, method in back.items():
        stored = upright if method is None else upright.transpose(method)
        exif = Image.Exif()
        exif[0x0112] = orientation
        options = {"quality": 100, "subsampling": 0} if image_format == "JPEG" else {}
        data = encoded(stored, image_format, exif=exif, **options)
        if orientation != 1:  # what plain Pillow gives is another picture
            plain = Image.open(io.BytesIO(data)).convert("RGB").resize(SIZE[::-1])
            if image_format != "TIFF":
                assert np.abs(np.asarray(plain).astype(int) - np.asarray(upright)).max() > 40
        pixels = decode_photo(data, SIZE)
        difference = np.abs(pixels.astype(int) - np.asarray(upright))
        assert difference.max() <= (6 if image_format == "JPEG" else 0), orientation


def test_16bit_grey_is_scaled_by_the_declared_range_and_not_clipped(tmp_path):
    values = np.linspace(0, 4095, 24 * 32).reshape(SIZE).astype(np.uint16)
    expected = np.rint(values * 255.0 / 4095)
    policy = DecodePolicy(max_16bit=4095)
    for name in ("a.png", "a.tif"):
        Image.fromarray(values).save(tmp_path / name)
        clipped = np.asarray(Image.open(tmp_path / name).convert("RGB"))
        assert (clipped == 255).mean() > 0.9  # what plain Pillow does
        pixels = decode_photo(tmp_path / name, SIZE, policy)
        assert np.abs(pixels[..., 1] - expected).max() <= 0.5
    dark = decode_photo(tmp_path / "a.png", SIZE)
    assert dark.max() == 16  # the full range: 4095 / 65535


def test_16bit_colour_keeps_both_bytes(make):
    rng = np.random.default_rng(0)
    values = rng.integers(0, 4096, (*SIZE, 3)).astype(np.uint16)
    policy = DecodePolicy(max_16bit=4095)
    expected = np.rint(values * 255.0 / 4095)
    assert np.abs(decode_photo(make.png_16bit(values, 2), SIZE, policy) - expected).max() <= 0.5
    opacity = np.full((*SIZE, 1), 65535, np.uint16)
    data = make.png_16bit(np.concatenate([values, opacity], axis=2), 6)
    assert np.abs(decode_photo(data, SIZE, policy) - expected).max() <= 0.5
    high_byte_only = np.asarray(Image.open(io.BytesIO(make.png_16bit(values, 2))))
    assert high_byte_only.max() <= 16  # what plain Pillow gives: nearly black


def test_16bit_beyond_the_declared_range_is_refused(make):
    values = np.full(SIZE, 5000, np.uint16)
    data = make.png_16bit(values, 0)
    with pytest.raises(DataError, match="a pixel of 5000 is outside the declared range 0 to 4095"):
        decode_photo(data, SIZE, DecodePolicy(max_16bit=4095))


def test_16bit_layouts_that_would_be_wrong_are_refused(make, tmp_path):
    grey_and_alpha = np.full((*SIZE, 2), 3000, np.uint16)
    with pytest.raises(DataError, match=r"cannot be read exactly .*save it as 16-bit"):
        decode_photo(make.png_16bit(grey_and_alpha, 4), SIZE)
    inverted = tmp_path / "inverted.tif"
    Image.fromarray(np.full(SIZE, 3000, np.uint16)).save(inverted, tiffinfo={262: 0})
    if Image.open(inverted).tag_v2[262] == 0:
        with pytest.raises(DataError, match="in which 0 is white"):
            decode_photo(inverted, SIZE)


def test_negative_pixels_are_refused(tmp_path):
    Image.fromarray(np.full(SIZE, -5, np.int32)).save(tmp_path / "a.tif")
    with pytest.raises(DataError, match="a pixel of -5 is outside"):
        decode_photo(tmp_path / "a.tif", SIZE)


def test_float_tiff_is_refused(tmp_path):
    Image.fromarray(np.random.default_rng(0).random(SIZE).astype(np.float32)).save(
        tmp_path / "a.tif"
    )
    black = np.asarray(Image.open(tmp_path / "a.tif").convert("RGB"))
    assert black.max() <= 1  # what plain Pillow gives
    with pytest.raises(DataError, match=r"float pixels.*save it with 8 or 16 bits"):
        decode_photo(tmp_path / "a.tif", SIZE)


def test_lab_is_refused(tmp_path):
    data = encoded(Image.new("LAB", (32, 24)), "TIFF")
    with pytest.raises(DataError, match="LAB colours: convert it to RGB"):
        decode_photo(data, SIZE)


def test_transparency_is_laid_on_the_background():
    policy = DecodePolicy(background=(10, 200, 30))
    clear = Image.new("RGBA", (32, 24), (255, 0, 0, 0))
    palette = Image.new("P", (32, 24), 0)
    palette.putpalette([255, 0, 0, 0, 0, 255])
    for data in (
        encoded(clear, "PNG"),
        encoded(clear, "WEBP", lossless=True),
        encoded(clear.convert("LA"), "PNG"),
        encoded(palette, "PNG", transparency=0),
        encoded(palette, "GIF", transparency=0),
        encoded(Image.new("RGB", (32, 24), (9, 9, 9)), "PNG", transparency=(9, 9, 9)),
        encoded(Image.new("1", (32, 24), 0), "PNG", transparency=0),
    ):
        assert (decode_photo(data, SIZE, policy) == (10, 200, 30)).all()
    half = encoded(Image.new("RGBA", (32, 24), (255, 0, 0, 128)), "PNG")
    assert np.abs(decode_photo(half, SIZE)[0, 0].astype(int) - (255, 127, 127)).max() <= 1


@pytest.mark.parametrize(
    ("bits", "clear"), [(1, 1), (2, 1), (4, 9), (8, 200), (8, 256 + 200), (16, 40_000)]
)
@pytest.mark.parametrize("colour", [GREY, RGB])
def test_the_colour_that_a_png_declares_transparent_is(bits, clear, colour):
    if colour == RGB and bits < 8:
        pytest.skip("PNGs have no such colours")
    samples = np.zeros((*SIZE, 1 if colour == GREY else 3), np.int64)
    samples[:12] = clear % 2**bits
    declared = np.full(samples.shape[2], clear).astype(">u2").tobytes()
    data = png(samples, bits, colour, before=[chunk(b"tRNS", declared)])
    pixels = decode_photo(data, SIZE, DecodePolicy(background=(10, 200, 30)))
    assert (pixels[:12] == (10, 200, 30)).all() and (pixels[12:] == 0).all()


def test_cmyk_palette_and_1bit_are_converted():
    colour = Image.new("RGB", (32, 24), (200, 100, 50))
    cmyk = decode_photo(encoded(colour.convert("CMYK"), "JPEG", quality=100), SIZE)
    assert np.abs(cmyk.astype(int) - (200, 100, 50)).max() <= 3
    assert (decode_photo(encoded(colour.quantize(4), "PNG"), SIZE) == (200, 100, 50)).all()
    assert (decode_photo(encoded(Image.new("1", (32, 24), 1), "TIFF"), SIZE) == 255).all()


@pytest.mark.parametrize("image_format", ["GIF", "WEBP", "TIFF", "PNG"])
def test_animations_give_their_first_frame(image_format):
    first, second = (Image.new("RGB", (32, 24), c) for c in ((0, 0, 255), (255, 0, 0)))
    data = encoded(first, image_format, save_all=True, append_images=[second])
    assert Image.open(io.BytesIO(data)).n_frames == 2
    assert np.abs(decode_photo(data, SIZE).astype(int) - (0, 0, 255)).max() <= 2


def test_resizing_is_pillows_antialiased_stretch(make):
    picture = Image.fromarray(make.texture(3, (301, 211))).convert("RGB")
    for name, method in (("bilinear", Image.BILINEAR), ("bicubic", Image.BICUBIC)):
        expected = np.asarray(picture.resize((32, 24), method))
        pixels = decode_photo(encoded(picture, "PNG"), SIZE, DecodePolicy(interpolation=name))
        np.testing.assert_array_equal(pixels, expected)
    assert pixels.dtype == np.uint8 and pixels.shape == (24, 32, 3) and pixels.flags.writeable


def test_policy_round_trips_and_refuses_nonsense():
    policy = DecodePolicy(background=(1, 2, 3), max_16bit=4095, interpolation="bicubic")
    assert DecodePolicy.from_dict(policy.to_dict()) == policy
    with pytest.raises(DataError, match=r"unknown keys: 'max_16bits'. Did you mean 'max_16bit'"):
        DecodePolicy.from_dict({"max_16bits": 1})
    for options, message in (
        ({"background": (0, 0)}, "`background` must be three integers"),
        ({"background": (0, 0, 300)}, "`background` must be three integers"),
        ({"max_16bit": 12}, "`max_16bit` must be an integer from 256"),
        ({"max_pixels": 0}, "`max_pixels` must be a positive integer"),
        ({"min_side": 1.5}, "`min_side` must be a positive integer"),
        ({"interpolation": "bilinaer"}, "Unknown interpolation .* Did you mean 'bilinear'"),
        ({"resize": "crop"}, "Unknown resize 'crop'"),
    ):
        with pytest.raises(ValueError, match=message):
            DecodePolicy(**options)


@pytest.mark.parametrize("size", [(0, 5), (5,), "ab", None])
def test_a_wrong_image_size_is_refused(size):
    with pytest.raises(ValueError, match="`image_size` must be"):
        decode_photo(b"x", size)
