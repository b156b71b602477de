"""Metrics at an operating point: what they measure, in which form, and what stops by them."""

import keras
import numpy as np
import pytest

from kerasrecipes.callbacks.early_stopping import EarlyStopping, higher_is_better
from kerasrecipes.evaluation.operating.thresholds import AlarmScores
from kerasrecipes.metrics import (
    FalseAlarmsAtRecall,
    MeanPrecision,
    MeanRecall,
    RecallAtFalseAlarms,
)
from kerasrecipes.metrics.names import EXAMPLES, Monitored

NAMES = ("good", "crack", "dent")


def draw(n=600, sure=3.0):
    rng = np.random.default_rng(0)
    targets = rng.choice(3, n, p=[0.6, 0.25, 0.15])
    logits = (rng.normal(0, 1, (n, 3)) + 1.5 * np.eye(3)[targets]) * sure
    return targets, logits.astype(np.float32)


def measured(metric, targets, scores):
    for rows in np.array_split(np.arange(len(targets)), 3):
        metric.update_state(targets[rows], scores[rows])
    return float(metric.result())


def exact(targets, logits, classes):
    """The best recall at 2 % false alarms, and the fewest false alarms at a recall of 0.9."""
    scores = keras.ops.convert_to_numpy(keras.ops.softmax(logits)).astype(np.float64)
    told = AlarmScores.of(scores, targets, NAMES, [NAMES[k] for k in classes])
    levels = np.unique(np.concatenate([told.positive, told.negative]))
    found = np.array([np.mean(told.positive >= t) for t in levels])
    alarms = np.array([np.mean(told.negative >= t) for t in levels])
    return found[alarms <= 0.02].max(), alarms[found >= 0.9].min()


@pytest.mark.parametrize("classes", [[1], [1, 2]])
def test_the_point_is_that_of_the_exact_curve(classes):
    targets, logits = draw()
    recall, alarms = exact(targets, logits, classes)
    one_hot = np.eye(3, dtype=np.float32)[targets]
    options = {"class_ids": [classes], "from_logits": True}
    assert measured(RecallAtFalseAlarms(0.02, **options), one_hot, logits) == pytest.approx(
        recall, abs=0.02
    )
    assert measured(FalseAlarmsAtRecall(0.9, **options), one_hot, logits) == pytest.approx(
        alarms, abs=0.02
    )
    scores = keras.ops.softmax(logits)
    # Class indices and probabilities say the same.
    again = measured(RecallAtFalseAlarms(0.02, class_ids=[classes]), targets, np.array(scores))
    assert again == pytest.approx(recall, abs=0.02)


def test_without_classes_it_is_the_mean_over_all():
    targets, logits = draw()
    each = [exact(targets, logits, [k])[0] for k in range(3)]
    found = measured(RecallAtFalseAlarms(0.02, from_logits=True), targets, logits)
    assert found == pytest.approx(np.mean(each), abs=0.02)


def test_precision_and_recall_are_of_the_top_class_or_of_labels():
    from sklearn.metrics import precision_score, recall_score

    targets, logits = draw()
    top = logits.argmax(axis=1)
    for metric, score in ((MeanRecall, recall_score), (MeanPrecision, precision_score)):
        found = measured(metric(from_logits=True), targets, logits)
        assert found == pytest.approx(score(targets, top, average="macro"), abs=1e-5)
        one = measured(metric(class_ids=[[1]], from_logits=True), targets, logits)
        assert one == pytest.approx(score(targets == 1, top == 1), abs=1e-5)
        labels, scores = np.eye(3)[targets], 1 / (1 + np.exp(-logits))
        several = measured(metric(multi_label=True), labels, scores)
        assert several == pytest.approx(score(labels, scores >= 0.5, average="macro"), abs=1e-5)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_name_makes_the_metric_that_is_logged_by_it(name):
    metric = Monitored.parse(name).make(NAMES, multi_label=False, from_logits=True)
    again = type(metric).from_config(metric.get_config())
    targets, logits = draw(60)
    assert measured(metric, targets, logits) == measured(again, targets, logits)
    assert f"val_{metric.name}" == name
    metric.reset_state()
    assert measured(metric, targets, logits) == float(again.result())


@pytest.mark.parametrize(
    "name", ["val_los", "val_recall_at_recall_0.5", "recall", "val_recall_at_false_alarms_0.0"]
)
def test_what_is_no_such_name_is_none(name):
    assert Monitored.parse(name) is None


def test_unknown_classes_and_shares_are_refused():
    with pytest.raises(ValueError, match="Unknown class 'crak'. Did you mean 'crack'"):
        Monitored.parse("val_recall_of_crak").make(NAMES, multi_label=False, from_logits=True)
    with pytest.raises(ValueError, match="`share` must be between 0 and 1"):
        RecallAtFalseAlarms(2.0)


def test_early_stopping_knows_which_way_is_better_in_a_bare_fit():
    rng = np.random.default_rng(1)
    x = rng.normal(0, 1, (64, 4)).astype(np.float32)
    y = (x[:, :1] > 0).astype(np.float32)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation="sigmoid")])
    metrics = [RecallAtFalseAlarms(0.1, name="found"), FalseAlarmsAtRecall(0.9, name="alarms")]
    model.compile(keras.optimizers.Adam(0.5), "binary_crossentropy", metrics=metrics)
    stopping = EarlyStopping("val_found", patience=8)
    history = model.fit(
        x, y, epochs=12, batch_size=32, validation_data=(x, y), callbacks=[stopping], verbose=0
    ).history
    assert higher_is_better("val_found", model) and not higher_is_better("val_alarms", model)
    assert stopping.best == max(history["val_found"]) > 0.9
    assert history["val_alarms"][-1] < 0.1


@pytest.mark.parametrize("kind", [MeanRecall, lambda **o: RecallAtFalseAlarms(0.1, **o)])
def test_what_class_ids_cannot_be_is_said(kind):
    for wrong in ([1], [], [[]], [[1, 1]], [[-1]], [["crack"]], "crack", 3, [[0.5]]):
        with pytest.raises(ValueError, match=r"`class_ids` must be lists of different places"):
            kind(class_ids=wrong)
    targets, logits = draw(60)
    with pytest.raises(ValueError, match=r"are \[\[0\], \[3\]\], and the model scores 3 classes"):
        kind(class_ids=[[0], [3]]).update_state(targets, logits)
    with pytest.raises(ValueError, match=r"shape `\(n, classes\)`, not \(60, 1, 3\)"):
        kind().update_state(targets, logits[:, None])
