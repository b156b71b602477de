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
    (parent,) = operated.bundle.manifest.parents
    assert (parent.model, parent.sha256) == ("parts 1", saved.sha256)


def test_its_page_shows_the_threshold_and_of_which_model_it_is_made(operated, saved, tmp_path):
    page = kr.write_report(operated.bundle, tmp_path / "page.html").read_text("utf-8")
    assert f"{operated.point.threshold:.4g}, as chosen" in page and "stripe, by threshold" in page
    assert saved.sha256 in page and "parts 1" in page
    # Of three classes and no alarm there is no threshold to move.
    assert "threshold-data" not in kr.write_report(saved, tmp_path / "page.html").read_text("utf-8")


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
    low, high = found.point.stated
    assert found.point.as_stated == (low <= found.point.recall.value <= high)
    assert "By validation" in str(found) and operated.point.stated is None
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
        ({"abstain": 0.1}, "`alarm` has no effect on `abstain`"),
        ({"min_recall": 0.5, "per_class": True}, "`per_class` has an effect on `abstain` alone"),
        ({"costs": [[0, 1], [1, 0]]}, "without `alarm` they are a table"),
        ({"alarm": None, "abstain": 2}, "`abstain` must be between"),
    ],
)
def test_wishes_are_judged(saved, wishes, message):
    with pytest.raises(ValueError, match=message):
        operate_bundle(saved, **{"alarm": ["stripe"], **wishes})


def test_a_bundle_without_validation_answers_says_so(exported_once):
    with pytest.raises(kr.DataError, match="keeps no answers to validation photos"):
        operate_bundle(exported_once, ["blue"], min_recall=0.9)


def test_what_is_not_clear_is_left_to_a_person_in_every_form(saved, part_photos):
    found = operate_bundle(saved, abstain=0.6)
    output = found.bundle.output
    assert output.abstain.coverage == 0.4 and found.met and "to a person" in str(found)
    json.dumps(found.to_dict())
    record = found.bundle.export("tflite")
    photos = [part_photos / "stripe", part_photos / "plain", part_photos / "dot"]
    for model in (found.bundle.folder, record.path):
        said = kr.Predictor(model).predict(photos)
        rows = np.array([[one.scores[name] for name in output.class_names] for one in said])
        chosen = output.abstain.decide(rows)
        for one, k in zip(said, chosen, strict=True):
            assert one.abstained == (k < 0) == one.to_dict()["abstained"]
            assert one.label == ("" if k < 0 else output.class_names[k])
            assert ("abstain: ask a person (" in one.said) == one.abstained
        assert -1 in chosen and len({*chosen}) > 1
    judged = kr.evaluate_bundle(found.bundle, part_photos)
    assert judged.decisions.promise == 0.4 and "decisions" in judged.to_dict()
    assert "Leaves the right class open" in str(judged)


def test_costs_of_all_classes_decide_what_is_answered(saved, part_photos, tmp_path):
    table = tmp_path / "costs.csv"
    table.write_text("true,dot,plain,stripe,abstain\ndot,0,9,1,1\nplain,1,0,1,1\nstripe,9,9,0,1\n")
    found = operate_bundle(saved, costs=table)
    rule = found.bundle.output.costs
    assert rule.abstain == (1, 1, 1) and rule.temperature == 1.0
    assert found.decisions.cost.after <= found.decisions.cost.before
    assert "too few photos to find out how honest" in str(found)
    judged = kr.evaluate_bundle(found.bundle, part_photos)
    assert judged.decisions.cost.rows == 12 and "Costs" in str(judged)
    assert operate_bundle(found.bundle, abstain=0.2).bundle.output.costs is None


def test_each_class_has_its_threshold_where_no_alarm_is_named(saved):
    found = operate_bundle(saved, min_recall=0.3)
    assert [point.alarm for point in found.points] == [(n,) for n in saved.class_names]
    band = found.bundle.output.abstain
    assert band.least == tuple(point.threshold for point in found.points)
    assert (band.coverage, band.confidence) == (0.3, 0.95) and "For each by itself" in str(found)
    assert not operate_bundle(saved, min_recall=0.98).met


def test_each_label_has_its_threshold(tiny, trained, tmp_path):
    from kerasrecipes.data.specs import OutputSpec

    labels = OutputSpec(name="scores", task="multi_label", class_names=("a", "b", "c"))
    bundle = tiny.write_bundle(tmp_path / "labels", trained, labels, lambda _, k: np.eye(3)[k])
    rng = np.random.default_rng(0)
    targets = rng.random((80, 3)) < 0.5
    answers = np.clip(targets * 0.3 + rng.random((80, 3)) * 0.7, 0, 1)
    bundle = with_validation(bundle, targets=targets.astype(np.float32), answers=answers)
    found = operate_bundle(bundle, max_false_rejects=0.2)
    limits = found.bundle.output.thresholds
    assert found.met and limits == tuple(point.threshold for point in found.points)
    for k in range(3):
        assert np.mean(answers[~targets[:, k], k] >= limits[k]) <= 0.2
    with pytest.raises(ValueError, match="a threshold for each label"):
        operate_bundle(bundle, abstain=0.1)


def with_validation(bundle, **arrays):
    """Return a version of a bundle that keeps answers to validation photos."""

    def fill(folder):
        for name in bundle.manifest.sha256:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(bundle.read(name))
        np.savez(folder / VALIDATION_FILE, **arrays)
        told = dict(bundle.manifest)
        for name in ("format_version", "sha256", "size_bytes", "exports_sealed"):
            del told[name]
        return told

    return kr.Bundle.write(bundle.folder.parent, fill)
