"""SavedModels: TensorFlow Serving's layout, and photos' files decoded as in training."""

import functools
import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from kerasrecipes.errors import DataError, VerificationError
from kerasrecipes.export import GraphFacts
from kerasrecipes.export.saved_model import saved_model
from kerasrecipes.photos.decoding.decode import decode_photo
from kerasrecipes.photos.decoding.in_graph import decode_files
from kerasrecipes.photos.decoding.policy import DecodePolicy
from tiny_bundle import contract_of

NAMES = ["blue", "green", "rød\n1"]
SIZE = (32, 32)


@pytest.fixture(scope="module")
def photos(tiny):
    return tiny.colour_photos(40, seed=7)[0]


@pytest.fixture(scope="module")
def folder(trained, tmp_path_factory):
    told = contract_of(NAMES, DecodePolicy(max_16bit=4095).to_dict(), "one line")
    path = tmp_path_factory.mktemp("served") / "model.saved_model"
    return saved_model.write(trained, path, contract=told, version=7)


@pytest.fixture(scope="module")
def loaded(folder):
    return saved_model.load(folder)


def encoded(pixels, kind: str, **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def test_layout_is_that_of_tensorflow_serving(folder):
    assert [path.name for path in folder.iterdir()] == ["7"]
    inside = {path.name for path in (folder / "7").iterdir()}
    assert {"saved_model.pb", "variables", "assets.extra"} <= inside
    labels = (folder / "7" / "assets.extra" / "labels.txt").read_text("utf-8")
    assert labels.splitlines() == ["blue", "green", "rød\\n1"]
    found = saved_model.read_contract(folder)
    assert list(found.output.class_names) == NAMES and found.description == "one line"
    assert DecodePolicy.from_dict(found.input.preparation).max_16bit == 4095


def test_plain_tensorflow_finds_both_signatures(folder, photos):
    """As a server does: no Keras, no code of this package."""
    code = (
        "import sys, numpy as np, tensorflow as tf\n"
        f"found = tf.saved_model.load({str(folder / '7')!r}).signatures\n"
        "assert set(found) == {'serving_default', 'photo_bytes'}, set(found)\n"
        "photos = tf.zeros((2, 32, 32, 3), tf.uint8)\n"
        "files = tf.stack([tf.io.encode_png(photo) for photo in photos])\n"
        "a = found['serving_default'](photos=photos)['scores']\n"
        "b = found['photo_bytes'](photo_bytes=files)['scores']\n"
        "assert a.shape == (2, 3) and np.abs(a - b).max() == 0\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_answers_like_keras(loaded, trained, photos):
    expected = trained.predict(photos.astype("float32"), verbose=0)
    np.testing.assert_allclose(loaded(photos)["scores"], expected, atol=1e-5)
    assert loaded(photos[:0])["scores"].shape == (0, 3)


def test_files_get_the_answer_of_their_pixels(loaded, photos):
    files = [encoded(photo, kind) for photo in photos[:4] for kind in ("PNG", "JPEG")]
    pixels = np.stack([decode_photo(data, SIZE) for data in files])
    np.testing.assert_allclose(
        loaded.answer_files(files)["scores"], loaded(pixels)["scores"], atol=1e-5
    )


# --- the decoding policy ---------------------------------------------------------------------


def both(data: bytes, size=SIZE, policy=DecodePolicy()):
    """Decode with Pillow, and in a graph as a server does; as integers."""
    import tensorflow as tf

    ours = decode_photo(data, size, policy).astype(int)
    return ours, graph_for(size, policy)(tf.constant([data]))[0].numpy().astype(int)


@functools.cache
def graph_for(size, policy):
    import tensorflow as tf

    return tf.function(lambda files: decode_files(files, size, policy))


@pytest.fixture(scope="module")
def scene():
    """A photo with smooth parts, edges and noise, 60 high and 90 wide."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:60, :90]
    colours = np.stack([2 * x, 3 * y, 255 - 2 * x], -1) + rng.normal(0, 12, (60, 90, 3))
    colours[20:40, 30:45] = (250, 10, 60)
    return np.clip(colours, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("options", [{"quality": 80}, {"subsampling": 0}, {"progressive": True}])
def test_jpegs_of_the_models_size_get_the_same_pixels(scene, options):
    ours, theirs = both(encoded(scene, "JPEG", **options), (60, 90))
    assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [SIZE, (120, 150)])
def test_resizing_differs_by_rounding_only(scene, interpolation, size):
    policy = DecodePolicy(interpolation=interpolation)
    ours, theirs = both(encoded(scene, "JPEG"), size, policy)
    assert np.abs(ours - theirs).max() <= 2
    assert np.abs(ours - theirs).mean() < 0.3


@pytest.mark.parametrize("order", ["big", "little"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(scene, orientation, order):
    exif = Image.Exif()
    exif.endian = {"big": ">", "little": "<"}[order]
    exif[0x010F] = "a maker with a long name"
    exif[0x0112] = orientation
    ours, theirs = both(encoded(scene, "JPEG", exif=exif.tobytes()))
    assert np.abs(ours - theirs).max() <= 2
    upright, _ = both(encoded(scene, "JPEG"))
    assert (np.abs(ours - upright).max() > 100) == (orientation != 1)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_is_no_rotation(scene):
    for block in (b"", b"MM\x00*\xff\xff\xff\xff", b"II*\x00\x08\x00\x00\x00\xff\xff"):
        ours, theirs = both(encoded(scene, "JPEG", exif=b"Exif\x00\x00" + block))
        assert np.abs(ours - theirs).max() <= 2


def test_transparency_grey_and_palettes_follow_the_policy(scene):
    policy = DecodePolicy(background=(10, 200, 90))
    alpha = np.linspace(0, 255, 90).astype(np.uint8)[None].repeat(60, 0)
    kinds = [
        Image.fromarray(np.dstack([scene, alpha])),
        Image.fromarray(np.dstack([scene[..., 0], alpha]), "LA"),
        Image.fromarray(scene).convert("P"),
        Image.fromarray(scene).convert("L"),
        Image.fromarray(scene).convert("1"),
    ]
    few = Image.fromarray(scene).quantize(4)
    files = [(picture, {}) for picture in kinds]
    files += [(few, {"bits": 2}), (few, {"bits": 4, "transparency": bytes([255, 3, 0, 120])})]
    for picture, options in files:
        file = io.BytesIO()
        picture.save(file, "PNG", **options)
        ours, theirs = both(file.getvalue(), (60, 90), policy)
        assert np.abs(ours - theirs).max() <= 1, picture.mode


@pytest.mark.parametrize("white", [65535, 4095])
def test_16_bit_pngs_are_scaled_by_the_declared_range(white):
    values = np.linspace(0, white, 60 * 90).reshape(60, 90).astype(np.uint16)
    ours, theirs = both(encoded(values, "PNG"), (60, 90), DecodePolicy(max_16bit=white))
    assert np.array_equal(ours, theirs) and ours.max() == 255


def test_files_outside_the_policy_are_refused(scene, loaded):
    import tensorflow as tf

    too_bright = encoded(np.full((40, 40), 5000, np.uint16), "PNG")
    refused = {
        "JPEG or PNG": encoded(scene, "BMP"),
        "must be a JPEG": b"",
        "too small": encoded(scene[:4], "PNG"),
        "outside the declared range 0 to 4095": too_bright,
    }
    for message, data in refused.items():
        with pytest.raises(DataError, match=message):
            loaded.answer_files([data])
    truncated = encoded(scene, "JPEG")[:-200]
    with pytest.raises(DataError, match="cannot be used"):
        loaded.answer_files([truncated])
    small = DecodePolicy(max_pixels=60 * 90 - 1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="too large"):
        decode_files(tf.constant([encoded(scene, "JPEG")]), SIZE, small)


# --- what is refused -------------------------------------------------------------------------


def test_resizing_inside_does_not_switch_to_training_mode(resizing_model, photos, tmp_path):
    model, expected = resizing_model
    path = saved_model.write(model, tmp_path / "m", contract=contract_of(NAMES))
    assert np.abs(saved_model.load(path)(photos[:8])["scores"] - expected(photos[:8])).max() < 1e-4


def test_nan_answers_are_refused(tmp_path, nan_model):
    with pytest.raises(VerificationError, match=r"answers NaN for 3 of 3 classes"):
        saved_model.write(nan_model, tmp_path / "m", contract=contract_of(NAMES))
    assert list(tmp_path.iterdir()) == []


def test_a_graph_that_calls_python_is_refused(tmp_path):
    import keras
    import tensorflow as tf

    class Calls(keras.layers.Layer):
        def call(self, x):
            return tf.ensure_shape(tf.numpy_function(lambda y: y, [x], tf.float32), x.shape)

        def compute_output_shape(self, shape):
            return shape

    photo = keras.Input((8, 8, 3))
    x = keras.layers.GlobalAveragePooling2D()(Calls()(photo))
    model = keras.Model(photo, keras.layers.Softmax()(x))
    with pytest.raises(
        VerificationError, match=r"operators that TensorFlow Serving lacks: 'PyFunc"
    ):
        saved_model.write(model, tmp_path / "m", contract=contract_of(NAMES))
    assert list(tmp_path.iterdir()) == []


def test_lost_weights_are_refused(tmp_path, trained, monkeypatch):
    monkeypatch.setattr(saved_model, "inspect_folder", lambda path: GraphFacts({}, (), 100))
    with pytest.raises(VerificationError, match=r"holds 100 bytes.*lost its weights"):
        saved_model.write(trained, tmp_path / "m", contract=contract_of(NAMES))
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_saved_model_is_named(tmp_path, folder):
    with pytest.raises(DataError, match=r"There is no SavedModel in '.*gone'"):
        saved_model.load(tmp_path / "gone")
    for version in "12":
        (tmp_path / "m" / version).mkdir(parents=True)
        (tmp_path / "m" / version / "saved_model.pb").write_bytes(b"\xff" * 50)
    with pytest.raises(DataError, match=r"must hold one version of a SavedModel"):
        saved_model.load(tmp_path / "m")
    (tmp_path / "m" / "2" / "saved_model.pb").unlink()
    with pytest.raises(DataError, match=r"TensorFlow cannot open"):
        saved_model.load(tmp_path / "m")
    with pytest.raises(DataError, match=r"is not a SavedModel"):
        saved_model.inspect_folder(tmp_path / "m")
    with pytest.raises(DataError, match=r"carries no readable labels"):
        saved_model.read_contract(tmp_path / "m")


def test_wrong_arguments(folder, loaded, trained, tmp_path):
    with pytest.raises(ValueError, match=r"`threads` has no effect on a SavedModel, received 2"):
        saved_model.load(folder, threads=2)
    with pytest.raises(DataError, match=r"must be uint8 of shape \(n, 32, 32, 3\), received"):
        loaded(np.zeros((1, 32, 32, 3), np.float32))
    for version in (0, "1"):
        with pytest.raises(ValueError, match="`version` must be a whole number"):
            saved_model.write(trained, tmp_path / "m", contract=contract_of(NAMES), version=version)
    with pytest.raises(DataError, match=r"exists already. Name a new folder"):
        saved_model.write(trained, folder, contract=contract_of(NAMES))
