"""One JPEG on every way through the package: the same pixels, the same answer."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from kerasrecipes import Bundle, Predictor, decode_photo, scan_photos, to_dataset

SIDE = 24


@pytest.fixture(scope="module")
def int8_bundle(small_saved, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "parts" / "1"
    bundle = Bundle.load(shutil.copytree(small_saved.folder, folder))
    bundle.export("tflite", "int8")
    return bundle


@pytest.fixture(scope="module")
def jpeg(tmp_path_factory, part_photos):
    """A photo that is larger than the model's input, rotated by EXIF, and lossy."""
    root = tmp_path_factory.mktemp("jpeg")
    for kind in ("stripe", "plain"):
        (root / kind).mkdir()
        photo = Image.open(part_photos / kind / "03.png").resize((200, 120)).rotate(90, expand=True)
        exif = Image.Exif()
        exif[0x0112] = 6
        photo.save(root / kind / "photo.jpg", quality=80, exif=exif)
    return root


def test_pixels_and_answer_are_the_same_everywhere(small_fitted, int8_bundle, jpeg):
    photos = scan_photos(jpeg, for_training=False)
    path = photos.photos[1].path
    decoded = decode_photo(path, (SIDE, SIDE)).astype(np.float32)

    ((by_dataset, _),) = list(to_dataset(photos.select([1]), (SIDE, SIDE)))
    assert np.abs(by_dataset[0] - decoded).max() <= 1

    by_keras = small_fitted.predict(photos)[1]
    direct = small_fitted.model_.predict_on_batch(decoded[None])[0]
    np.testing.assert_allclose(by_keras, direct, atol=1e-5)

    names = small_fitted.labels_
    answers = {names[int(by_keras.argmax())]}
    for export, tolerance in (("tflite-float32", 1e-4), ("tflite-int8", 0.15)):
        (found,) = Predictor(int8_bundle, export=export).predict(path)
        scores = np.array([found.scores[name] for name in names])
        assert np.abs(scores - by_keras).max() < tolerance
        answers.add(found.label)
    assert len(answers) == 1


def test_a_photo_without_the_policy_would_differ(jpeg):
    """What the policy is for: tensorflow ignores EXIF and resizes without antialiasing."""
    import tensorflow as tf

    path = scan_photos(jpeg, for_training=False).photos[1].path
    plain = tf.image.resize(tf.io.decode_jpeg(path.read_bytes()), (SIDE, SIDE)).numpy()
    assert np.abs(plain - decode_photo(path, (SIDE, SIDE))).mean() > 3


def test_a_declared_range_reaches_every_way(part_photos, tmp_path):
    """12-bit photos are scaled in training and in the bundle's policy alike."""
    from kerasrecipes import DecodePolicy

    policy = DecodePolicy(max_16bit=4095)
    values = np.full((60, 60), 2048, np.uint16)
    for kind in ("a", "b"):
        (tmp_path / kind).mkdir()
        for i in range(2):
            Image.fromarray(values + i).save(tmp_path / kind / f"{i}.png")
    photos = scan_photos(tmp_path, policy=policy)
    ((pixels, _),) = list(to_dataset(replace(photos), (SIDE, SIDE)))
    assert np.abs(pixels.numpy() - 2048 / 4095 * 255).max() <= 1
