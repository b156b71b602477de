"""A model of photos of four channels, in 16 bits: fitted, saved, exported and asked as others."""

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.cli import main
from kerasrecipes.errors import DataError
from kerasrecipes.export.tflite.metadata_table import build_table
from kerasrecipes.release.starter import write_starter

SIDE, CHANNELS = 24, 4
POLICY = kr.DecodePolicy(channels=CHANNELS, dtype="float32")


def arrays(count, seed=0):
    """Photos whose fourth channel alone tells the class, and their classes."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 30000, (count, 30, 34, CHANNELS), np.uint16)
    classes = np.arange(count) % 2
    pixels[classes == 1, 8:20, 8:20, 3] = 60000
    return pixels, classes


@pytest.fixture(scope="module")
def photos():
    return kr.photos_from_arrays(*arrays(40), class_names=("ok", "hot"), policy=POLICY)


@pytest.fixture(scope="module")
def fitted(photos, fitted_on):
    return fitted_on(photos)


@pytest.fixture(scope="module")
def bundle(fitted, tmp_path_factory):
    bundle = fitted.save(tmp_path_factory.mktemp("models") / "four")
    bundle.export("tflite")
    return bundle


def test_the_model_says_what_it_takes_and_a_report_says_how(fitted, bundle):
    assert fitted.model_.input_shape == (None, SIDE, SIDE, CHANNELS)
    assert any("as if the first kernels were copied" in told for told in fitted.report_.choices)
    assert bundle.input.shape == (SIDE, SIDE, CHANNELS) and bundle.input.dtype == "float32"
    assert bundle.input.preparation["channels"] == CHANNELS
    assert bundle.calibration().shape[1:] == (SIDE, SIDE, CHANNELS)
    # What is read of the fourth channel was learned, too.
    mixed = fitted.model_.get_layer("channels_as_rgb").get_weights()[0][0, 0]
    assert np.abs(mixed - np.rint(mixed * 2) / 2).max() > 1e-6


def test_a_start_from_the_best_linear_model_says_that_the_mixture_stays(photos, small_backbone):
    train, val, _ = kr.split_photos(photos, test_fraction=0.25, val_fraction=0.25)
    recipe = kr.ImageClassifier(small_backbone, image_size=(SIDE, SIDE))
    report = recipe.fit(train, val, verbose=False)
    assert any("No block was opened" in told for told in report.choices)
    assert any("How the channels are mixed never learns" in told for told in report.warnings)
    assert any("as if the first kernels were copied" in told for told in report.choices)


def test_a_photo_gets_one_answer_on_every_way(fitted, bundle, tmp_path):
    (pixels,), _ = arrays(1, seed=5)
    path = tmp_path / "one.npy"
    np.save(path, pixels)
    expected = fitted.model_.predict(kr.decode_photo(path, (SIDE, SIDE), POLICY)[None], verbose=0)
    predictor = kr.Predictor(bundle)
    for asked in (path, path.read_bytes(), pixels, tmp_path):
        (found,) = predictor.predict(asked)
        given = [found.scores[name] for name in fitted.labels_]
        np.testing.assert_allclose(given, expected[0], atol=1e-4)


def test_a_low_byte_reaches_the_backbone(fitted):
    pixels, _ = arrays(2)
    pixels[1] = pixels[0]
    pixels[1] ^= np.uint16(255)
    pair = kr.photos_from_arrays(
        pixels, ["ok", "hot"], class_names=("ok", "hot"), policy=POLICY, for_training=False
    )
    first, second = pair.stack((SIDE, SIDE, CHANNELS))
    assert first.dtype == np.float32 and 0 < np.abs(first - second).max() < 1
    one, other = fitted.predict(pair)
    assert (one != other).any()


def test_pictures_show_three_of_the_channels(bundle, photos):
    found = kr.heatmap(bundle, photos.photos[0].content)
    assert found.photo.shape == (SIDE, SIDE, 3) and found.png().startswith(b"\x89PNG")
    example = next(photos.each(bundle.input.shape))
    assert bundle.modality.picture(example).startswith(b"\x89PNG")
    figure = kr.draw_augmentation(photos, "flips", views=1, count=1, image_size=(SIDE, SIDE))
    assert figure.axes[0].images[0].get_array().shape == (SIDE, SIDE, 3)


def test_a_profile_measures_no_colours(bundle):
    measured = kr.ReferenceProfile.read(bundle.folder / "profile.npz").facts.inputs
    assert {"brightness", "noise"} <= {*measured} and "warmth" not in measured


def folder_of_arrays(root, dtype=np.float32):
    pixels, classes = arrays(24, seed=1)
    for i, (photo, kind) in enumerate(zip(pixels, classes, strict=True)):
        folder = root / ("ok", "hot")[kind]
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / f"{i}.npy", photo.astype(dtype))
    return root


def test_what_prepares_pictures_alone_refuses_it(bundle, tmp_path, photos):
    told = "photos of 8 bits, in RGB or grey, and these have channels=4 and dtype='float32'"
    with pytest.raises(DataError, match=f"A starter prepares {told}"):
        write_starter(bundle, "python", tmp_path / "app")
    with pytest.raises(DataError, match=f"A starter prepares {told}"):
        kr.write_edge(bundle, tmp_path / "device")
    with pytest.raises(DataError, match=f"Corruptions are those of {told}"):
        kr.stress_bundle(bundle, photos)
    table = build_table(bundle.contract(), "extra.json")
    assert b"photos, float32" in table and b"Grey" not in table and b"RGB photo" not in table


def test_the_doctor_is_told_what_they_are(tmp_path, capsys):
    root = folder_of_arrays(tmp_path / "photos")
    with pytest.raises(SystemExit) as end:
        main(["doctor", str(root), "--channels", "4", "--value-range", "0,65535"])
    told = capsys.readouterr().out
    assert not end.value.code and "hot/1.npy: 34x30" in told


def test_what_a_model_says_itself_is_not_asked_again(bundle, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["evaluate", str(bundle.folder), str(tmp_path), "--channels", "4"])
    assert end.value.code == 2 and "the recipe, says it" in capsys.readouterr().err


@pytest.mark.proof
def test_the_command_line_trains_and_asks(tmp_path, capsys):
    root, to = folder_of_arrays(tmp_path / "photos"), tmp_path / "model"
    how = ["--channels", "4", "--dtype", "float32", "--value-range", "0,65535"]
    short = ["--epochs", "1", "--image-size", "32", "--augment", "none",
             "--run", str(tmp_path / "run")]  # fmt: skip
    with pytest.raises(SystemExit) as end:
        main(["train", str(root), "--to", str(to), *how, *short])
    assert not end.value.code
    written = (tmp_path / "run" / "recipe.toml").read_text("utf-8")
    assert "channels = 4" in written and "value_range = [0.0, 65535.0]" in written
    for command in (["export", str(to)], ["predict", str(to), str(root / "ok")]):
        with pytest.raises(SystemExit) as end:
            main(command)
        assert not end.value.code
    assert capsys.readouterr().out.count(".npy") == 12


def test_a_folder_of_arrays_is_found_by_what_looks_at_all_of_a_folder(bundle, tmp_path):
    folder = folder_of_arrays(tmp_path / "photos", np.uint16)
    scored = kr.score(bundle, folder, tmp_path / "answers")
    assert (scored.rows, scored.failed) == (24, 0)
    assert kr.detect_drift(bundle, folder).examples == 24


def test_a_backbone_alone_tells_of_them_too(photos, small_backbone):
    found = kr.find_mistakes(photos, backbone=small_backbone)
    assert len(found.examples) == 40
    advice = kr.recommend_backbone(photos, backbones=[small_backbone], image_size=(SIDE, SIDE))
    assert len(advice.candidates) == 2 and not advice.failed


@pytest.mark.proof
def test_other_models_learn_from_and_with_it(fitted, bundle, photos, small_recipe):
    train, val, _ = kr.split_photos(photos, test_fraction=0.25, val_fraction=0.25)
    student = kr.distil(fitted, small_recipe(), train, val)
    assert student.model_.input_shape[-1] == CHANNELS
    assert kr.quantize(fitted, "qat", train=train, epochs=1) is not None
    pruned = kr.prune(fitted, train, val, channels=0.5, epochs=1, verbose=False)
    assert pruned.model_.input_shape[-1] == CHANNELS
    on = small_recipe(weights=str(bundle.folder), start="head")
    on.fit(train, val, verbose=False)
    # What was learned of the channels goes on, too: only the head is trained here.
    mixed, learned = (one.model_.get_layer("channels_as_rgb") for one in (on, fitted))
    np.testing.assert_array_equal(mixed.get_weights()[0], learned.get_weights()[0])


@pytest.mark.proof
@pytest.mark.parametrize(
    ("format", "quantization"),
    [("tflite", "int8"), ("onnx", "float32"), ("saved_model", "float32")],
)
def test_every_format_is_verified(bundle, format, quantization):
    assert bundle.export(format, quantization).verification["passed"]
