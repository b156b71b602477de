"""The one-call function, and what a saved model says when it is asked again."""

import json
from dataclasses import replace

import numpy as np
import pytest

from kerasrecipes import Bundle, DataError, ImageClassifier, UnfreezeSchedule, fine_tune_images
from kerasrecipes.training.bundle_evaluation import evaluate_bundle

QUICK = {"image_size": (48, 48), "batch_size": 8, "augment": "none", "verbose": False}


@pytest.fixture(scope="module")
def quick(tiny_spec):
    """Settings of fits that take a second or two."""
    return {**QUICK, "backbone": tiny_spec()}


@pytest.fixture(scope="module")
def done(quick, part_photos, tmp_path_factory):
    to = tmp_path_factory.mktemp("models") / "parts"
    return fine_tune_images(part_photos, to, epochs=1, test_fraction=0.25, seed=5, **quick)


def test_one_call(done):
    assert done.bundle.folder.name == "1" and done.report is done.recipe.report_
    assert set(done.report.evaluations) == {"val", "test"}
    assert done.report.stages[1].epochs_run == 1
    assert Bundle.load(done.bundle.folder.parent).manifest.metrics.keys() == {"val", "test"}
    assert done.bundle.manifest.seeds == {"seed": 5}
    fitted = done.recipe.fitted_
    assert len(fitted.train) + len(fitted.val) + len(fitted.golden.examples) == 48


def test_it_is_the_same_as_the_steps_one_by_one(done, quick, part_photos):
    from kerasrecipes import scan_photos, split_photos

    train, val, test = split_photos(scan_photos(part_photos), test_fraction=0.25, seed=5)
    settings = {**quick, "schedule": UnfreezeSchedule.two_phase(epochs=1), "seed": 5}
    settings.pop("verbose")
    recipe = ImageClassifier(**settings)
    recipe.fit(train, val, verbose=False)
    np.testing.assert_array_equal(recipe.predict(test), done.recipe.predict(test))


def test_a_loaded_recipe_answers_alike(done):
    loaded = ImageClassifier.load(done.bundle.folder)
    photos = done.recipe.fitted_.golden.examples
    np.testing.assert_allclose(loaded.predict(photos), done.recipe.predict(photos), atol=1e-6)
    assert loaded.get_config() == done.recipe.get_config()
    assert loaded.labels_ == done.recipe.labels_
    assert loaded.report_.to_json() == done.report.to_json()
    before = done.report.evaluations["test"].accuracy.value
    assert loaded.evaluate(photos).accuracy.value == before


def test_evaluating_a_bundle_leaves_out_what_it_learned_from(done, part_photos):
    found = evaluate_bundle(done.bundle.folder, part_photos)
    assert found.left_out == 36 and found.evaluation.n == 12
    assert found.evaluation.accuracy.value == (done.report.evaluations["test"].accuracy.value)
    assert json.loads(json.dumps(found.to_dict()))["left_out"] == 36
    assert str(found).startswith("36 photos are left out: the model was trained or chosen on them.")


def test_a_second_call_writes_a_second_version(done, part_photos):
    again = done.recipe.save(done.bundle.folder.parent)
    assert again.folder.name == "2"
    one, two = done.bundle.manifest, again.manifest
    assert one.metrics == two.metrics and one.counts == two.counts


def test_without_test_photos_the_validation_photos_are_golden(quick, part_photos, tmp_path):
    schedule = UnfreezeSchedule.head_only(epochs=1)
    done = fine_tune_images(part_photos, tmp_path, test_fraction=0, schedule=schedule, **quick)
    assert set(done.report.evaluations) == {"val"}
    assert done.bundle.manifest.golden_split == "val"
    assert len(done.bundle.golden().files) == len(done.recipe.fitted_.val)


def test_a_leak_is_refused_before_the_training(part_photos, tmp_path, monkeypatch):
    monkeypatch.setattr(ImageClassifier, "_fit", lambda *_, **__: pytest.fail("it was trained"))
    with pytest.raises(DataError, match="The split leaks: 2 of 2 groups .* Nothing was trained"):
        fine_tune_images(
            part_photos, tmp_path / "m", group_by=r"/(\d)\d", split_by="random", fail_on_leak=True,
            **QUICK,
        )  # fmt: skip
    assert not (tmp_path / "m").exists()


def test_a_leak_is_told_otherwise(part_photos, tmp_path, monkeypatch, capsys):
    class Stop(Exception):
        pass

    def stop(*_, **__):
        raise Stop

    monkeypatch.setattr(ImageClassifier, "_fit", stop)
    with pytest.raises(Stop):
        fine_tune_images(
            part_photos, tmp_path / "m", group_by=r"/(\d)\d", split_by="random",
            **{**QUICK, "verbose": True},
        )  # fmt: skip
    assert "groups-across-splits: 2 of 2 groups" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backbone": "efficientnet_lite"}, "Unknown backbone"),
        ({"augment": "facory"}, "Unknown augmentation"),
        ({"epochs": 0}, "`epochs` must be at least 1"),
        ({"seed": -1}, "`seed` must be a whole number between 0"),
        ({"image_size": (8, 8)}, "`image_size` 8x8 is too small"),
    ],
)
def test_arguments_are_judged_before_a_photo_is_read(
    part_photos, tmp_path, monkeypatch, settings, message
):
    monkeypatch.setattr(
        "kerasrecipes.training.fine_tune.scan_photos", lambda *_, **__: pytest.fail("too late")
    )
    with pytest.raises(ValueError, match=message):
        fine_tune_images(part_photos, tmp_path / "m", **{**QUICK, **settings})


def test_a_destination_among_the_photos_is_refused(part_photos):
    for to in (part_photos, part_photos / "model", part_photos / "dot" / ".." / "model"):
        with pytest.raises(DataError, match="lies inside the photos .* taken for a class"):
            fine_tune_images(part_photos, to, **QUICK)
    assert sorted(path.name for path in part_photos.iterdir()) == ["dot", "plain", "stripe"]


def test_epochs_and_schedule_exclude_each_other(part_photos, tmp_path):
    with pytest.raises(ValueError, match="Pass `epochs` or `schedule`, not both"):
        fine_tune_images(
            part_photos, tmp_path / "m", epochs=3, schedule=UnfreezeSchedule.head_only()
        )


def test_columns_and_an_order_of_classes_reach_the_scan(monkeypatch, tmp_path, make):
    from kerasrecipes.training import fine_tune

    make.folder(tmp_path, {"a": 1})
    seen = {}

    def scan(source, **asked):
        seen.update(asked)
        raise DataError("enough")

    tools = replace(fine_tune.PHOTO_TOOLS, scan=scan)
    monkeypatch.setitem(fine_tune._FOR_PHOTOS, "ImageClassifier", (ImageClassifier, tools))
    with pytest.raises(DataError, match="enough"):
        fine_tune_images("t.csv", tmp_path / "m", labels=["x", "y"], classes="by value")
    assert seen == {
        "label": None, "labels": ["x", "y"], "value": None, "classes": "by value",
        "group_by": None, "drop_small_classes": False, "labels_from": "beside",
        "fit": None, "channels": None, "dtype": None, "value_range": None,
    }  # fmt: skip
