"""A model of grey photos: fitted, saved, exported and asked as one of RGB photos is."""

import sys

import numpy as np
import pytest
from PIL import Image

import kerasrecipes as kr
from kerasrecipes.errors import DataError
from kerasrecipes.export.tflite.metadata_table import build_table
from kerasrecipes.release.starter import write_starter
from starters import build, run

SIDE = 24


@pytest.fixture(scope="module")
def fitted(part_photos, fitted_on):
    """A recipe that was fitted on grey photos and measured on others."""
    photos = kr.scan_photos(part_photos, channels=1)
    return fitted_on(photos)


@pytest.fixture(scope="module")
def bundle(fitted, tmp_path_factory):
    bundle = fitted.save(tmp_path_factory.mktemp("models") / "grey")
    bundle.export("tflite")
    return bundle


def test_the_model_says_what_it_takes_and_a_report_says_why(fitted, bundle):
    assert fitted.model_.input_shape == (None, SIDE, SIDE, 1)
    assert any("as if its first kernels were summed" in told for told in fitted.report_.choices)
    assert bundle.input.shape == (SIDE, SIDE, 1)
    assert bundle.input.preparation["channels"] == 1
    assert bundle.calibration().shape[1:] == (SIDE, SIDE, 1)


def test_a_coloured_photo_gets_one_answer_on_every_way(fitted, bundle, part_photos):
    path = part_photos / "dot" / "03.png"
    colour = np.asarray(Image.open(path).convert("RGB"))
    grey = kr.decode_photo(path, (SIDE, SIDE), kr.DecodePolicy(channels=1))
    expected = fitted.model_.predict(grey[None], verbose=0)[0]
    # Scanned without a word about channels, photos are made grey as those of training were.
    usual = kr.scan_photos(part_photos)
    (place,) = [i for i, one in enumerate(usual.photos) if one.path == path]
    np.testing.assert_allclose(fitted.predict(usual.select([place]))[0], expected, atol=1e-6)
    predictor = kr.Predictor(bundle)
    for asked in (path, path.read_bytes(), colour, Image.fromarray(colour)):
        (found,) = predictor.predict(asked)
        given = [found.scores[name] for name in fitted.labels_]
        np.testing.assert_allclose(given, expected, atol=1e-4)


def test_heatmaps_and_small_pictures_show_it(bundle, part_photos):
    found = kr.heatmap(bundle, part_photos / "dot" / "03.png")
    assert found.photo.shape == (SIDE, SIDE, 3) and found.png().startswith(b"\x89PNG")
    photos = kr.scan_photos(part_photos, channels=1)
    assert bundle.modality.picture(next(photos.each(bundle.input.shape))).startswith(b"\x89PNG")
    figure = kr.draw_augmentation(photos, views=1, count=1, image_size=(SIDE, SIDE))
    assert figure.axes[0].images[0].get_array().shape == (SIDE, SIDE, 3)


def test_a_profile_measures_no_colours(bundle):
    measured = kr.ReferenceProfile.read(bundle.folder / "profile.npz").facts.inputs
    assert {"brightness", "noise"} <= {*measured} and "warmth" not in measured


def test_a_client_reads_that_it_is_grey(bundle):
    contract = bundle.contract()
    told = build_table(contract, "extra.json")
    takes = contract.input.model_copy(update={"shape": (SIDE, SIDE, 3)})
    rgb = build_table(contract.model_copy(update={"input": takes}), "extra.json")
    assert b"Grey photo" in told and b"RGB photo" in rgb


def test_the_python_starter_answers_for_grey_photos(bundle, tmp_path):
    folder = write_starter(bundle, "python", tmp_path / "app")
    done = run([sys.executable, "-W", "error", "classify.py"], folder)
    assert done.returncode == 0 and done.stdout.count("as verified") == 5, done.stderr
    assert "grey (ITU-R BT.601" in (folder / "README.md").read_text("utf-8")
    for language in ("kotlin", "swift"):
        with pytest.raises(DataError, match=f"in {language} prepares RGB photos.*'cpp' or 'pyt"):
            write_starter(bundle, language, tmp_path / language)


@pytest.mark.proof
def test_the_cpp_starter_answers_for_grey_photos(bundle, tmp_path):
    folder = write_starter(bundle, "cpp", tmp_path / "app")
    build(folder)
    done = run(["./classify"], folder)
    assert done.returncode == 0 and done.stdout.count("as verified") == 5, done.stderr


@pytest.mark.proof
@pytest.mark.parametrize(
    ("format", "quantization"),
    [("tflite", "int8"), ("onnx", "float32"), ("saved_model", "float32")],
)
def test_every_format_is_verified(bundle, format, quantization):
    assert bundle.export(format, quantization).verification["passed"]


@pytest.mark.proof
def test_other_models_learn_from_and_with_it(fitted, part_photos, small_recipe, small_fitted):
    photos = kr.scan_photos(part_photos, channels=1)
    train, val, _ = kr.split_photos(photos, test_fraction=0.25, val_fraction=0.25)
    # A teacher of RGB photos is asked about grey ones as RGB.
    student = kr.distil(small_fitted, small_recipe(), train, val)
    assert student.model_.input_shape[-1] == 1
    aware = kr.quantize(fitted, "qat", train=train, epochs=1)
    assert aware is not None


@pytest.mark.proof
def test_what_is_new_is_found_in_grey_photos(small_recipe):
    pixels = np.random.default_rng(0).integers(0, 256, (60, SIDE, SIDE, 3), np.uint8)
    policy = kr.DecodePolicy(channels=1)
    good = kr.photos_from_arrays(
        pixels, ["good"] * 60, class_names=["good"], policy=policy, for_training=False
    )
    recipe = kr.DefectDetector(
        small_recipe().backbone, image_size=(SIDE, SIDE), false_alarms=0.1, start="head"
    )
    recipe.fit(good.select(range(40)), good.select(range(40, 60)), verbose=False)
    assert recipe.model_.input_shape[-1] == 1
    assert len(recipe.novelty(good).scores) == 60
