import numpy as np
import pytest

from kerasrecipes.losses.class_weights import effective_number_weights
from kerasrecipes.losses.costs import cheapest_decisions, checked_costs, cost_matrix

CRACKS = [[0, 50], [1, 0]]  # a missed crack costs 50 false alarms


def test_costs_by_name():
    found = cost_matrix(["a", "b", "c"], {"a": {"b": 5}, "c": {"a": 0}}, default=2)
    np.testing.assert_array_equal(found, [[0, 5, 2], [2, 0, 2], [0, 2, 0]])


def test_the_threshold_is_that_of_the_costs():
    """A crack is called one from a probability of 1/51 on."""
    p = np.array([1 / 51 - 1e-6, 1 / 51 + 1e-6])
    decisions, expected = cheapest_decisions(np.stack([p, 1 - p], axis=1), CRACKS)
    assert decisions.tolist() == [1, 0]
    np.testing.assert_allclose(expected, [50 * p[0], 1 - p[1]])


def test_equal_costs_decide_for_the_likeliest():
    scores = np.random.default_rng(0).dirichlet(np.ones(4), 50)
    decisions, expected = cheapest_decisions(scores, 1 - np.eye(4))
    np.testing.assert_array_equal(decisions, scores.argmax(axis=1))
    np.testing.assert_allclose(expected, 1 - scores.max(axis=1))


def test_no_other_decision_costs_less():
    rng = np.random.default_rng(0)
    costs = rng.uniform(0, 9, (4, 4)) * (1 - np.eye(4))
    truth = rng.integers(4, size=20_000)
    scores = rng.dirichlet(np.ones(4), 20_000)
    truth = (scores.cumsum(axis=1) > rng.uniform(size=(20_000, 1))).argmax(axis=1)
    decisions, expected = cheapest_decisions(scores, costs)
    paid = costs[truth, decisions].mean()
    assert paid == pytest.approx(expected.mean(), rel=0.05)
    assert paid < 0.95 * costs[truth, scores.argmax(axis=1)].mean()


@pytest.mark.parametrize(
    ("costs", "complaint"),
    [
        ([[0, 1, 2], [1, 0, 1]], "one row for each true class and one column"),
        ([[0, 1], [1]], "one row for each true class"),
        ("costly", "one row for each true class"),
        ([[0, -1], [1, 0]], "`costs` must be finite and at least 0"),
        ([[0, np.inf], [1, 0]], "`costs` must be finite"),
        ([[1, 0], [0, 1]], "charges more for the right decision than for another in row '0', '1'"),
        (np.zeros((2, 2)), "`costs` has no effect"),
    ],
)
def test_costs_that_make_no_sense(costs, complaint):
    with pytest.raises(ValueError, match=complaint):
        checked_costs(costs)


def test_unknown_class_in_costs():
    with pytest.raises(ValueError, match="Unknown class 'crak'. Did you mean 'crack'"):
        cost_matrix(["crack", "ok"], {"crak": {"ok": 50}})


def test_scores_that_are_no_probabilities():
    with pytest.raises(ValueError, match="`scores` must be probabilities"):
        cheapest_decisions([[3.0, 1.0]], CRACKS)
    with pytest.raises(ValueError, match="`scores` must be probabilities"):
        cheapest_decisions([[np.nan, 1.0]], CRACKS)
    with pytest.raises(ValueError, match=r"shape \(photos, 2\).*Received shape: \(1, 3\)"):
        cheapest_decisions([[0.5, 0.25, 0.25]], CRACKS)


def test_effective_numbers_by_hand():
    counts = np.array([100, 3])
    raw = (1 - 0.9) / (1 - 0.9**counts)
    found = effective_number_weights(counts, beta=0.9)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, raw * 103 / (raw * counts).sum(), rtol=1e-6)


def test_effective_numbers_in_their_limits():
    counts = np.array([5000, 100, 7])
    np.testing.assert_array_equal(effective_number_weights(counts, 0), [1, 1, 1])
    inverse = counts.sum() / (3 * counts)
    np.testing.assert_allclose(effective_number_weights(counts, 1 - 1e-9), inverse, rtol=1e-4)


@pytest.mark.parametrize("beta", [0, 0.9, 0.999, 0.99999])
def test_weights_are_1_in_the_mean_and_larger_for_rarer_classes(beta):
    counts = np.array([5000, 100, 7])
    weights = effective_number_weights(counts, beta)
    assert (weights * counts).sum() == pytest.approx(counts.sum(), rel=1e-5)
    assert (np.diff(weights) >= 0).all()


def test_numbers_out_of_range():
    with pytest.raises(ValueError, match="`beta` must be below 1, not 1. For inverse"):
        effective_number_weights([5, 5], beta=1)
    with pytest.raises(ValueError, match="`beta` must be a number at least 0"):
        effective_number_weights([5, 5], beta=-0.1)
    with pytest.raises(ValueError, match="`class_counts`"):
        effective_number_weights([5, 0])
