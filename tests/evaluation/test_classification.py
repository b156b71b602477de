"""Results of classifiers: numbers against scikit-learn, edges, text, JSON, refusals."""

import json
import math

import numpy as np
import pytest
import sklearn.metrics as reference

from kerasrecipes.errors import DataError
from kerasrecipes.evaluation.classification import (
    Evaluation,
    _log_loss,
    evaluate_scores,
    most_confident_mistakes,
)
from kerasrecipes.evaluation.scores import check_rows


def drawn(n, classes, seed=0, decimals=None):
    """Labels drawn from the scores themselves: a perfectly calibrated model."""
    generator = np.random.default_rng(seed)
    scores = generator.dirichlet(np.full(classes, 0.4), n)
    if decimals is not None:
        scores = np.round(scores, decimals)
        scores[:, -1] = 1 - scores[:, :-1].sum(axis=1)
        scores = np.clip(scores, 0, 1)
    labels = (generator.random(n)[:, None] > np.cumsum(scores, axis=1)).sum(axis=1)
    return np.minimum(labels, classes - 1), scores


def names(classes):
    return [f"class {i}" for i in range(classes)]


@pytest.mark.parametrize("decimals", [None, 1])
def test_two_classes_agree_with_sklearn(decimals):
    labels, scores = drawn(400, 2, decimals=decimals)
    found = evaluate_scores(labels, scores, names(2))
    said = scores.argmax(axis=1)
    precision, recall, f1, support = reference.precision_recall_fscore_support(labels, said)
    assert found.accuracy.value == pytest.approx(reference.accuracy_score(labels, said))
    assert found.balanced_accuracy.value == pytest.approx(
        reference.balanced_accuracy_score(labels, said)
    )
    assert found.auc.value == pytest.approx(reference.roc_auc_score(labels, scores[:, 1]))
    assert found.average_precision.value == pytest.approx(
        reference.average_precision_score(labels, scores[:, 1])
    )
    assert [c.precision.value for c in found.classes] == pytest.approx(list(precision))
    assert [c.recall.value for c in found.classes] == pytest.approx(list(recall))
    assert [c.f1.value for c in found.classes] == pytest.approx(list(f1))
    assert [c.support for c in found.classes] == list(support)
    assert np.array_equal(found.confusion, reference.confusion_matrix(labels, said))


def test_many_classes_agree_with_sklearn():
    labels, scores = drawn(500, 6)
    found = evaluate_scores(labels, scores, names(6))
    assert found.auc.value == pytest.approx(
        reference.roc_auc_score(labels, scores, multi_class="ovr")
    )
    assert found.average_precision.value == pytest.approx(
        reference.average_precision_score(np.eye(6)[labels], scores, average="macro")
    )
    clipped = np.clip(scores, 1e-7, 1)
    expected = reference.log_loss(labels, clipped / clipped.sum(axis=1, keepdims=True))
    assert found.log_loss.value == pytest.approx(expected, abs=1e-5)


def test_every_number_lies_in_its_interval():
    found = evaluate_scores(*drawn(300, 4), names(4))
    estimates = [found.accuracy, found.balanced_accuracy, found.auc, found.average_precision]
    estimates += [found.log_loss, found.calibration_error, found.calibration_null]
    estimates += [e for c in found.classes for e in (c.precision, c.recall, c.f1)]
    assert len(estimates) == 7 + 12
    assert all(e.low <= e.value <= e.high and e.low < e.high for e in estimates)


def test_auc_interval_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(0)
    truth, covered = 0.7602, 0  # two normals one standard deviation apart
    for _ in range(60):
        labels = np.repeat([0, 1], [120, 40])
        score = 1 / (1 + np.exp(-generator.normal(labels.astype(float), 1.0)))
        found = evaluate_scores(labels, np.column_stack([1 - score, score]), names(2)).auc
        covered += found.low <= truth <= found.high
    assert covered / 60 >= 0.85


def test_a_perfectly_calibrated_model_shows_the_null_band():
    # About 0.04 is what 200 photos show by chance alone.
    found = evaluate_scores(*drawn(200, 2), names(2))
    assert found.calibration_null.value == pytest.approx(0.038, abs=0.02)
    assert found.calibration_error.value <= found.calibration_null.high


def test_a_model_that_is_too_sure_leaves_the_null_band():
    labels, scores = drawn(1000, 3)
    sure = scores**4 / (scores**4).sum(axis=1, keepdims=True)
    found = evaluate_scores(labels, sure, names(3))
    assert found.calibration_error.low > found.calibration_null.high


def test_same_seed_same_result():
    labels, scores = drawn(100, 3)
    first, second = (evaluate_scores(labels, scores, names(3), seed=1) for _ in range(2))
    assert first == second
    assert first != evaluate_scores(labels, scores, names(3), seed=2)


def test_perfect_scores_do_not_claim_certainty():
    labels = np.arange(20) % 2
    scores = np.where(labels[:, None] == [0, 1], 0.99, 0.01)
    found = evaluate_scores(labels, scores, names(2))
    assert found.accuracy.low < 0.9 and found.balanced_accuracy.low < 0.9
    assert all(c.f1.value == 1 and c.f1.low < 0.9 for c in found.classes)
    assert found.auc.value == 1 and math.isnan(found.auc.low)
    assert "Every resample gives the same AUC, so it has no interval." in found.notes
    assert "Only 20 photos: read the intervals, not the numbers." in found.notes


def test_a_class_without_photos_is_undefined_and_said_so():
    labels, scores = drawn(100, 4)
    keep = labels != 2
    found = evaluate_scores(labels[keep], scores[keep], names(4))
    missing = found.classes[2]
    assert missing.support == 0
    assert math.isnan(missing.recall.value) and math.isnan(missing.f1.value)
    assert found.worst_first()[-1] is missing
    assert not math.isnan(found.auc.value) and not math.isnan(found.balanced_accuracy.value)
    assert "No photo of 'class 2'; nothing is known about it" in found.notes[0]
    assert "–" in str(found)


def test_one_class_only_has_no_auc():
    found = evaluate_scores(np.zeros(40, int), np.full((40, 3), [0.5, 0.3, 0.2]), names(3))
    assert math.isnan(found.auc.value) and math.isnan(found.average_precision.value)
    assert found.accuracy.value == 1
    assert "No photo of 'class 1', 'class 2'; nothing is known about them" in found.notes[0]
    assert "All photos are of one class" in found.notes[1]


def test_one_photo_is_enough():
    found = evaluate_scores([1], [[0.4, 0.6]], names(2))
    assert found.n == 1 and found.accuracy.value == 1


def test_a_never_named_class_has_no_precision():
    found = evaluate_scores([0, 1] * 20, np.full((40, 2), [0.6, 0.4]), names(2))
    assert math.isnan(found.classes[1].precision.value)
    assert found.classes[1].recall.value == 0
    assert found.classes[1].f1.value == 0 and found.classes[1].f1.high > 0


def test_scores_of_zero_keep_log_loss_finite():
    found = evaluate_scores([0, 1] * 20, np.full((40, 2), [1.0, 0.0]), names(2))
    assert found.log_loss.value == pytest.approx(-math.log(1e-7) / 2)


def test_latency_is_summarised():
    labels, scores = drawn(50, 2)
    found = evaluate_scores(labels, scores, names(2), latency_ms=range(101))
    assert found.latency_ms == {"median": 50.0, "p95": 95.0}
    assert evaluate_scores(labels, scores, names(2), latency_ms=[]).latency_ms is None
    assert "latency per photo 50.0 ms, 95th percentile 95.0 ms" in str(found)


@pytest.mark.parametrize(
    ("labels", "scores", "class_names", "message"),
    [
        ([0], [[1.0]], ["a"], r"at least 2 different classes. Received: 'a'"),
        ([0], [[0.5, 0.5]], ["a", "a"], r"at least 2 different classes. Received: 'a', 'a'"),
        ([0], [[0.5, 0.5]], ["a", "b", "c"], r"shape \(photos, 3\).*Received shape: \(1, 2\)"),
        ([0], [0.5], ["a", "b"], r"one column per class. Received shape: \(1,\)"),
        ([0.0], [[0.5, 0.5]], ["a", "b"], r"`labels` must be one-dimensional integers.*float64"),
        ([[0]], [[0.5, 0.5]], ["a", "b"], r"`labels` must be one-dimensional integers"),
        ([0, 1], [[0.5, 0.5]], ["a", "b"], r"`scores` must have one row per label"),
        (np.zeros(0, int), np.zeros((0, 2)), ["a", "b"], r"There are no photos to evaluate"),
        ([2], [[0.5, 0.5]], ["a", "b"], r"`labels` must be between 0 and 1. Received: 2 to 2"),
        ([-1], [[0.5, 0.5]], ["a", "b"], r"`labels` must be between 0 and 1. Received: -1 to -1"),
        ([0, 0], [[0.5, 0.5], [np.nan, 1]], ["a", "b"], r"NaN or infinity for 1 of 2.*row 1"),
        ([0], [[3.0, -2.0]], ["a", "b"], r"must be probabilities.*softmax"),
        ([0], [[0.5, 0.502]], ["a", "b"], r"first row 0 with sum 1.002"),
    ],
)
def test_what_is_no_result_of_a_classifier_is_refused(labels, scores, class_names, message):
    with pytest.raises(DataError, match=message):
        evaluate_scores(labels, scores, class_names)


def test_sums_may_be_off_by_rounding():
    assert evaluate_scores([0, 1], [[0.5, 0.5009]] * 2, ["a", "b"]).n == 2


def test_json_round_trip_is_exact_and_strict():
    labels, scores = drawn(100, 4)
    keep = labels != 2
    found = evaluate_scores(labels[keep], scores[keep], names(4), latency_ms=[1.0, 2.0])
    text = json.dumps(found.to_dict(), allow_nan=False)
    back = Evaluation.from_dict(json.loads(text))
    assert back == found and hash(back.auc) == hash(found.auc)
    assert back.to_dict() == found.to_dict()
    assert "null" in text


def test_a_damaged_evaluation_is_refused():
    data = evaluate_scores([0, 1], [[0.6, 0.4]] * 2, ["a", "b"]).to_dict()
    del data["auc"]
    with pytest.raises(DataError, match="The evaluation lacks 'auc'"):
        Evaluation.from_dict(data)


def test_the_table_reads_worst_class_first_and_lines_up():
    labels = np.repeat([0, 1], 50)
    scores = np.full((100, 2), [0.9, 0.1])
    scores[60:] = [0.2, 0.8]
    text = str(evaluate_scores(labels, scores, ["ok", "日本 crack\n😀"]))
    assert text.startswith("90 of 100 photos right: accuracy 90.0% (82.6–94.5)")
    rows = [line for line in text.splitlines() if "photos" not in line and "%" in line]
    assert rows[0].startswith("日本 crack\\n😀") and "80% (67–89)" in rows[0]
    assert rows[1].startswith("ok") and "100% (93–100)" in rows[1]
    assert "Most frequent mistakes: 日本 crack\\n😀 taken for ok 10×" in text
    assert "In brackets: 95% confidence intervals." in text


def test_long_names_are_shortened_in_the_table():
    text = str(evaluate_scores([0, 1], [[0.6, 0.4]] * 2, ["a" * 80, "b"]))
    assert "a" * 27 + "…" in text and "a" * 28 not in text


def test_confusions_are_sorted():
    found = evaluate_scores([0, 0, 1, 2], np.eye(3)[[1, 1, 2, 2]], names(3))
    assert found.confusions() == [("class 0", "class 1", 2), ("class 1", "class 2", 1)]
    assert found.found("class 2") == 1


def test_most_confident_mistakes_come_first():
    scores = [[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.99, 0.01]]
    assert most_confident_mistakes([1, 1, 0, 0], scores).tolist() == [0, 2, 1]
    assert most_confident_mistakes([1, 1, 0, 0], scores, limit=1).tolist() == [0]
    assert most_confident_mistakes([0, 0, 1, 0], scores).tolist() == []
    with pytest.raises(DataError, match="`scores` must have one row per label"):
        most_confident_mistakes([1], scores)


def test_rows_must_match_labels():
    check_rows("scores", np.ones((3, 2)), 3)
    with pytest.raises(DataError, match=r"`scores` must have one row per label.*3 rows for 4"):
        check_rows("scores", np.ones((3, 2)), 4)


def test_groups_are_covered_where_photos_alone_are_not():
    """Six photos of each of 15 parts, which stand or fall together; truths of 20,000 parts."""
    generator = np.random.default_rng(0)

    def photos(parts):
        labels = np.repeat(generator.integers(2, size=parts), 6)
        of_part = np.repeat(generator.normal(0, 1.2, parts), 6)
        score = 2 * labels - 1 + of_part + generator.normal(0, 0.6, 6 * parts)
        score = 1 / (1 + np.exp(-1.2 * score))
        return labels, np.column_stack([1 - score, score]), np.arange(6 * parts) // 6

    labels, scores, _ = photos(20_000)
    said = scores.argmax(axis=1)
    truth = {
        "accuracy": (said == labels).mean(),
        "balanced_accuracy": reference.balanced_accuracy_score(labels, said),
        "auc": reference.roc_auc_score(labels, scores[:, 1]),
        "log_loss": reference.log_loss(labels, scores),
        "recall": (said[labels == 1] == 1).mean(),
        "precision": (labels[said == 1] == 1).mean(),
        "f1": reference.f1_score(labels, said),
    }
    covered, rounds = np.zeros((2, len(truth))), 40
    for seed in range(rounds):
        labels, scores, groups = photos(15)
        for k, known in enumerate((groups, None)):
            found = evaluate_scores(labels, scores, names(2), groups=known, seed=seed)
            ends = [getattr(found, n, None) or getattr(found.classes[1], n) for n in truth]
            covered[k] += [e.low <= t <= e.high for e, t in zip(ends, truth.values(), strict=True)]
    assert (covered[0] / rounds >= 0.8).all() and covered[0].mean() / rounds > 0.87
    assert covered[1].mean() / rounds < 0.75


def test_log_losses_of_rare_mistakes_are_covered_or_told_of():
    """Sure answers, of which one in twenty is wrong; of a thousand draws 94 % were covered."""
    rng, rounds, hits = np.random.default_rng(4), 120, 0

    def sure(n):
        wrong, left = rng.random(n) < 0.05, 10 ** -rng.uniform(1, 5, n)
        right = np.where(wrong, left, 1 - left)
        return np.ones(n, int), np.column_stack([1 - right, right])

    truth = reference.log_loss(*sure(1_000_000), labels=[0, 1])
    for seed in range(rounds):
        found = _log_loss(*sure(100), seed, None)
        hits += found.low <= truth <= found.high
    assert hits / rounds >= 0.88
    assert found.low * found.high == pytest.approx(found.value**2)  # as far on the logarithm
    few = evaluate_scores(np.ones(40, int), np.tile([0.1, 0.9], (40, 1)), names(2))
    assert any("most of a log-loss comes from what is" in note for note in few.notes)
    for n, told in ((99, True), (100, False)):
        labels = np.arange(n) % 2
        notes = evaluate_scores(labels, np.tile([0.6, 0.4], (n, 1)), names(2)).notes
        assert any("log-loss is approximate" in note for note in notes) is told


def test_a_class_of_few_groups_is_told_of():
    labels = np.repeat([0, 1], 40)
    scores = np.where(labels[:, None] == [0, 1], 0.8, 0.2)
    scores[::6] = scores[::6, ::-1]
    groups = np.r_[np.arange(40) // 20, 2 + np.arange(40) // 4]
    found = evaluate_scores(labels, scores, names(2), groups=groups)
    assert any("a class of only 2 groups" in note for note in found.notes)
    assert found.balanced_accuracy.low < found.classes[1].recall.low
    many = evaluate_scores(labels, scores, names(2), groups=np.arange(80) // 8)
    assert not any("a class of only" in note for note in many.notes)


def test_a_calibrated_model_of_parts_lies_in_the_null_band_of_parts():
    """All photos of a part are right or wrong together, as often as the model says."""
    generator, inside, rounds = np.random.default_rng(1), np.zeros(2), 30
    groups = np.arange(120) // 6
    for seed in range(rounds):
        sure = np.repeat(generator.uniform(0.5, 1, 20), 6)
        right = np.repeat(generator.random(20), 6) < sure
        scores = np.column_stack([sure, 1 - sure])
        for k, known in enumerate((groups, None)):
            found = evaluate_scores((~right).astype(int), scores, names(2), groups=known, seed=seed)
            inside[k] += found.calibration_error.value <= found.calibration_null.high
    assert inside[0] / rounds > 0.85 > 0.5 > inside[1] / rounds


def test_groups_that_hold_one_class_each_leave_no_class_undefined():
    labels, scores = drawn(90, 3, seed=4)
    order = np.argsort(labels, kind="stable")
    found = evaluate_scores(labels[order], scores[order], names(3), groups=np.arange(90) // 5)
    estimates = [found.accuracy, found.balanced_accuracy, found.auc, found.average_precision]
    estimates += [found.log_loss, found.calibration_error, *(c.f1 for c in found.classes)]
    assert all(e.low <= e.value <= e.high for e in estimates)
    assert "Intervals are from whole groups, 18 in all." in found.notes
