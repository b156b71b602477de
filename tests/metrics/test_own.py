"""Metrics of people's own: named, given, made of functions; measured as keras and sklearn do."""

import keras
import numpy as np
import pytest
from sklearn.metrics import f1_score

from kerasrecipes.metrics import CalibrationError, MeanOf, list_metrics
from kerasrecipes.metrics.choice import check_metrics
from kerasrecipes.metrics.own import measure, own_metrics

CLASSES = ("dent", "ok", "scratch")
RNG = np.random.default_rng(0)
SCORES = RNG.normal(size=(60, 3)).astype("float32")
TARGETS = np.eye(3, dtype="float32")[RNG.integers(0, 3, 60)]


def margin(y_true, y_pred):
    return keras.ops.max(y_pred, axis=-1) - keras.ops.min(y_pred, axis=-1)


def logged(wishes):
    """Return what a model of raw scores logs."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Identity()])
    made = own_metrics(wishes, CLASSES, "softmax")
    model.compile(loss=keras.losses.CategoricalCrossentropy(from_logits=True), metrics=made)
    return model.evaluate(SCORES, TARGETS, verbose=0, return_dict=True, batch_size=7)


def test_values_are_of_answers_and_told_for_each_class():
    found = logged(["f1", "calibration_error", "log_loss", margin, "recall_of_ok"])
    answers = np.exp(SCORES) / np.exp(SCORES).sum(1, keepdims=True)
    each = f1_score(TARGETS.argmax(1), SCORES.argmax(1), average=None)
    assert [found[f"f1_of_{name}"] for name in CLASSES] == pytest.approx(each, rel=1e-5)
    assert found["f1"] == pytest.approx(each.mean(), rel=1e-5)
    assert found["log_loss"] == pytest.approx(found["loss"], rel=1e-4)
    assert found["margin"] == pytest.approx((answers.max(1) - answers.min(1)).mean(), rel=1e-4)
    measured = measure(["f1", "calibration_error", margin], CLASSES, TARGETS.argmax(1), answers)
    for name in ("f1", "f1_of_ok", "calibration_error", "margin"):
        assert measured[name] == pytest.approx(found[name], rel=1e-4)
    sure, right = answers.max(1), TARGETS.argmax(1) == SCORES.argmax(1)
    bins = np.minimum((sure * 15).astype(int), 14)
    gaps = [abs((right[bins == b] - sure[bins == b]).sum()) for b in range(15)]
    assert found["calibration_error"] == pytest.approx(sum(gaps) / 60, abs=1e-5)


def test_each_name_can_be_measured():
    found = logged(list_metrics())
    assert set(list_metrics()) <= set(found)
    assert 0.3 < found["auc"] < 0.7 and "auc_of_ok" not in found
    assert found["top_2_accuracy"] > found["f1"]


def test_tables_classes_and_metrics_are_taken():
    wishes = [
        {"kind": "F1Score", "average": "macro", "name": "macro"},
        keras.metrics.Poisson,
        keras.metrics.CategoricalHinge(name="hinge"),
    ]
    found = logged(wishes)
    assert {"macro", "poisson", "hinge"} <= set(found)
    assert found["macro"] == pytest.approx(logged(["f1"])["f1"], rel=1e-5)


def test_it_says_which_way_is_better():
    made = own_metrics(["f1", MeanOf(margin, "odd", "down")], CLASSES, "softmax")
    assert [one._direction for one in made] == ["up"] * 4 + ["down"]
    assert CalibrationError()._direction == "down"
    with pytest.raises(ValueError, match="`direction` must be 'up', 'down' or None, not 'more'"):
        MeanOf(margin, direction="more")


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        (["f2"], "Unknown metric 'f2'"),
        (["mine:f"], "what somebody's own Python made"),
        (["accuracy"], "Unknown metric 'accuracy'"),
        ([keras.metrics.CategoricalAccuracy("accuracy")], "'accuracy', a name that is taken"),
        ([keras.metrics.Recall(name="recall")], "'recall', a name that is taken"),
        (["f1", "f1"], "'f1', a name that is taken"),
        ([3], "must hold names, tables, functions of targets and scores, or Keras metrics, not 3"),
        ([lambda y, p: 0.0], "called '<lambda>', which cannot be logged. Give it a name"),
        ([{"average": "macro"}], "A table in `metrics` needs a `kind`, a class of keras.metrics"),
    ],
)
def test_what_cannot_be_asked_for_is_told(wishes, message):
    with pytest.raises(ValueError) as error:
        check_metrics(wishes)
    assert message in str(error.value)


def alone(y_true):
    return y_true


def rows(y_true, y_pred):
    return keras.ops.reshape(y_pred, (-1, 7))


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"kind": "F1"}, "Unknown kind of metric 'F1'"),
        ({"kind": "F1Score", "beta": 2}, "The metric 'f1_score' cannot be made:"),
        (alone, "The metric 'alone' cannot be made: "),
        (rows, "The metric 'rows' cannot read targets and scores of shape (n, 3): "),
        ({"kind": "ConfusionMatrix"}, "Unknown kind of metric 'ConfusionMatrix'"),
    ],
)
def test_what_cannot_measure_is_told_before_training(wish, message):
    with pytest.raises(ValueError) as error:
        own_metrics([wish], CLASSES, "softmax")
    assert message in str(error.value)
