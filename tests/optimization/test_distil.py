"""A recipe fitted to what others say."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest

from kerasrecipes import (
    BackboneSpec,
    DataError,
    ImageClassifier,
    MovingAverage,
    NotFittedError,
    UnfreezeSchedule,
    distil,
)
from kerasrecipes.engine.frozen.frozen_part import Side
from kerasrecipes.optimization.distilling import _joined
from kerasrecipes.photos.reader import PhotoReader
from kerasrecipes.settings.judging import head_of
from kerasrecipes.training.retraining import Goal


@pytest.fixture(scope="module")
def student():
    from keras import layers

    keras.utils.set_random_seed(1)
    photo = keras.Input((20, 20, 3))
    x = layers.Conv2D(8, 5, strides=2, activation="relu", name="first")(photo)
    x = layers.Conv2D(12, 3, activation="relu", name="second")(x)
    spec = BackboneSpec.from_model(keras.Model(photo, x, name="other"), scaling="0..1")
    schedule = UnfreezeSchedule.two_phase(
        3, 0.01, head_epochs=2, head_learning_rate=0.02, open_fraction=0.5
    )
    return ImageClassifier(spec, schedule=schedule, views=2, batch_size=8, clip_norm=5.0)


def test_a_student_of_another_family_learns_by_its_own_schedule(
    small_fitted, student, part_sets, tmp_path
):
    train, val, test = part_sets
    found = distil(small_fitted, student, train, val, feature_weight=0.1, verbose=False)
    assert not hasattr(student, "model_") and found.clip_norm == 5.0
    assert [stage.name for stage in found.report_.stages] == ["head", "top"]
    head, top = found.report_.stages
    assert head.trainable_parameters < top.trainable_parameters
    (step,) = found.report_.optimization
    assert step["before"]["val_accuracy"] == small_fitted.report_.evaluations["val"].accuracy.value
    assert step["after"]["parameters"] == found.model_.count_params()
    assert f"Learned from 'model:small' on {len(train)} photos with labels" in step["summary"]
    found.evaluate(test)
    loaded = ImageClassifier.load(found.save(tmp_path / "student").folder)
    assert loaded.predict(test) == pytest.approx(found.predict(test), abs=1e-5)


def test_photos_without_labels_count_by_what_the_teachers_say(
    small_fitted, student, part_sets, tmp_path
):
    train, val, test = part_sets
    # Labels that nobody could know.
    nameless = replace(
        test, photos=tuple(replace(photo, label="?") for photo in test.photos), class_names=("?",)
    )
    found = distil(
        [small_fitted, small_fitted], student, train, val, unlabelled=nameless, verbose=False
    )
    assert found.fitted_.train is train
    assert found.report_.data.counts["train"] == train.counts()
    rows = (found.save(tmp_path / "student").folder / "data.jsonl").read_text().splitlines()
    guessed = [row for row in map(json.loads, rows) if row["split"] == "unlabelled"]
    assert len(guessed) == len(test) and {row["label"] for row in guessed} == {None}
    assert found.report_.optimization[0]["options"]["unlabelled"] == len(test)
    with pytest.raises(DataError, match="were used in the fit"):
        found.evaluate(test)
    loaded = ImageClassifier.load(tmp_path / "student")
    with pytest.raises(DataError, match="were used in the fit"):
        loaded.evaluate(test)
    shown = _joined(train, val, nameless, [small_fitted])
    size = tuple(small_fitted.model_.input.shape[1:3])
    side = Side(PhotoReader(shown, size), 1)
    goal = Goal(small_fitted.model_, unlabelled=len(test))
    targets, _ = goal.targets((side, side), head_of(small_fitted))
    assert targets[0, -len(test) :, :3] == pytest.approx(small_fitted.predict(test), abs=1e-5)
    assert set(np.unique(targets[0, : len(train), :3])) == {0, 1}


def test_wrong_use_is_named(small_fitted, student, part_sets):
    train, val, _ = part_sets
    for action, kind, message in (
        (lambda: distil([], student, train, val), ValueError, "`teacher` is empty"),
        (lambda: distil(student, student, train, val), NotFittedError, "has no `output_` yet"),
        (lambda: distil(small_fitted, student, train, val, callbacks=[MovingAverage()]), ValueError,
         "`callbacks` holds a MovingAverage"),
        (lambda: distil(small_fitted, student, train, val, alpha=2), ValueError, "`alpha` must"),
        (lambda: distil(small_fitted, student, train, val, unlabelled=val), DataError,
         "photos in `unlabelled` are among `val`"),
        (lambda: distil([small_fitted] * 2, student, train, val, feature_weight=1.0), ValueError,
         "`feature_weight` needs one teacher, not 2"),
        (lambda: distil(small_fitted, replace(student, stochastic_depth=0.1), train, val),
         ValueError, "`stochastic_depth=0.1` of the student .* all branches take part"),
        (lambda: distil(small_fitted, replace(student, batch_norm="reestimate"), train, val),
         ValueError, "`batch_norm='reestimate'` of the student would have no effect"),
        (lambda: distil(small_fitted, replace(student, loss="focal"), train, val), ValueError,
         "`loss='focal'` of the student .*: the loss is that of distillation. Leave it out"),
        (lambda: distil(small_fitted, replace(student, label_smoothing=0.2), train, val),
         ValueError, "`label_smoothing=0.2` of the student"),
        (lambda: distil(small_fitted, replace(student, head="embedding"), train, val), ValueError,
         "`head='embedding'` of the student"),
        (lambda: distil(small_fitted, replace(student, mix="mixup"), train, val), ValueError,
         "`mix='mixup'` of the student .* teachers are asked about single photos"),
        (lambda: distil(small_fitted, replace(student, devices=2), train, val), ValueError,
         "`devices=2` of the student .* it runs on one device"),
        (lambda: distil(small_fitted, ImageClassifier("mobilnet_v2"), train, val), ValueError,
         "Unknown backbone"),
    ):  # fmt: skip
        with pytest.raises(kind, match=message):
            action()
