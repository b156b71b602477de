"""Temperatures and thresholds: folded into the weights, verified, and told in the file."""

import json
from pathlib import Path

import numpy as np
import pytest

from kerasrecipes import temperature_scale
from kerasrecipes.bundles.decision import Decision
from kerasrecipes.bundles.export_record import ExportRecord
from kerasrecipes.errors import IntegrityError
from kerasrecipes.export import get_format
from kerasrecipes.export.tflite.metadata import read_metadata
from kerasrecipes.release.bundle import Bundle
from kerasrecipes.serve.predictor import Predictor
from kerasrecipes.verify import verify_bundle

NAMES = ["good", "bad"]


@pytest.fixture(scope="module")
def photos(tiny):
    return tiny.colour_photos(40, seed=7)[0]


@pytest.fixture(scope="module")
def two_classes(tiny, tmp_path_factory):
    """A bundle of a model with two classes, without exports; it ends in Dense and Softmax."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(3)
    photo = keras.Input((*tiny.SIZE, 3))
    x = layers.Conv2D(8, 3, strides=2)(layers.Rescaling(1 / 128, offset=-1)(photo))
    logits = layers.Dense(2, name="logits")(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(photo, layers.Softmax(name="scores")(logits))
    kernel, _ = model.get_layer("logits").get_weights()
    pixels = tiny.colour_photos(60, seed=3)[0].astype("float32")
    middle = np.median(np.log(model.predict(pixels, verbose=0)) @ [1, -1])
    model.get_layer("logits").set_weights([4 * kernel, np.float32([-4 * middle, 0])])
    with pytest.MonkeyPatch.context() as patch:
        drawn = tiny.colour_photos
        patch.setattr(tiny, "CLASS_NAMES", NAMES)
        patch.setattr(
            tiny, "colour_photos", lambda *a, **k: (drawn(*a, **k)[0], drawn(*a, **k)[1] % 2)
        )
        return tiny.write_bundle(tmp_path_factory.mktemp("two") / "parts", model)


@pytest.mark.parametrize("name", ["onnx", "tflite"])
def test_a_threshold_is_followed_by_the_top_class(two_classes, photos, name):
    plain = two_classes.load_model().predict(photos.astype("float32"), verbose=0)
    record = two_classes.export(name, threshold={"bad": 0.3}, overwrite=True)
    scores = get_format(name).load(record.path)(photos)["scores"]
    chosen = plain[:, 1] >= 0.3
    assert 0 < np.sum(chosen != (plain.argmax(1) == 1)) < 40  # it makes a difference
    assert np.array_equal(scores.argmax(1) == 1, chosen)
    np.testing.assert_allclose(scores, record.decision.apply(plain, NAMES), atol=1e-5)
    assert record.verification["passed"] and record.verification["agreement"] == 1.0
    said = get_format(name).read_contract(record.path).description
    assert said == "parts, version 1; 'bad' from a probability of 0.3 on, which is a score of 0.5"


def test_a_temperature_changes_confidence_and_no_top_class(bundle, photos):
    plain = bundle.load_model().predict(photos.astype("float32"), verbose=0)
    record = bundle.export("tflite", "int8", temperature=8.0)
    scores = get_format("tflite").load(record.path)(photos)["scores"]
    assert np.mean(scores.argmax(1) == plain.argmax(1)) == 1.0
    assert scores.max(1).mean() < plain.max(1).mean() - 0.03
    assert np.abs(scores - Decision(8.0).apply(plain, bundle.class_names)).max() < 0.1
    assert (
        read_metadata(record.path).contract.description == "colours, version 1; logits divided by 8"
    )
    # The bundle alone is enough to repeat the verification.
    assert [found.passed for found in verify_bundle(bundle.folder)] == [True]
    assert bundle.exports()["tflite-int8"].decision == Decision(8.0)


def test_it_is_fitted_again_on_the_quantized_file(exported_once, tiny):
    pixels, labels = tiny.colour_photos(300, seed=51)
    scores = get_format("tflite").load(exported_once.exports()["tflite-int8"].path)(pixels)[
        "scores"
    ]
    logits = np.log(np.clip(scores, 1e-12, None))
    found = Decision(temperature_scale(logits, labels)).apply(scores, tiny.CLASS_NAMES)

    def log_loss(p):
        return -np.mean(np.log(np.clip(p[np.arange(300), labels], 1e-30, None)))

    assert log_loss(found) <= log_loss(scores) + 1e-6


def test_nothing_is_folded_unless_asked_for(exported_once):
    stored = json.loads((exported_once.exports()["tflite-int8"].folder / "export.json").read_text())
    assert "decision" not in stored
    scores = np.array([[0.2, 0.8]])
    assert Decision().apply(scores, NAMES) is scores


def test_photos_are_compared_with_the_folded_model(bundle, photo_set):
    record = bundle.export("tflite", temperature=3.0, photos=photo_set)
    assert record.verification["photos"] == 12 and record.verification["largest_gap"] < 1e-4


def test_a_threshold_of_one_half_and_certain_scores_stay():
    scores = np.array([[1.0, 0.0], [0.4, 0.6]])
    same = Decision(threshold={"bad": 0.5}).apply(scores, NAMES)
    np.testing.assert_allclose(same, scores, atol=1e-12)
    strict = Decision(2.0, {"bad": 0.9}).apply(np.array([[0.05, 0.95], [0.001, 0.999]]), NAMES)
    warm = np.sqrt([0.95, 0.999]) / (np.sqrt([0.95, 0.999]) + np.sqrt([0.05, 0.001]))
    assert np.array_equal(strict.argmax(1), warm >= 0.9)


@pytest.mark.parametrize("temperature", [0, -1.0, float("nan"), float("inf"), "2", True])
def test_temperatures_must_be_positive(temperature):
    with pytest.raises(ValueError, match="`temperature` must be a number > 0, received"):
        Decision(temperature)


@pytest.mark.parametrize("threshold", [0.3, {}, {"a": 1.0}, {"a": 0}, {"a": 0.3, "b": 0.2}])
def test_thresholds_must_be_of_one_class(threshold):
    with pytest.raises(ValueError, match="`threshold` must map one class to a probability"):
        Decision(threshold=threshold)


def test_wrong_classes_are_refused_before_any_work(exported, two_classes, monkeypatch):
    monkeypatch.setattr(Bundle, "load_model", lambda self: pytest.fail("model was loaded"))
    with pytest.raises(ValueError, match=r"Unknown class 'bed'. Did you mean 'bad'\?"):
        two_classes.export(threshold={"bed": 0.3}, overwrite=True)
    with pytest.raises(ValueError, match=r"`threshold` needs a model with two classes, .* has 3"):
        exported.export(threshold={"blue": 0.3}, overwrite=True)


def test_models_that_end_otherwise_are_refused():
    import keras
    from keras import layers

    photo = keras.Input((8, 8, 3))
    pooled = layers.GlobalAveragePooling2D()(photo)
    for last in (
        layers.Dense(2, activation="sigmoid"),
        layers.Dense(2, activation="softmax", use_bias=False),
        layers.Activation("softmax"),
    ):
        model = keras.Model(photo, last(pooled))
        with pytest.raises(ValueError, match="this model does not end in one. Leave them out"):
            Decision(2.0).fold(model, NAMES)


def test_a_changed_record_is_refused(bundle):
    record = bundle.export("tflite", temperature=2.0)
    path = record.folder / "export.json"
    path.write_text(path.read_text().replace('"temperature": 2.0', '"temperature": -2.0'))
    with pytest.raises(IntegrityError, match="damaged"):
        ExportRecord.parse(path.read_bytes(), record.folder)


def test_command_line(exported, capsys):
    from kerasrecipes.cli import main

    arguments = ["export", str(exported.folder), "--overwrite"]
    for wrong in ("blue", "blue=", "=0.3x"):
        with pytest.raises(SystemExit):
            main([*arguments, "--threshold", wrong])
        assert "`--threshold` must be CLASS=PROBABILITY" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*arguments, "--threshold", "blue=0.3"])
    assert "needs a model with two classes" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*arguments, "--signatures", "embed,trane"])
    assert "Did you mean 'train'?" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*arguments, "--temperature", "2", "--signatures", "embed"])
    assert "verified" in capsys.readouterr().out
    assert "embed" in Path(exported.exports()["tflite-float32"].path).read_bytes().decode("latin-1")
    assert Predictor(exported, export="tflite-float32").class_names == exported.class_names
