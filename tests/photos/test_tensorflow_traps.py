"""Why photos are not decoded by TensorFlow: it silently gives other pixels than Pillow."""

import io

import numpy as np
import pytest
from PIL import Image

from kerasrecipes.photos.decoding.decode import decode_photo

SIZE = (48, 64)


@pytest.fixture(scope="module")
def tf():
    return pytest.importorskip("tensorflow")


@pytest.fixture(scope="module")
def jpeg(make):
    """A colourful photo with sharp detail, where decoders have room to differ."""
    channels = [make.texture(seed, (384, 512)).astype(int) for seed in (1, 2, 3)]
    noise = np.random.default_rng(0).normal(0, 30, (384, 512, 3))
    pixels = np.clip(np.stack(channels, axis=2) + noise, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def ours(data, size):
    return decode_photo(data, size).astype(int)


def test_the_default_jpeg_decoder_differs_and_ours_does_not(tf, jpeg):
    pillow = np.asarray(Image.open(io.BytesIO(jpeg))).astype(int)
    default = np.abs(tf.io.decode_jpeg(jpeg).numpy() - pillow)
    exact = tf.io.decode_jpeg(jpeg, dct_method="INTEGER_ACCURATE").numpy()
    assert 1 <= default.max() <= 12
    assert np.abs(exact - pillow).max() == 0
    assert np.abs(ours(jpeg, (384, 512)) - pillow).max() == 0


def test_the_default_resize_aliases_and_ours_does_not(tf, jpeg):
    whole = np.asarray(Image.open(io.BytesIO(jpeg)))
    aliased = tf.image.resize(whole, SIZE).numpy()
    antialiased = tf.image.resize(whole, SIZE, antialias=True).numpy()
    assert np.abs(aliased - ours(jpeg, SIZE)).mean() > 3
    assert np.abs(antialiased - ours(jpeg, SIZE)).mean() < 0.4


def test_tensorflow_ignores_orientation_and_tiff(tf, make):
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = Image.fromarray(make.texture(1, SIZE)).convert("RGB")
    picture.save(buffer, "PNG", exif=exif)
    upright = np.rot90(np.asarray(picture), -1)
    assert tf.io.decode_image(buffer.getvalue()).shape == (48, 64, 3)
    np.testing.assert_array_equal(decode_photo(buffer.getvalue(), (64, 48)), upright)
    tiff = io.BytesIO()
    picture.save(tiff, "TIFF")
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.io.decode_image(tiff.getvalue())
    np.testing.assert_array_equal(decode_photo(tiff.getvalue(), SIZE), np.asarray(picture))
