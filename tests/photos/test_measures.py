import io

import numpy as np
from PIL import Image, ImageFilter

from kerasrecipes.photos.measures import measure_photo


def scene() -> np.ndarray:
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(60, 190, (16, 16, 3), np.uint8))
    return np.asarray(small.resize((96, 96), Image.Resampling.BICUBIC))


def test_each_number_answers_to_its_cause_in_its_unit():
    photo = scene()
    before = measure_photo(photo)
    darker = measure_photo(photo - 20)
    assert darker["brightness"] == round(before["brightness"] - 20, 4)
    assert darker["contrast"] == before["contrast"]
    noisy = photo + np.random.default_rng(1).normal(0, 8, photo.shape).mean(-1, keepdims=True)
    blurred = Image.fromarray(noisy.astype(np.uint8)).filter(ImageFilter.GaussianBlur(1))
    sharp = measure_photo(noisy)["sharpness"]
    assert before["sharpness"] < measure_photo(np.asarray(blurred))["sharpness"] < 0.5 * sharp
    assert measure_photo(noisy)["noise"] > before["noise"] + 2
    red = photo + np.array([10.0, 0, 0])
    assert np.isclose(measure_photo(red)["warmth"], before["warmth"] + 10, atol=1e-3)
    grey = photo.mean(axis=-1, keepdims=True).repeat(3, -1)
    assert measure_photo(grey)["colourfulness"] < 1e-3 < before["colourfulness"]


def test_noise_of_a_flat_photo_is_its_standard_deviation():
    flat = 128 + np.random.default_rng(2).normal(0, 5, (200, 200, 1)).repeat(3, -1)
    assert abs(measure_photo(flat)["noise"] - 5) < 0.3


def test_another_quality_of_jpeg_shows():
    file = io.BytesIO()
    noisy = scene() + np.random.default_rng(3).normal(0, 6, (96, 96, 3))
    photo = np.clip(noisy, 0, 255).astype(np.uint8)
    Image.fromarray(photo).save(file, "JPEG", quality=50)
    assert measure_photo(np.asarray(Image.open(file)))["noise"] < measure_photo(photo)["noise"]
