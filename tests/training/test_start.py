"""A fit from the best linear model: seconds, all photos, and open blocks where they help alone."""

from dataclasses import replace

import numpy as np
import pytest

from kerasrecipes import (
    ImageClassifier,
    NoEffectError,
    RunReport,
    UnfreezeSchedule,
    load_recipe,
)
from kerasrecipes.training.linear import start
from kerasrecipes.training.linear.regression import linear_weights

SIZE = (24, 24)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """Where the run of `probed` is kept."""
    return tmp_path_factory.mktemp("runs") / "run"


@pytest.fixture(scope="module")
def probed(part_sets, small_backbone, run_folder):
    """A recipe whose fit was the probe alone; not to be changed."""
    recipe = ImageClassifier(small_backbone, image_size=SIZE, seed=1)
    recipe.fit(*part_sets[:2], run_folder=run_folder)
    return recipe


def opening(small_backbone, **changes):
    schedule = UnfreezeSchedule.two_phase(2, 1e-3, open_fraction=0.5)
    settings = {
        "schedule": schedule,
        "start": "probe",
        "batch_size": 8,
        "augment": "none",
        "views": 1,
    }
    return ImageClassifier(small_backbone, image_size=SIZE, **{**settings, **changes})


def test_few_photos_are_all_learned_from_and_the_number_is_out_of_fold(probed, part_sets):
    train, val, _ = part_sets
    report = probed.report_
    assert report.stages == [] and len(report.choices) == 3
    assert report.choices[0].startswith("The probe of the frozen backbone is the ")
    assert "12 validation photos could not show that it helps (at least 50" in report.choices[1]
    assert "it learned from all 36 photos of training and validation" in report.choices[2]
    found = report.evaluations["val"]
    assert found.n == len(train) + len(val)
    assert any("The model learned from all of these." in note for note in found.notes)
    assert report.choices[0] in str(report)
    assert RunReport.from_json(report.to_json()) == report
    # What it says of photos that it has seen is better than what like models say of them.
    both = train.with_items((*train.items, *val.items))
    right = probed.predict(both).argmax(axis=1) == both.labels
    assert right.mean() >= found.accuracy.value
    assert report.data.total("val") == len(val)


def test_it_is_a_model_like_any_other(probed, part_sets, tmp_path):
    test = part_sets[2]
    answers = probed.predict(test)
    recipe = replace(probed)
    recipe.fitted_ = probed.fitted_
    bundle = recipe.save(tmp_path / "parts")
    np.testing.assert_allclose(load_recipe(bundle).predict(test), answers, atol=1e-6)
    record = bundle.export("tflite", "float32")
    assert record.verification["agreement"] == 1 and record.verification["non_builtin_ops"] == 0
    page = (bundle.folder / "report.html").read_text()
    assert "What is told of validation is of like models" in page


def test_open_blocks_that_may_help_by_chance_are_closed_again(
    part_sets, small_backbone, monkeypatch
):
    train, val, _ = part_sets
    monkeypatch.setattr(start, "FEWEST_TO_TELL", 1)
    monkeypatch.setattr(start, "clustered_error", lambda *_: 9.0)
    recipe = opening(small_backbone, depths=2)
    report = recipe.fit(train, val, verbose=False)
    (line,) = [one for one in report.choices if one.startswith("Opening the last")]
    assert line.endswith("not kept, since that may be chance.") and report.stages == []
    model = recipe.model_
    for layer in small_backbone.build(SIZE).layers:  # the backbone is as it was
        for one, other in zip(
            layer.get_weights(), model.get_layer(layer.name).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(one, other)


def test_what_is_kept_was_trained_and_calibrated_and_callbacks_follow_it(
    part_sets, small_backbone, monkeypatch
):
    import keras

    seen: list[int] = []
    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
    train, val, _ = part_sets
    monkeypatch.setattr(start, "clustered_error", lambda *_: -9.0)
    recipe = opening(small_backbone, depths=2)
    report = recipe.fit(train, val, callbacks=[callback], verbose=False)
    assert [stage.name for stage in report.stages] == ["top"] and len(report.choices) == 3
    assert report.choices[1].endswith(": kept.") and "temperature of" in report.choices[2]
    assert report.evaluations["val"].n == len(val) and seen == [0, 1]
    names = {layer.name for layer in recipe.model_.layers}
    assert {"average_pool", "max_pool", "average_pool_1_below"} <= names


def test_callbacks_that_nothing_would_call_are_refused(part_sets, small_backbone):
    alone = opening(small_backbone, schedule=UnfreezeSchedule.head_only())
    with pytest.raises(NoEffectError, match="`callbacks` would have no effect: with start='probe'"):
        alone.fit(*part_sets[:2], callbacks=["EarlyStopping"])


def test_a_schedule_or_another_loss_is_fitted_as_it_is_told(small_backbone):
    from kerasrecipes.settings.judging import judge_recipe

    def probes(**settings):
        return judge_recipe(ImageClassifier(small_backbone, image_size=SIZE, **settings)).from_probe

    assert probes() and probes(loss="balanced_softmax")
    assert probes(schedule=UnfreezeSchedule.full(), start="probe")
    assert not probes(schedule=UnfreezeSchedule.two_phase())
    for other in ({"loss": "focal"}, {"start": "head"}, {"head": "margin"}, {"head_norm": "layer"}):
        assert not probes(**other)
    with pytest.raises(ValueError, match="`start='probe'` needs head='classification' with"):
        probes(start="probe", loss="focal")


def test_very_many_photos_are_no_work_for_a_probe(part_sets, small_backbone, monkeypatch):
    def refused(*given, **named):
        raise InterruptedError

    monkeypatch.setattr(start, "fit_classifier", refused)
    monkeypatch.setattr(start, "MOST_FEATURES", 35)
    with pytest.raises(InterruptedError):
        ImageClassifier(small_backbone, image_size=SIZE).fit(*part_sets[:2], verbose=False)


def test_balanced_softmax_lets_rare_classes_count_alike(part_sets, small_backbone):
    from kerasrecipes.settings.judging import judge_recipe

    train, val, _ = part_sets
    rare = train.select([*np.flatnonzero(train.labels), int(np.flatnonzero(train.labels == 0)[0])])
    counts = {}
    for loss in (None, "balanced_softmax"):
        recipe = ImageClassifier(small_backbone, image_size=SIZE, loss=loss, class_weights=None)
        judged = judge_recipe(recipe)
        begun = start.Start(judged, rare, val, *3 * [None])
        weights = linear_weights(rare, begun.output, None, judged.head.loss_name)
        counts[loss] = weights, begun._counts_on_val(np.array([0, 1, 1, 1]))
    np.testing.assert_allclose(counts[None][0], 1)
    np.testing.assert_allclose(counts[None][1], 1)
    weights, on_val = counts["balanced_softmax"]
    np.testing.assert_allclose(weights * np.bincount(rare.labels), len(rare) / 3, rtol=1e-6)
    np.testing.assert_allclose(on_val, [2, 2 / 3, 2 / 3, 2 / 3])


def test_a_run_folder_says_what_was_chosen(probed, run_folder):
    assert (run_folder / "recipe.toml").exists()
    kept = RunReport.from_json((run_folder / "report.json").read_text())
    assert kept.choices == probed.report_.choices
