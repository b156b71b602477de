"""The search for a smaller and faster file: what it measures, picks, says, and goes on with."""

import json
import shutil
from copy import copy
from dataclasses import replace

import numpy as np
import pytest

from kerasrecipes import (
    BackboneSpec,
    Bundle,
    DataError,
    DownloadError,
    ImageClassifier,
    NotFittedError,
    UnfreezeSchedule,
    optimize,
)
from kerasrecipes.errors import VerificationError
from kerasrecipes.export import get_format
from kerasrecipes.files import locked_folder
from kerasrecipes.optimization.search import plans as search_plans, search
from kerasrecipes.optimization.search.optimizing import _with_seed
from kerasrecipes.report.plots.style import png

AGAINST, MEASURE_MIXED = search.Search._against, search.Search._measure_mixed


@pytest.fixture(scope="module")
def quick():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search_plans, "LEVELS", (0.8,))
        patch.setattr(search_plans, "MOST_EPOCHS", 2)
        patch.setattr(search_plans, "EPOCHS", 1)
        # Whether rounding costs so small a model anything is chance.
        patch.setattr(search.Search, "_against", lambda *_: "")
        patch.setattr(search.Search, "_measure_mixed", lambda *_: None)
        yield


@pytest.fixture(scope="module")
def found(quick, small_fitted, part_sets, tmp_path_factory):
    train, val, _ = part_sets
    folder = tmp_path_factory.mktemp("search")
    return optimize(small_fitted, train, val, max_drop=0.2, run_folder=folder, verbose=False)


def test_every_candidate_is_a_real_file(found, small_fitted, part_sets):
    val = part_sets[1]
    names = ["float32", "float16", "dynamic", "int8", "qat int8", "channels-0.8 float32",
             "channels-0.8 int8", "channels-0.8-qat int8"]  # fmt: skip
    assert [one.name for one in found.candidates] == names
    load = get_format("tflite").load
    pixels = np.stack(
        [_read(photo, small_fitted.model_.input.shape[1:3], val.policy) for photo in val.photos]
    )
    right = {}
    for one in found.candidates:
        path = found.folder / f"{one.model}-{one.quantization}.tflite"
        right[one.name] = load(path)(pixels)["scores"].argmax(axis=1) == val.labels
        assert one.accuracy == right[one.name].mean()
        assert one.size_bytes == path.stat().st_size
        differing = right["float32"].astype(int) - right[one.name]
        assert one.drop == pytest.approx(differing.mean())
        spread = np.sqrt((differing**2).sum() - differing.sum() ** 2 / len(val)) / len(val)
        assert one.drop_error == pytest.approx(spread)
        recalls = [right[one.name][val.labels == k].mean() for k in range(3)]
        assert one.recalls == pytest.approx(recalls)
        assert one.latency_ms > 0
        # What the file is compared with when it is saved: the model that is in it.
        scores, answers = found.recipes[one.model].predict(val), load(path)(pixels)["scores"]
        assert one.agreement == (answers.argmax(axis=1) == scores.argmax(axis=1)).mean()
        assert one.model_accuracy == (scores.argmax(axis=1) == val.labels).mean()
        assert one.largest_gap == pytest.approx(np.abs(answers - scores).max(), abs=1e-6)
        assert one.photos == len(val)
        if one.model != "fitted":
            facts = json.loads((found.folder / f"{one.model}.json").read_text())
            assert one.seconds > facts["seconds"] > 0
    float32, rounded, pruned, last = (found.candidates[i] for i in (0, 4, 5, 7))
    assert pruned.multiply_adds <= 0.8 * float32.multiply_adds
    assert rounded.multiply_adds == float32.multiply_adds
    assert last.multiply_adds == pruned.multiply_adds and last.size_bytes < pruned.size_bytes
    assert float32.drop == 0 and float32.latency_ratio == 1


def _read(photo, size, policy):
    from kerasrecipes.photos.decoding.decode import read_photo

    return read_photo(photo, tuple(size), policy)


def test_the_pick_is_measured_as_a_file_and_saved_with_it(found, part_sets, tmp_path):
    _, val, test = part_sets
    pick = found.pick
    assert pick is not None and not found.limits.misses(pick)
    told = found.evaluate(test)
    assert told.n == len(test)
    with pytest.raises(DataError, match="were used in the fit"):
        found.evaluate(val)
    bundle = found.save(tmp_path / "small")
    loaded = Bundle.load(bundle.folder)
    assert set(loaded.exports()) == {f"tflite-{pick.quantization}"}
    assert loaded.manifest.golden_split == "test"
    step = loaded.manifest.optimization[-1]
    assert step["name"] == "optimize" and step["summary"] == found.message
    assert step["after"]["file_size_bytes"] == pick.size_bytes


def test_no_bundle_is_left_whose_file_is_another_model(found, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise VerificationError("They differ.")

    monkeypatch.setattr(Bundle, "export", refuse)
    with pytest.raises(VerificationError, match="They differ"):
        found.save(tmp_path / "small")
    assert not [path for path in (tmp_path / "small").iterdir() if path.name.isdigit()]


@pytest.mark.proof
def test_the_most_sensitive_layers_stay_in_float_where_rounding_costs(
    small_fitted, part_sets, tmp_path, monkeypatch
):
    train, val, _ = part_sets
    monkeypatch.setattr(search, "plans_of", lambda *_: [])
    monkeypatch.setattr(search, "WITHOUT_TRAINING", ("float32", "int8"))
    monkeypatch.setattr(search.Search, "_measure_mixed", MEASURE_MIXED)
    measure = search.FileJudge.measure

    def worse(*given, **facts):
        found = measure(*given, **facts)
        return replace(found, drop=0.03) if found.name == "int8" else found

    monkeypatch.setattr(search.FileJudge, "measure", worse)
    monkeypatch.setattr(search, "KEEP_FLOAT", 1e-6)
    calls = {"max_drop": 0.5, "max_size_mb": 5}  # kept without
    kept = optimize(small_fitted, train, val, run_folder=tmp_path / "kept", verbose=False, **calls)
    assert len(kept.candidates) == 2 and not kept.notes
    none = optimize(small_fitted, train, val, run_folder=tmp_path / "none", verbose=False)
    assert none.notes == ["mixed int8: not tried, since no sensitive layer is small enough."]
    monkeypatch.setattr(search, "KEEP_FLOAT", 0.6)
    found = optimize(small_fitted, train, val, run_folder=tmp_path / "some", verbose=False)
    assert [one.name for one in found.candidates] == ["float32", "int8", "mixed int8"]
    _, rounded, mixed = found.candidates
    assert mixed.size_bytes > rounded.size_bytes
    bundle = found.save(tmp_path / "model", mixed)
    file = found.folder / "mixed-int8.tflite"
    assert bundle.exports()["tflite-int8"].path.read_bytes() == file.read_bytes()
    again = optimize(small_fitted, train, val, run_folder=tmp_path / "some", verbose=False)
    assert again.candidates == found.candidates and "mixed" in again.recipes


@pytest.mark.proof
def test_a_student_is_tried_in_its_own_size(quick, small_fitted, part_sets, tmp_path, monkeypatch):
    import keras

    train, val, test = part_sets
    monkeypatch.setattr(search, "WITHOUT_TRAINING", ("float32",))
    monkeypatch.setattr(search_plans, "LEVELS", ())
    keras.utils.set_random_seed(1)
    photo = keras.Input((20, 20, 3))
    x = keras.layers.Conv2D(8, 5, strides=2, activation="relu", name="first")(photo)
    x = keras.layers.Conv2D(8, 3, activation="relu", name="second")(x)
    spec = BackboneSpec.from_model(keras.Model(photo, x, name="other"), scaling="0..1")
    schedule = UnfreezeSchedule.two_phase(2, 0.01, head_epochs=4, open_fraction=0.5)
    student = ImageClassifier(spec, schedule=schedule, views=2, batch_size=8)
    monkeypatch.setattr(small_fitted, "mix", "mixup")
    calls = {"max_drop": 0.99, "students": [student], "run_folder": tmp_path, "verbose": False}
    found = optimize(small_fitted, train, val, **calls)
    name = "student-model-other"
    assert [one.name for one in found.candidates] == [
        "float32", "qat int8", f"{name} float32", f"{name} int8", f"{name}-qat int8",
    ]  # fmt: skip
    (note,) = found.notes
    assert note.endswith("to training on: `mix='mixup'` (teachers are asked about single photos).")
    learned = found.recipes[name]
    assert learned.model_.input.shape[1:3] == (20, 20) and not hasattr(student, "model_")
    assert found.candidates[2].multiply_adds < found.candidates[0].multiply_adds
    assert found.evaluate(test, found.candidates[-1]).n == len(test)
    bundle = found.save(tmp_path / "model", found.candidates[-1])
    assert bundle.input.shape[:2] == (20, 20) and "tflite-int8" in bundle.exports()
    steps = [step["name"] for step in bundle.manifest.optimization]
    assert steps == ["distil", "quantize", "optimize"]
    again = optimize(small_fitted, train, val, **calls)
    assert again.recipes[name].get_config() == learned.get_config()
    with pytest.raises(DataError, match="began with another list of students"):
        optimize(small_fitted, train, val, run_folder=tmp_path, verbose=False)


def test_a_students_schedule_is_cut_to_the_time():
    planned = UnfreezeSchedule.two_phase(16, head_epochs=30)
    assert search_plans.shortened(planned, 46) == planned
    cut = search_plans.shortened(planned, 2)
    assert [stage.epochs for stage in cut.stages] == [1, 1]
    assert replace(cut.stages[1], epochs=16) == planned.stages[1]


def test_students_of_one_backbone_have_names_of_their_own():
    student = ImageClassifier("efficientnet_lite0")
    named = search_plans.named_students([student, student, student])
    stem = "student-efficientnet_lite0"
    assert list(named) == [stem, f"{stem}-2", f"{stem}-3"]


def test_two_searches_in_one_folder(small_fitted, part_sets, tmp_path):
    train, val, _ = part_sets
    with locked_folder(tmp_path), pytest.raises(DataError, match="is at work in .* Wait until"):
        optimize(small_fitted, train, val, run_folder=tmp_path, verbose=False)


def test_table_and_picture_show_all(found, drawn):
    text = str(found)
    for one in found.candidates:
        assert one.name in text
    assert "← pick" in text and found.message in text and "worst class" in text
    assert png(found.plot()).startswith(b"\x89PNG")
    assert json.loads(json.dumps(found.to_dict()))["pick"] == found.pick.name


def test_the_same_call_goes_on_where_it_was(quick, found, small_fitted, part_sets, monkeypatch):
    train, val, _ = part_sets
    for training in ("prune", "train_with_rounding"):
        monkeypatch.setattr(search_plans, training, lambda *_, **__: pytest.fail("trained again"))
    again = optimize(small_fitted, train, val, max_drop=0.2, run_folder=found.folder, verbose=False)
    assert again.candidates == found.candidates
    assert again.minutes >= found.minutes
    rounded = again.recipes["channels-0.8-qat"]
    assert [step["name"] for step in rounded.report_.optimization] == ["prune", "quantize"]
    last = found.recipes["channels-0.8-qat"].report_
    assert rounded.report_.stages == last.stages
    assert rounded.seen_ == found.recipes["channels-0.8-qat"].seen_
    assert rounded.report_.evaluations["val"].accuracy == last.evaluations["val"].accuracy
    # Limits that are kept from the start end the search; its models are there all the same.
    done = optimize(
        small_fitted,
        train,
        val,
        max_drop=0.9,
        max_size_mb=5,
        run_folder=found.folder,
        verbose=False,
    )
    assert done.recipes.keys() == found.recipes.keys()
    with pytest.raises(DataError, match="began with another val"):
        optimize(small_fitted, train, val.select(range(3, len(val))), run_folder=found.folder,
                 verbose=False)  # fmt: skip
    with pytest.raises(DataError, match="began with another seed"):
        optimize(small_fitted, train, val, run_folder=found.folder, seed=5, verbose=False)


def test_what_is_gone_of_a_search_is_told(quick, found, small_fitted, part_sets, tmp_path, capfd):
    train, val, _ = part_sets
    folder = shutil.copytree(found.folder, tmp_path / "search")
    for name in ("fitted-float32.tflite", "channels-0.8.keras", "fitted-int8.tflite"):
        (folder / name).unlink()
    settings = {"max_drop": 0.9, "max_size_mb": 5, "run_folder": folder}  # kept with what is left
    again = optimize(small_fitted, train, val, **settings)
    said = capfd.readouterr().err
    for name, file in (
        ("float32", "fitted-float32.tflite"),
        ("int8", "fitted-int8.tflite"),
        ("channels-0.8 float32", "channels-0.8.keras"),
        ("channels-0.8 int8", "channels-0.8.keras"),
    ):
        assert f"{name} is made and measured again: there is no '{file}' any more." in said
    names = [one.name for one in again.candidates]
    assert names == ["float32", "float16", "dynamic", "qat int8", "channels-0.8-qat int8", "int8"]
    assert again.candidates[0].accuracy == found.candidates[0].accuracy
    (folder / "search.json").unlink()
    with pytest.raises(DataError, match="and not its record 'search.json'. Restore it from a copy"):
        optimize(small_fitted, train, val, **settings)


def test_an_interrupted_search_keeps_what_it_has(
    quick, small_fitted, part_sets, tmp_path, monkeypatch
):
    train, val, _ = part_sets
    monkeypatch.setattr(search, "WITHOUT_TRAINING", ("float32",))

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(search_plans, "train_with_rounding", interrupt)
    cut = optimize(small_fitted, train, val, max_drop=0.2, run_folder=tmp_path, verbose=False)
    assert len(cut.candidates) == 1 and "interrupted" in cut.notes[-1]
    monkeypatch.setattr(search, "plans_of", lambda *_: [])
    done = optimize(small_fitted, train, val, max_drop=0.2, run_folder=tmp_path, verbose=False)
    assert done.candidates == cut.candidates and not done.notes


def test_a_student_whose_weights_cannot_be_fetched_is_noted(
    small_fitted, part_sets, tmp_path, monkeypatch
):
    train, val, _ = part_sets

    def fail(*_, **__):
        raise DownloadError("No connection.")

    monkeypatch.setattr(search, "WITHOUT_TRAINING", ("float32",))
    monkeypatch.setattr(search_plans, "LEVELS", ())
    monkeypatch.setattr(search_plans, "teach", fail)
    monkeypatch.setattr(search_plans, "train_with_rounding", fail)
    monkeypatch.setattr(search.Search, "_against", AGAINST)
    students = [ImageClassifier("efficientnet_lite0")]
    found = optimize(
        small_fitted, train, val, students=students, run_folder=tmp_path, verbose=False
    )
    assert found.pick is not None
    assert "student-efficientnet_lite0: not possible. No connection." in found.notes


def test_no_training_when_limits_are_kept_without_or_time_is_short(
    quick, small_fitted, part_sets, tmp_path, monkeypatch, capsys
):
    train, val, _ = part_sets
    for training in ("prune", "train_with_rounding"):
        monkeypatch.setattr(search_plans, training, lambda *_, **__: pytest.fail("it was trained"))
    monkeypatch.setattr(search, "WITHOUT_TRAINING", ("float32", "int8"))
    kept = optimize(small_fitted, train, val, max_drop=0.5, max_size_mb=5, run_folder=tmp_path)
    assert "not tried, since the limits are kept" in kept.notes[0]
    told = capsys.readouterr()
    assert "int8: accuracy" in told.err and not told.out
    short = optimize(
        small_fitted, train, val, max_minutes=1e-6, max_size_mb=1e-6, run_folder=tmp_path,
        verbose=False,
    )  # fmt: skip
    assert any("qat: not tried for want of time" in note for note in short.notes)
    assert all("not tried" in note for note in short.notes)
    assert short.pick is None
    assert short.message.startswith("Not reachable: the closest is '")
    assert "MB, where 1e-06 are allowed" in short.message
    with pytest.raises(DataError, match="Not reachable.*Pass `candidate`"):
        short.save(tmp_path / "model")


def test_wrong_use_is_named(small_fitted, part_sets, tmp_path):
    train, val, _ = part_sets
    for arguments, message in (
        ({"max_drop": 1.5}, "`max_drop` must be a fraction"),
        ({"max_size_mb": 0}, "`max_size_mb` must be above 0"),
        ({"max_latency_ms": -1}, "`max_latency_ms` must be above 0"),
        ({"max_minutes": 0}, "`max_minutes` must be above 0"),
        ({"students": ImageClassifier()}, "`students` must be a list of recipes"),
        ({"students": ["lite0"]}, "A student must be a recipe, .*, not str"),
        ({"students": [ImageClassifier(stochastic_depth=0.1)]}, "`stochastic_depth=0.1` of the"),
    ):
        with pytest.raises(ValueError, match=message):
            optimize(small_fitted, train, val, **arguments)
    with pytest.raises(NotFittedError):
        optimize(ImageClassifier(), train, val)
    tested = copy(small_fitted)
    seen = {photo.facts.sha256: "test" for photo in val.photos}
    tested.fitted_ = replace(tested.fitted_, seen=seen)
    with pytest.raises(DataError, match="tested"):
        optimize(tested, train, val)
    assert _with_seed(tested, 5).seen_ == tested.seen_
    (tmp_path / "search.json").write_text("{")
    with pytest.raises(DataError, match="is damaged"):
        optimize(small_fitted, train, val, run_folder=tmp_path, verbose=False)
