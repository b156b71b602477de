"""Answers by cost, answers that are left to a person, and what either is worth."""

import numpy as np
import pytest

from kerasrecipes.data.specs import AbstainBand, CostRule, OutputSpec
from kerasrecipes.errors import DataError
from kerasrecipes.evaluation.operating.costs import calibrated, cost_rule, read_costs
from kerasrecipes.evaluation.operating.decisions import judge_decisions
from kerasrecipes.losses.costs import cheapest_decisions

NAMES = ("good", "crack", "dent")
COSTS = [[0, 1, 1], [50, 0, 5], [20, 5, 0]]
OUTPUT = OutputSpec(name="scores", task="classification", class_names=NAMES)


def draw(rng, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that are honest, and the classes that they tell of."""
    scores = rng.dirichlet((2.0, 0.6, 0.6), n)
    return scores, (rng.random(n)[:, None] > scores.cumsum(axis=1)).sum(axis=1)


def test_costs_decide_as_the_expected_cost_says_and_a_person_is_an_answer():
    scores, _ = draw(np.random.default_rng(0), 300)
    rule = cost_rule(COSTS, 3)
    assert np.array_equal(rule.decide(scores), cheapest_decisions(scores, COSTS)[0])
    with_person = cost_rule(np.column_stack([COSTS, [2, 2, 2]]), 3)
    said = with_person.decide(scores)
    cheapest = (scores @ np.array(COSTS)).min(axis=1)
    assert np.array_equal(said < 0, cheapest > 2) and 0 < np.mean(said < 0) < 1
    assert np.array_equal(with_person.paid(np.zeros(300, int), said)[said < 0], [2] * sum(said < 0))


@pytest.mark.parametrize("n", [20, 50, 200])
def test_the_interval_of_the_cost_covers_what_photos_to_come_cost(n):
    rng, rule = np.random.default_rng(n), cost_rule([[0, 1, 1], [3, 0, 1], [3, 1, 0]], 3)
    output = OUTPUT.model_copy(update={"costs": rule})
    fresh, right = draw(rng, 20_000)
    truth = judge_decisions(output, right, fresh).cost.difference
    held, draws = [], 150
    for _ in range(draws):
        scores, targets = draw(rng, n)
        found = judge_decisions(output, targets, scores).cost
        held.append(found.low <= truth <= found.high)
    # A bootstrap of so few rows is a little too narrow.
    slack = {20: 0.06, 50: 0.03, 200: 0.015}[n]
    assert np.mean(held) >= 0.95 - slack - 3 * np.sqrt(0.05 * 0.95 / draws)
    assert truth < 0  # honest probabilities: the rule costs less than the top class


def test_scores_that_are_too_sure_are_made_honest_before_they_decide():
    scores, targets = draw(np.random.default_rng(1), 1000)
    too_sure = scores**3 / (scores**3).sum(axis=1, keepdims=True)
    rule = calibrated(cost_rule(COSTS, 3), too_sure, targets)
    assert rule.temperature == pytest.approx(3, rel=0.15)
    same = rule.decide(too_sure) == cost_rule(COSTS, 3).decide(scores)
    assert np.mean(same) > 0.98
    assert calibrated(cost_rule(COSTS, 3), too_sure[:50], targets[:50]).temperature == 1.0


def test_what_is_left_to_a_person_is_counted_by_class_and_group():
    scores = np.array([[0.9, 0.05, 0.05], [0.5, 0.45, 0.05], [0.1, 0.8, 0.1], [0.6, 0.2, 0.2]])
    band = AbstainBand(least=(0.4, 0.4, 0.4), coverage=0.75)
    assert band.decide(scores).tolist() == [0, -1, 1, 0]
    output = OUTPUT.model_copy(update={"abstain": band})
    found = judge_decisions(output, np.array([0, 1, 1, 2]), scores)
    assert found.abstained.value == 0.25 and found.accuracy.value == pytest.approx(2 / 3)
    assert found.wrong.value == 0.25 and found.top_accuracy.value == 0.5
    assert found.kept_open.value == 0.75 and "promised: 75.0%" in str(found)
    crack = found.classes[1]
    assert (crack.photos, crack.abstained.value, crack.accuracy.value) == (2, 0.5, 1.0)
    grouped = judge_decisions(output, np.array([0, 1, 1, 2]), scores, np.array([0, 0, 1, 1]))
    assert grouped.groups == 2 and grouped.abstained.high > found.abstained.high
    assert judge_decisions(OUTPUT, np.array([0]), scores[:1]) is None


def test_a_table_of_costs_is_read_by_its_names(tmp_path):
    table = tmp_path / "costs.csv"
    table.write_text("true;dent;good;abstain;crack\ncrack;5;50;2;0\ngood;1;0;2;1\ndent;0;20;3;5\n")
    rule = read_costs(table, NAMES)
    assert np.array_equal(np.array(rule.costs), COSTS) and rule.abstain == (2, 2, 3)
    assert CostRule.model_validate(rule.model_dump(mode="json")) == rule


@pytest.mark.parametrize(
    "text, message",
    [
        ("true,good,crack,dent", "has no rows. Add one row per class"),
        ("true,good,crack\ngood,0,1\ncrack,9,0", "has no columns of 'dent'"),
        ("true,good,crack,dent\ngood,0,1,1\ncrack,9,0,1", "has no rows of 'dent'"),
        ("true,good,crak,dent\ngood,0,1,1", "Unknown class 'crak'. Did you mean 'crack'"),
        ("t,good,crack,dent\ngood,0,1,1\ncrack,x,0,1\ndent,1,1,0", "row 3, column 'good'"),
        ("t,good,crack,dent\ngood,0,1,1\ncrack,-2,0,1\ndent,1,1,0", "number of at least 0"),
        ("t,good,crack,dent\ngood,0,1,1\ngood,0,1,1\ncrack,1,0,1\ndent,1,1,0", "twice"),
    ],
)
def test_a_table_that_is_none_of_costs_says_where(tmp_path, text, message):
    (tmp_path / "costs.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_costs(tmp_path / "costs.csv", NAMES)


def test_costs_that_make_no_sense_are_refused(tmp_path):
    with pytest.raises(ValueError, match="one row for each of the 3 classes"):
        cost_rule(np.eye(2), 3)
    with pytest.raises(ValueError, match="more for the right decision"):
        cost_rule(np.eye(3), 3)
    with pytest.raises(ValueError, match="at least 0"):
        cost_rule(np.column_stack([COSTS, [2, -2, 2]]), 3)
    (tmp_path / "costs.csv").write_text("t,good\ngood,0")
    with pytest.raises(DataError, match="A class is called 'abstain'"):
        read_costs(tmp_path / "costs.csv", ("good", "abstain"))
