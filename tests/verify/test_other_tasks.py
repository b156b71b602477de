"""Verification, benchmark, prediction and quantizing of files that answer something else."""

import json
import re
import sys
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest

import tiny_bundle as tiny
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.errors import DataError, VerificationError
from kerasrecipes.export.triton import write_triton
from kerasrecipes.release.starter import write_starter
from kerasrecipes.serve import Predictor
from kerasrecipes.verify import (
    Tolerance,
    Verification,
    benchmark_bundle,
    verify_bundle,
    verify_export,
)
from starters import build, run

BRIGHTNESS = OutputSpec(name="brightness", task="regression", unit="grey levels")
COLOURS = OutputSpec(
    name="colours", task="multi_label", class_names=("blue", "green", "red"), thresholds=(0.4,) * 3
)
WEAR = OutputSpec(name="wear", task="ordinal", class_names=("new", "used", "worn"))


def mean_brightness(photos, labels):
    return photos.mean(axis=(1, 2, 3)).astype(np.float64)


def strong_colours(photos, labels):
    means = photos.mean(axis=(1, 2))[:, ::-1]
    return (means > means.mean(axis=1, keepdims=True)).astype(np.float32)


def brightness_model():
    """A model that averages exactly: what its file gets wrong is the rounding."""
    import keras
    from keras import layers

    photo = keras.Input((32, 32, 3))
    x = layers.Conv2D(1, 1, name="mix", use_bias=False)(photo)
    x = layers.Conv2D(1, 3, name="blur", padding="same", use_bias=False)(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(photo, layers.Rescaling(1.0, name="brightness")(x))
    blur = np.zeros((3, 3, 1, 1))
    blur[1, 1] = 1
    model.get_layer("mix").set_weights([np.full((1, 1, 3, 1), 1 / 3)])
    model.get_layer("blur").set_weights([blur])
    return model


def colours_model():
    import keras
    from keras import layers

    photo = keras.Input((32, 32, 3))
    x = layers.Conv2D(3, 1, name="mix", use_bias=False)(photo)
    x = layers.Activation("sigmoid", name="colours")(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(photo, x)
    mix = (np.eye(3) - 1 / 3)[:, ::-1] / 20
    model.get_layer("mix").set_weights([mix[None, None]])
    return model


@pytest.fixture(scope="module")
def brightness(tmp_path_factory):
    folder = tmp_path_factory.mktemp("numbers") / "brightness"
    bundle = tiny.write_bundle(folder, brightness_model(), BRIGHTNESS, mean_brightness)
    bundle.export("tflite", "float32")
    bundle.export("onnx")
    return bundle


@pytest.fixture(scope="module")
def colours(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labels") / "colours"
    bundle = tiny.write_bundle(folder, colours_model(), COLOURS, strong_colours)
    bundle.export("tflite", "float32")
    return bundle


@pytest.fixture(scope="module")
def wear(tmp_path_factory, trained):
    folder = tmp_path_factory.mktemp("order") / "wear"
    bundle = tiny.write_bundle(folder, trained, WEAR, lambda photos, labels: labels)
    bundle.export("tflite", "int8", tolerance=Tolerance(0.5, 0.5))
    return bundle


def test_tritons_own_messages_read_what_it_is_told(brightness, tmp_path):
    text_format = pytest.importorskip("google.protobuf.text_format")
    messages = pytest.importorskip("tritonclient.grpc.model_config_pb2")
    folder = write_starter(brightness, "triton", tmp_path / "repository" / "brightness")
    session = onnxruntime.InferenceSession(folder / brightness.folder.name / "model.onnx")
    kinds = {"tensor(uint8)": "TYPE_UINT8", "tensor(float)": "TYPE_FP32"}

    def check(folder):
        told = text_format.Parse((folder / "config.pbtxt").read_text(), messages.ModelConfig())
        assert told.backend == "onnxruntime" and told.max_batch_size == 32 and not told.name
        ends = ((told.input, session.get_inputs()), (told.output, session.get_outputs()))
        for told_of, values in ends:
            found = [(o.name, [*o.dims], messages.DataType.Name(o.data_type)) for o in told_of]
            assert found == [(one.name, one.shape[1:], kinds[one.type]) for one in values]
            assert all(isinstance(one.shape[0], str) for one in values)  # any number of examples
        return told.output[0].label_filename

    assert check(folder) == ""
    record = brightness.exports()["onnx-float32"]
    one = {"folder": brightness.folder, "output": brightness.output, "class_names": ("a", "b")}
    write_triton(SimpleNamespace(**one), record, tmp_path / "named")
    assert (tmp_path / "named" / check(tmp_path / "named")).read_text() == "a\nb\n"


def test_numbers_are_compared_by_their_errors(brightness):
    onnx, found = verify_bundle(brightness)
    assert found.passed and onnx.passed and found.agreement == 1.0
    assert found.task == "regression" and found.unit == "grey levels"
    golden = brightness.golden()
    error = np.abs(golden.answers[:, 0] - golden.targets).mean()
    assert found.reference_accuracy == pytest.approx(-error)
    low, high = found.difference_interval
    assert low <= found.accuracy_difference <= high
    assert found.drop_unit == pytest.approx(golden.answers.std())
    assert found.mcnemar_p is None and found.flips == () and found.classes == ()
    text = str(found)
    for words in ("same answer", "mean absolute error", "grey levels (original", "by bootstrap",
                  "of the spread of the original's numbers"):  # fmt: skip
        assert words in text
    assert "top class" not in text and "lost and gained" not in text
    assert Verification.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_a_file_of_other_numbers_is_refused(brightness, monkeypatch):
    from kerasrecipes.verify import checking

    def shifted(model, inputs):
        return {name: answers + 20 for name, answers in ask(model, inputs).items()}

    ask = checking.ask_all
    monkeypatch.setattr(checking, "ask_all", shifted)
    found = verify_export(brightness, "tflite-float32")
    assert not found.passed and found.agreement == 0.0
    said = "; ".join(found.failures)
    assert "agreement 0.0000 on 60 photos is below 0.99" in said and "top-1" not in said
    assert "mean absolute error rises by 20.0" in said and "of how far the numbers spread" in said


def test_a_number_of_nan_fails_and_stays_json(brightness, monkeypatch):
    from kerasrecipes.verify import checking

    ask = checking.ask_all

    def broken(model, inputs):
        found = ask(model, inputs)
        for answers in found.values():
            answers[:2] = np.nan
        return found

    monkeypatch.setattr(checking, "ask_all", broken)
    found = verify_export(brightness, "tflite-float32")
    assert "2 of 60 photos are answered with NaN or infinity" in found.failures
    json.dumps(found.to_dict(), allow_nan=False)


def test_several_labels_are_compared_label_by_label(colours):
    (found,) = verify_bundle(colours)
    assert found.passed and found.agreement == 1.0
    golden = colours.golden()
    right = (golden.answers >= 0.4) == (golden.targets > 0.5)
    assert found.reference_accuracy == pytest.approx(right.mean())
    assert "label accuracy" in str(found) and found.mcnemar_p is None


def test_a_label_that_is_given_no_more_is_a_flip(colours, monkeypatch):
    from kerasrecipes.verify import checking

    ask = checking.ask_all

    def weaker(model, inputs):
        return {name: answers * [1, 1, 0.1] for name, answers in ask(model, inputs).items()}

    monkeypatch.setattr(checking, "ask_all", weaker)
    found = verify_export(colours, "tflite-float32", tolerance=Tolerance(min_agreement=0.0))
    flip = next(flip for flip in found.flips if "red" in flip.before)
    assert "red" not in flip.after
    assert "other answer" in str(found)


def test_classes_in_an_order_have_flips_and_an_error(wear):
    (record,) = wear.exports().values()
    found = Verification.from_dict(record.verification)
    assert found.task == "ordinal" and found.mcnemar_p is not None and len(found.classes) == 3
    assert "same top class" in str(found) and "classes (original" in str(found)


def test_a_benchmark_tells_errors_in_their_unit(brightness):
    found = benchmark_bundle(brightness, runs=10, threads=(1,))
    text = str(found)
    assert "mean absolute error" in text and "grey levels [" in text
    assert all(one.worst_recall is None and one.agreement == 1.0 for one in found.variants)
    json.dumps(found.to_dict(), allow_nan=False)


def test_predictions_are_what_the_task_says(brightness, colours):
    photos, labels = tiny.colour_photos(3, seed=9)
    files = [tiny.png(photo) for photo in photos]
    numbers = Predictor(brightness).predict(files)
    expected = mean_brightness(photos, labels)
    np.testing.assert_allclose([one.number for one in numbers], expected, rtol=1e-3)
    assert numbers[0].said.endswith("grey levels")
    assert set(numbers[0].to_dict()) == {"path", "number", "unit", "error"}
    for one, wanted in zip(
        Predictor(colours).predict(files), strong_colours(photos, labels), strict=True
    ):
        named = {name for name, applies in zip(COLOURS.class_names, wanted, strict=True) if applies}
        assert named <= set(one.labels) and one.to_dict()["labels"] == list(one.labels)


def test_a_threshold_is_for_classes_alone(brightness):
    for options in ({"temperature": 2.0}, {"threshold": {"bright": 0.3}}):
        with pytest.raises(ValueError, match="change the probabilities of classes, .*'regression'"):
            brightness.export("tflite", "float16", **options)


@pytest.mark.parametrize("language", ["python", "cpp"])
def test_a_starter_answers_as_predict_does(language, brightness, colours, wear, tmp_path):
    kind = "ppm" if language == "cpp" else "png"
    for bundle in (brightness, colours, wear):
        folder = write_starter(bundle, language, tmp_path / bundle.output.name)
        command = [sys.executable, "-W", "error", "classify.py"]
        if language == "cpp":
            build(folder)
            command = ["./classify"]
        photos = [f"golden/{i}.{kind}" for i in range(5)]
        done = run([*command, *photos], folder)
        assert done.returncode == 0, done.stderr
        checked, said = done.stdout.splitlines()[:5], done.stdout.splitlines()[5:]
        assert all(line.endswith("as verified") for line in checked) and len(said) == 5
        model = Predictor(bundle, export=min(bundle.exports()))
        for photo, line in zip(photos, said, strict=True):
            (answer,) = model.predict(folder / photo)
            if answer.labels is not None:
                words = ", ".join(f"{answer.scores[name]:.1%} {name}" for name in answer.labels)
            elif answer.label:
                words = f"{answer.score:6.1%}  {answer.label}"
            else:
                words = f"{answer.number:.4g} grey levels"
            assert line == f"{words or 'no label'}  {photo}"


def test_a_starter_shows_photos_over_the_range_of_numbers(brightness, tmp_path):
    folder = write_starter(brightness, "python", tmp_path / "app")
    lines = (folder / "golden" / "golden.txt").read_text().splitlines()
    numbers = [float(line.split()[1]) for line in lines]
    targets = brightness.golden().targets
    assert numbers == sorted(numbers)
    assert numbers[0] == pytest.approx(targets.min(), abs=1)
    assert numbers[-1] == pytest.approx(targets.max(), abs=1)
    limit = re.search(r"^TOLERANCE = (.+)$", (folder / "classify.py").read_text(), re.MULTILINE)
    assert float(limit[1]) == pytest.approx(0.01 * targets.std(), rel=0.1)


def test_a_starter_has_no_words_for_embeddings(brightness, tmp_path, monkeypatch):
    from kerasrecipes.release import starter

    monkeypatch.delitem(starter._WORDS, "regression")
    said = "score of each label, and this model learned the task 'regression'"
    with pytest.raises(DataError, match=said):
        write_starter(brightness, "python", tmp_path / "app")
    assert not (tmp_path / "app").exists()


def test_an_export_is_opened_and_timed_once(bundle, photo_set, monkeypatch):
    from kerasrecipes.verify import checking

    calls = []

    def counted(name):
        run = getattr(checking, name)
        return lambda *given: calls.append(name) or run(*given)

    for name in ("benchmark_export", "measure_footprint"):
        monkeypatch.setattr(checking, name, counted(name))
    record = bundle.export("tflite", "float32", photos=photo_set)
    assert record.verification["photos"] == 12 and len(calls) == 2


def test_a_digest_is_made_once(exported, monkeypatch):
    from kerasrecipes.bundles import export_record
    from kerasrecipes.verify import checking

    made = []
    digest = export_record.digest
    monkeypatch.setattr(export_record, "digest", lambda path: made.append(path) or digest(path))
    checking.verify_bundle(exported)
    assert len(made) == 2


def test_numbers_of_another_model_are_not_added(tmp_path):
    model = brightness_model()
    bundle = tiny.write_bundle(tmp_path / "b", model, BRIGHTNESS, mean_brightness)
    with pytest.raises(VerificationError, match="the largest score gap|agreement"):
        bundle.export("tflite", "float16", tolerance=Tolerance(max_score_gap=0.0))
