"""Classes with an order: numbers against scikit-learn, edges, refusals."""

import math

import numpy as np
import pytest
import sklearn.metrics as reference

from kerasrecipes.errors import DataError
from kerasrecipes.evaluation.ordinal import evaluate_order
from kerasrecipes.evaluation.scores import median_classes

NAMES = ["new", "light", "medium", "worn"]


def drawn(n=300, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(4, size=n)
    centre = labels + rng.normal(0, 0.8, n)
    scores = np.exp(-((np.arange(4) - centre[:, None]) ** 2))
    return labels, scores / scores.sum(axis=1, keepdims=True)


def test_it_agrees_with_sklearn():
    labels, scores = drawn()
    found = evaluate_order(labels, scores, NAMES)
    said = (np.cumsum(scores, axis=1) < 0.5).sum(axis=1)
    assert found.mean_absolute_error.value == pytest.approx(
        reference.mean_absolute_error(labels, said)
    )
    assert found.quadratic_kappa.value == pytest.approx(
        reference.cohen_kappa_score(labels, said, weights="quadratic")
    )
    assert found.accuracy.value == pytest.approx(reference.accuracy_score(labels, said))
    assert found.log_loss.value == pytest.approx(reference.log_loss(labels, scores))
    recalls = reference.recall_score(labels, said, average=None)
    assert [one.recall.value for one in found.classes] == pytest.approx(list(recalls))
    assert np.array_equal(found.confusion, reference.confusion_matrix(labels, said))
    assert found.baseline.value == pytest.approx(np.abs(labels - np.median(labels)).mean())


def test_a_case_by_hand():
    labels, said = [0, 0, 1, 3, 3], [0, 2, 1, 0, 2]
    scores = np.eye(4)[said] * 0.6 + 0.1
    found = evaluate_order(labels, scores, NAMES)
    assert found.mean_absolute_error.value == pytest.approx(6 / 5)
    assert found.baseline.value == pytest.approx(6 / 5)  # always 1
    assert found.accuracy.value == 0.4 and found.within_one.value == pytest.approx(0.6)
    assert [one.mean_absolute_error.value for one in found.classes[:2]] == [1.0, 0.0]
    assert found.classes[3].mean_absolute_error.value == 2.0
    assert [one.support for one in found.classes] == [2, 1, 0, 2]
    assert math.isnan(found.classes[2].mean_absolute_error.value)
    assert math.isnan(found.classes[2].recall.value)
    assert found.log_loss.value == pytest.approx(-np.log([0.7, 0.1, 0.7, 0.1, 0.1]).mean())
    assert "No example of 'medium': nothing is known about such." in found.notes
    assert "new taken for medium 1×" in str(found)


def test_kappa_covers_the_truth_about_as_often_as_it_says():
    labels, scores = drawn(100_000, seed=9)
    truth = reference.cohen_kappa_score(labels, median_classes(scores), weights="quadratic")
    covered = 0
    for seed in range(200):
        found = evaluate_order(*drawn(120, seed=seed), NAMES).quadratic_kappa
        covered += found.low <= truth <= found.high
    assert 0.87 <= covered / 200 <= 0.995


def test_order_of_examples_does_not_matter_but_order_of_classes_does():
    labels, scores = drawn()
    mixed = np.random.default_rng(1).permutation(len(labels))
    first = evaluate_order(labels, scores, NAMES)
    second = evaluate_order(labels[mixed], scores[mixed], NAMES)
    assert second.confusion == first.confusion and second.accuracy == first.accuracy
    assert second.mean_absolute_error.value == pytest.approx(first.mean_absolute_error.value)
    turned = evaluate_order(3 - labels, scores[:, ::-1], NAMES[::-1])
    assert turned.mean_absolute_error.value == pytest.approx(first.mean_absolute_error.value)
    swap = np.array([1, 0, 2, 3])
    swapped = evaluate_order(swap[labels], scores[:, swap], NAMES)
    assert swapped.log_loss.value == pytest.approx(first.log_loss.value)
    assert swapped.mean_absolute_error.value > first.mean_absolute_error.value


def test_one_class_only_has_no_kappa():
    found = evaluate_order([2] * 40, np.full((40, 4), [0.1, 0.1, 0.7, 0.1]), NAMES)
    assert math.isnan(found.quadratic_kappa.value) and found.mean_absolute_error.value == 0
    assert found.accuracy.value == 1 and found.accuracy.low < 0.95
    assert evaluate_order([1], [[0.2, 0.8]], ["a", "b"]).accuracy.value == 1


def test_the_table_keeps_the_order():
    found = evaluate_order(*drawn(), NAMES)
    assert [row[0] for row in found.tables()[0].rows] == NAMES
    assert "at most one class off: 9" in str(found)


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([0, 1], [[0.5, 0.5, 0, 0], [np.nan, 1, 0, 0]], "`scores` must be finite"),
        ([4], [[1, 0, 0, 0]], "`labels` must be between 0 and 3"),
        ([0.5], [[1, 0, 0, 0]], "`labels` must be one-dimensional integers"),
        ([0], [[0.5, 0.5]], r"`scores` must have shape \(photos, 4\)"),
    ],
)
def test_what_is_no_result_is_refused(labels, scores, message):
    with pytest.raises(DataError, match=message):
        evaluate_order(labels, scores, NAMES)
