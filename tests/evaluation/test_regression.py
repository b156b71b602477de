"""A number per example: numbers against numpy, scipy and scikit-learn, edges, refusals."""

import math

import numpy as np
import pytest
import sklearn.metrics as reference
from scipy.stats import spearmanr

from kerasrecipes.errors import DataError
from kerasrecipes.evaluation.regression import evaluate_numbers


def drawn(n=300, seed=0):
    rng = np.random.default_rng(seed)
    targets = rng.gamma(3, 2, n)
    return targets, targets + rng.normal(0.3, 1.0, n)


def test_it_agrees_with_sklearn_and_scipy():
    targets, answers = drawn()
    found = evaluate_numbers(targets, answers)
    size = np.abs(answers - targets)
    expected = {
        "mean_absolute_error": reference.mean_absolute_error(targets, answers),
        "baseline": np.abs(targets - targets.mean()).mean(),
        "root_mean_squared_error": reference.root_mean_squared_error(targets, answers),
        "median_absolute_error": reference.median_absolute_error(targets, answers),
        "absolute_error_90": np.quantile(size, 0.9),
        "bias": (answers - targets).mean(),
        "r_squared": reference.r2_score(targets, answers),
        "rank_correlation": spearmanr(targets, answers).statistic,
    }
    for name, value in expected.items():
        assert getattr(found, name).value == pytest.approx(value), name
    assert len(expected) == 8


def test_a_case_by_hand():
    found = evaluate_numbers([1.0, 2.0, 3.0, 6.0], [2.0, 2.0, 1.0, 7.0])
    assert found.mean_absolute_error.value == 1.0
    assert found.baseline.value == 1.5  # their mean is 3
    assert found.root_mean_squared_error.value == pytest.approx(math.sqrt(6 / 4))
    assert found.median_absolute_error.value == 1.0
    assert found.absolute_error_90.value == pytest.approx(1.7)
    assert found.bias.value == 0.0
    assert found.r_squared.value == pytest.approx(1 - 6 / 14)
    # Ranks 1 2 3 4 and 2.5 2.5 1 4.
    assert found.rank_correlation.value == pytest.approx(spearmanr([1, 2, 3, 4], [2, 2, 1, 7])[0])


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng, rounds = np.random.default_rng(0), 200
    truths = {
        "mean_absolute_error": math.sqrt(2 / math.pi),
        "root_mean_squared_error": 1.0,
        "median_absolute_error": 0.6745,
        "bias": 0.0,
        "r_squared": 0.8,
    }
    covered = dict.fromkeys(truths, 0)
    for _ in range(rounds):
        targets = rng.normal(0, math.sqrt(5), 100)
        found = evaluate_numbers(targets, targets + rng.normal(size=100))
        for name, truth in truths.items():
            covered[name] += getattr(found, name).low <= truth <= getattr(found, name).high
    assert all(0.87 <= count / rounds <= 0.995 for count in covered.values()), covered


def test_order_does_not_matter():
    targets, answers = drawn()
    mixed = np.random.default_rng(1).permutation(len(targets))
    first, second = evaluate_numbers(*drawn()), evaluate_numbers(targets[mixed], answers[mixed])
    for name in ("mean_absolute_error", "r_squared", "rank_correlation", "absolute_error_90"):
        assert getattr(second, name).value == pytest.approx(getattr(first, name).value)


def test_a_shift_of_both_changes_nothing():
    targets, answers = drawn()
    first = evaluate_numbers(targets, answers)
    second = evaluate_numbers(targets + 1e6, answers + 1e6)
    assert second.r_squared.to_list() == pytest.approx(first.r_squared.to_list(), abs=1e-6)


def test_one_example_has_no_intervals():
    found = evaluate_numbers([2.0], [3.0])
    assert found.mean_absolute_error.value == 1 and math.isnan(found.mean_absolute_error.low)
    assert found.baseline.value == 0 and math.isnan(found.r_squared.value)
    assert str(found).startswith("off by 1.00 on average")


def test_equal_targets_or_answers_leave_what_is_relative_undefined():
    rng = np.random.default_rng(0)
    found = evaluate_numbers(np.full(40, 0.1), rng.normal(size=40))
    assert math.isnan(found.r_squared.value) and math.isnan(found.rank_correlation.value)
    assert found.baseline.value == 0 and found.mean_absolute_error.low > 0
    assert "All targets are equal, so R² and the rank correlation are undefined." in found.notes
    found = evaluate_numbers(rng.normal(size=40), np.full(40, 0.1))
    assert found.r_squared.value <= 0 and math.isnan(found.rank_correlation.value)
    assert "All answers are equal, so the rank correlation is undefined." in found.notes


def test_resamples_of_one_target_only_have_no_r_squared():
    targets = np.array([0.1] + [0.3] * 99)
    found = evaluate_numbers(targets, targets + np.linspace(-1, 1, 100))
    assert found.r_squared.value < 0 and math.isfinite(found.r_squared.low)


def test_a_model_that_is_no_better_than_the_mean_is_told_so():
    rng = np.random.default_rng(0)
    notes = evaluate_numbers(rng.normal(size=90), 0.1 * rng.normal(size=90)).notes
    assert notes == ("It is not shown that this is better than always answering the mean.",)
    assert evaluate_numbers(*drawn()).notes == ()


@pytest.mark.parametrize(
    ("scale", "written"), [(1.0, "0.767 (0.701–0.838)"), (1000.0, "767 ("), (1e-4, "0.0000767 (")]
)
def test_numbers_are_written_to_their_own_size(scale, written):
    targets, answers = drawn()
    found = evaluate_numbers(scale * targets, scale * answers, unit="mm")
    first = str(found).splitlines()[0]
    assert first.startswith(f"off by {written}") and first.count(" mm") == 2
    assert found.tables()[0].rows[5][1].endswith(") mm")


def test_perfect_answers():
    targets, _ = drawn()
    found = evaluate_numbers(targets, targets)
    assert found.mean_absolute_error.value == 0 and found.r_squared.value == 1
    assert "off by 0.0" in str(found)


@pytest.mark.parametrize(
    ("targets", "answers", "message"),
    [
        ([1.0, 2.0], [1.0, np.nan], r"`answers` must be finite.*1 of 2 examples, first in row 1"),
        ([np.inf, 2.0], [1.0, 2.0], r"`targets` must be finite.*row 0"),
        ([1.0, 2.0], [[1.0], [2.0]], r"`answers` must be one-dimensional.*\(2, 1\)"),
        ([1.0, 2.0], [1.0], r"`answers` must have one row per target. Received: 1 rows for 2 tar"),
        (["a"], [1.0], r"`targets` must be numbers. Received: could not convert"),
        ([], [], "There are no examples to evaluate"),
    ],
)
def test_what_is_no_result_is_refused(targets, answers, message):
    with pytest.raises(DataError, match=message):
        evaluate_numbers(targets, answers)
