"""Several labels per example: numbers against scikit-learn, thresholds, edges, refusals."""

import math

import numpy as np
import pytest
import sklearn.metrics as reference

from kerasrecipes.errors import DataError
from kerasrecipes.evaluation.multi_label import best_thresholds, evaluate_labels


def drawn(n=300, shares=(0.5, 0.3, 0.1), seed=0, decimals=None):
    rng = np.random.default_rng(seed)
    targets = (rng.random((n, len(shares))) < shares).astype(int)
    scores = 1 / (1 + np.exp(1 - 2.0 * targets - rng.normal(size=targets.shape)))
    return targets, scores if decimals is None else np.round(scores, decimals)


def names(labels):
    return [f"label {i}" for i in range(labels)]


@pytest.mark.parametrize("decimals", [None, 1])
def test_it_agrees_with_sklearn(decimals):
    targets, scores = drawn(decimals=decimals)
    found = evaluate_labels(targets, scores, names(3))
    said = (scores >= 0.5).astype(int)
    expected = reference.precision_recall_fscore_support(targets, said)
    for field, values in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        got = [getattr(one, field) for one in found.labels]
        assert [getattr(one, "value", one) for one in got] == pytest.approx(list(values))
    values = reference.average_precision_score(targets, scores, average=None)
    assert [one.average_precision.value for one in found.labels] == pytest.approx(list(values))
    assert found.mean_average_precision.value == pytest.approx(values.mean())
    for average in ("micro", "macro"):
        value = reference.f1_score(targets, said, average=average)
        assert getattr(found, f"{average}_f1").value == pytest.approx(value)
    assert found.exact_match.value == pytest.approx(reference.accuracy_score(targets, said))
    assert found.baseline.value == pytest.approx(targets.mean())


def test_a_case_by_hand():
    targets = [[1, 0], [1, 1], [0, 1], [0, 0]]
    scores = [[0.9, 0.7], [0.2, 0.6], [0.8, 0.4], [0.1, 0.3]]
    found = evaluate_labels(targets, scores, ["scratch", "dent"], thresholds=[0.5, 0.35])
    scratch, dent = found.labels
    # Ranked 1 0 1 0, and 0 1 1 0.
    assert scratch.average_precision.value == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert dent.average_precision.value == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert (scratch.precision.value, scratch.recall.value, scratch.f1.value) == (0.5, 0.5, 0.5)
    assert (dent.precision.value, dent.recall.value) == (pytest.approx(2 / 3), 1.0)
    assert (scratch.threshold, dent.threshold) == (0.5, 0.35)
    assert found.micro_f1.value == pytest.approx(2 * 3 / (4 + 5))
    assert found.macro_f1.value == pytest.approx((0.5 + 0.8) / 2)
    assert found.exact_match.value == 0.25


def test_the_mean_covers_the_truth_about_as_often_as_it_says():
    truth = np.mean(
        [
            reference.average_precision_score(t, s)
            for t, s in zip(*(rows.T for rows in drawn(200_000, seed=9)), strict=True)
        ]
    )
    covered = 0
    for seed in range(120):
        found = evaluate_labels(*drawn(150, seed=seed), names(3)).mean_average_precision
        covered += found.low <= truth <= found.high
    assert 0.85 <= covered / 120 <= 0.995


def test_order_of_examples_and_of_labels_does_not_matter():
    targets, scores = drawn()
    first = evaluate_labels(targets, scores, names(3))
    mixed = np.random.default_rng(1).permutation(len(targets))
    second = evaluate_labels(targets[mixed], scores[mixed], names(3))
    assert second.mean_average_precision.value == pytest.approx(first.mean_average_precision.value)
    assert second.exact_match == first.exact_match
    assert [one.recall for one in second.labels] == [one.recall for one in first.labels]
    turned = evaluate_labels(targets[:, ::-1], scores[:, ::-1], names(3)[::-1])
    assert turned.labels == first.labels[::-1]
    assert turned.worst_first() == first.worst_first()


def test_a_label_without_examples_is_undefined_and_left_out_of_means():
    targets, scores = drawn(shares=(0.5, 0.3, 0.0))
    found = evaluate_labels(targets, scores, names(3))
    known = evaluate_labels(targets[:, :2], scores[:, :2], names(2))
    missing = found.labels[2]
    assert missing.support == 0 and found.worst_first()[-1] is missing
    assert all(
        math.isnan(one.value) for one in (missing.average_precision, missing.recall, missing.f1)
    )
    assert missing.precision.value == 0
    assert found.mean_average_precision == known.mean_average_precision
    assert found.macro_f1 == known.macro_f1
    assert "No example of 'label 2': nothing is known about such" in found.notes[0]
    never_named = evaluate_labels([[1], [0]], [[0.1], [0.2]], ["a"]).labels[0]
    assert math.isnan(never_named.precision.value) and never_named.f1.value == 0


def test_no_label_anywhere():
    found = evaluate_labels(np.zeros((5, 2)), np.full((5, 2), 0.1), names(2))
    assert math.isnan(found.mean_average_precision.value) and math.isnan(found.micro_f1.value)
    assert found.exact_match.value == 1 and found.exact_match.low < 0.6
    assert "–" in str(found)


def test_few_examples_and_labels_of_all_are_said():
    targets, scores = drawn(20, shares=(0.2, 1.0))
    notes = evaluate_labels(targets, scores, names(2)).notes
    assert "Every example is of 'label 1', so the average precision is 1" in notes[0]
    assert "Fewer than 10 examples of 'label 0'" in notes[1]
    assert notes[2] == "Only 20 examples: read the intervals, not the numbers."


def test_perfect_scores_do_not_claim_certainty():
    targets = np.tile([[1, 0], [0, 1]], (10, 1))
    found = evaluate_labels(targets, np.where(targets, 0.9, 0.1), names(2))
    assert all(one.f1.value == 1 and one.f1.low < 0.9 for one in found.labels)
    assert found.mean_average_precision.value == 1
    assert math.isnan(found.mean_average_precision.low)


def test_thresholds_of_the_best_f1_beat_all_others():
    targets, scores = drawn(decimals=2)
    best = best_thresholds(targets, scores)

    def f1(thresholds):
        return reference.f1_score(targets, scores >= thresholds, average=None, zero_division=0)

    tried = np.array([f1(np.full(3, limit)) for limit in np.arange(0, 1.0, 0.005)])
    np.testing.assert_allclose(f1(best), tried.max(axis=0))
    # Halfway between two scores: what rounds by less than that changes no answer.
    np.testing.assert_array_equal(scores >= best, scores + 0.004 >= best)
    assert evaluate_labels(targets, scores, names(3), thresholds=best).macro_f1.value == (
        pytest.approx(tried.max(axis=0).mean())
    )


def test_thresholds_by_hand():
    scores = np.array([[0.9], [0.8], [0.7], [0.6], [0.3], [0.2]])
    assert best_thresholds([[1]] * 5 + [[0]], scores) == pytest.approx([0.25])
    # Too few to choose by.
    assert best_thresholds([[1]] * 4 + [[0]] * 2, scores).tolist() == [0.5]
    # All are of the label: name everything.
    assert best_thresholds([[1]] * 6, scores) == pytest.approx([0.1])


@pytest.mark.parametrize(("high", "low", "chosen"), [(0.9, 0.4, 0.65), (0.95, 0.6, 0.3)])
def test_among_equally_good_thresholds_the_one_nearest_to_a_half_is_taken(high, low, chosen):
    # F1 is 6/9 when 3 of 6 are found, all right, and 12/18 when all are, half of them right.
    targets, scores = [[1]] * 6 + [[0]] * 6, [[high]] * 3 + [[low]] * 9
    assert best_thresholds(targets, scores) == pytest.approx([chosen])


@pytest.mark.parametrize(
    ("targets", "scores", "class_names", "message"),
    [
        ([[1, 0]], [[0.5, np.nan]], ["a", "b"], r"`scores` must be finite.*1 of 1.*row 0"),
        ([[1, 0]], [[0.5, 3.0]], ["a", "b"], r"`scores` must be probabilities.*0.5 to 3.*sigmoid"),
        ([[1, 2]], [[0.5, 0.5]], ["a", "b"], r"`targets` must be 0 or 1.*Received: '2'"),
        ([[1, np.nan]], [[0.5, 0.5]], ["a", "b"], r"`targets` must be 0 or 1.*Received: 'nan'"),
        ([1, 0], [[0.5, 0.5]], ["a", "b"], r"`targets` must have shape \(n, 2\).*\(2,\)"),
        ([[1, 0]], [[0.5]], ["a", "b"], r"`scores` must have shape \(n, 2\).*\(1, 1\)"),
        ([[1, 0]] * 2, [[0.5, 0.5]], ["a", "b"], r"`scores` must have one row per target"),
        ([[1, 0]], [[0.5, 0.5]], ["a", "a"], r"`class_names` must name different labels"),
        (np.zeros((0, 2)), np.zeros((0, 2)), ["a", "b"], "There are no examples"),
        (np.zeros((3, 0)), np.zeros((3, 0)), [], "`class_names` must name different labels"),
    ],
)
def test_what_is_no_result_is_refused(targets, scores, class_names, message):
    with pytest.raises(DataError, match=message):
        evaluate_labels(targets, scores, class_names)


def test_thresholds_that_do_not_fit_are_refused():
    for thresholds in (1.5, [0.5], [0.1, 0.2, np.nan], -0.1):
        with pytest.raises(DataError, match=r"`thresholds` must be a number between 0 and 1, or 3"):
            evaluate_labels(*drawn(), names(3), thresholds=thresholds)
    with pytest.raises(DataError, match="`scores` must be finite"):
        best_thresholds([[1], [0]], [[np.nan], [0.5]])
