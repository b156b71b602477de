"""An operating point from validation answers to predictions, exports and evaluations."""

import json
import shutil

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.release.operating import VALIDATION_FILE, operate_bundle


@pytest.fixture(scope="module")
def saved(small_saved, tmp_path_factory):
    """A copy of a saved model, beside which new versions may lie."""
    folder = tmp_path_factory.mktemp("operated") / "parts" / "1"
    shutil.copytree(small_saved.folder, folder)
    return kr.Bundle.load(folder)


@pytest.fixture(scope="module")
def operated(saved):
    """A version of a model that raises an alarm about stripes; not to be changed."""
    return operate_bundle(saved, ["stripe"], min_recall=0.3)


def validation(bundle) -> dict:
    with np.load(bundle.folder / VALIDATION_FILE) as arrays:
        return dict(arrays)


def test_the_point_is_chosen_on_validation_answers_and_kept(operated, saved):
    held = validation(saved)
    scores = held["answers"][:, saved.class_names.index("stripe")]
    is_stripe = held["targets"] == saved.class_names.index("stripe")
    point = operated.point
    assert point.met and point.positives == 4 and point.negatives == 8
    assert np.sum(scores[is_stripe] >= point.threshold) / 4 == point.recall.value
    alarm = kr.Bundle.load(operated.bundle.folder).output.alarm
    assert (alarm.classes, alarm.threshold) == (("stripe",), point.threshold)
    # Another version beside the one that it was made of, which stays as it was.
    assert operated.bundle.folder.parent == saved.folder.parent
    assert saved.output.alarm is None and not operated.bundle.exports()


def test_an_exported_file_says_itself_when_there_is_an_alarm(operated, part_photos):
    record = operated.bundle.export("tflite")
    alarm = operated.bundle.output.alarm
    for model in (operated.bundle.folder, record.path):
        found = kr.Predictor(model).predict([part_photos / "stripe", part_photos / "plain"])
        for one in found:
            assert one.alarm == (one.scores["stripe"] >= alarm.threshold)
            assert ("ALARM" in one.said) == one.alarm == one.to_dict()["alarm"]
        assert len({one.alarm for one in found}) == 2


def test_a_model_without_a_point_says_nothing_of_alarms(saved, part_photos):
    (found,) = kr.Predictor(saved).predict(part_photos / "dot" / "00.png")
    assert found.alarm is None and "alarm" not in found.to_dict()


def test_test_photos_tell_what_the_point_is_worth(operated, part_photos):
    found = kr.evaluate_bundle(operated.bundle, part_photos)
    assert found.point.threshold == operated.point.threshold
    assert found.point.positives == 4 and "at most" in str(found)
    json.dumps(found.to_dict())


def test_a_wish_that_cannot_be_shown_is_told(saved):
    found = operate_bundle(saved, ["stripe"], min_recall=0.98)
    assert not found.point.met and "NOT SHOWN" in str(found)
    assert found.point.least_recall == pytest.approx(0.05 ** (1 / 4))


def test_scores_that_an_alarm_goes_by_are_not_changed_on_the_way(operated):
    with pytest.raises(ValueError, match="by which this model raises its alarm"):
        operated.bundle.export("onnx", temperature=2.0)


def test_a_model_that_was_trained_on_has_no_point_any_more(operated, part_sets):
    from kerasrecipes.training.refitting import refitted

    train, val, _ = part_sets
    loaded = kr.load_recipe(operated.bundle)
    assert loaded.output_.alarm is not None
    assert refitted(loaded, loaded.model_, train, val).output_.alarm is None


@pytest.mark.parametrize(
    "wishes, message",
    [
        ({}, "received none"),
        ({"min_recall": 0.5, "max_false_rejects": 0.1}, "exactly one"),
        ({"min_recall": 2}, "`min_recall` must be between"),
        ({"costs": {}}, "`costs` must give"),
    ],
)
def test_wishes_are_judged(saved, wishes, message):
    with pytest.raises(ValueError, match=message):
        operate_bundle(saved, ["stripe"], **wishes)


def test_a_bundle_without_validation_answers_says_so(exported_once):
    with pytest.raises(kr.DataError, match="keeps no answers to validation photos"):
        operate_bundle(exported_once, ["blue"], min_recall=0.9)
