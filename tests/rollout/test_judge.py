"""What takes a candidate back: soon if it is worse, and rarely if it is not."""

import math

import numpy as np
import pytest

from kerasrecipes.rollout.betting import Bet, log_capital, mean_interval
from kerasrecipes.rollout.judge import CANDIDATE, CHAMPION, Evidence, Judge, Seen
from kerasrecipes.rollout.policy import RolloutPolicy

NAMES = ("a", "b", "c")


def said(label, **more):
    return Seen(labels=(label,), **more)


@pytest.mark.parametrize("most, true, rises", [(0.1, 0.1, False), (0.1, 0.3, True)])
def test_capital_rises_only_where_the_mean_is_above(most, true, rises):
    bet, rng = Bet(0, 1, most), np.random.default_rng(0)
    paths = log_capital(bet.logs(rng.random((400, 300)) < true).cumsum(axis=1))
    ever = (paths.max(axis=1) >= math.log(20)).mean()
    needed = bet.needed([0, 1], [1 - true, true], math.log(20))
    if rises:
        in_time = (paths[:, :needed].max(axis=1) >= math.log(20)).mean()
        assert needed < 150 and in_time >= 0.93
    else:
        assert ever <= 0.05 and needed is None


def test_an_interval_covers_at_every_moment():
    rng, bet, missed = np.random.default_rng(1), Bet(-1, 1, 0), 0
    for _ in range(40):
        means = rng.choice([-1, 0, 1], 400, p=[0.2, 0.5, 0.3]).cumsum() / np.arange(1, 401)
        bounds = [mean_interval(bet, mean, k + 1, 0.05) for k, mean in enumerate(means)]
        missed += any(not low <= 0.1 <= high for low, high in bounds)
    assert missed <= 4 and bounds[-1][1] - bounds[-1][0] < 0.5
    assert mean_interval(bet, 0, 0, 0.05) == (-1, 1)


def test_a_bet_needs_something_to_win():
    with pytest.raises(ValueError, match="`most` must be at least `low`, 0, and below `high`, 1"):
        Bet(0, 1, 1)
    # With nothing below the limit, two above it are enough.
    assert log_capital(Bet(0, 1, 0).logs([1.0, 1.0]).sum(0)) > 5


def rolled_back(draw, most=400, **policy):
    """Return after how many answers a candidate is taken back, and why."""
    judge = Judge(RolloutPolicy(**policy), NAMES)
    for k in range(most):
        draw(judge)
        if k % 10 == 9:
            judge.settle()
            if (reason := judge.reason()) is not None:
                return k + 1, reason
    return None, ""


def pairs(rng, wrong=0.0, fails=0.0):
    def draw(judge):
        other = "b" if rng.random() < wrong else "a"
        candidate = Seen(failed=True) if rng.random() < fails else said(other)
        judge.pair(said("a"), candidate)

    return draw


def test_pairs_that_differ_or_fail_take_back():
    rng = np.random.default_rng(2)
    found = [rolled_back(pairs(rng, wrong=0.35)) for _ in range(5)]
    assert all(when and when <= 150 and why.startswith("disagreement") for when, why in found)
    when, why = rolled_back(pairs(rng, fails=0.3))
    assert when <= 100 and why.startswith("errors: more answers fail, a share of 0.")
    quiet = [rolled_back(pairs(rng, wrong=0.05, fails=0.005))[0] for _ in range(8)]
    assert quiet.count(None) >= 7


def test_without_pairs_neighbours_in_time_are_compared():
    rng = np.random.default_rng(3)

    def draw(judge, slow=1.0, label="a", fails=0.0):
        for _ in range(3):
            judge.answered(CHAMPION, said("a", ms=rng.lognormal(1, 0.2)))
        if rng.random() < fails:
            judge.answered(CANDIDATE, Seen(failed=True))
        else:
            judge.answered(CANDIDATE, said(label, ms=slow * rng.lognormal(1, 0.2)))

    alone = {"shadow_percent": 0, "percent": 25}
    assert rolled_back(draw, **alone) == (None, "")
    for name, how in [
        ("latency", {"slow": 3}), ("answers", {"label": "b"}), ("errors", {"fails": 0.4}),
    ]:  # fmt: skip
        when, why = rolled_back(lambda judge, how=how: draw(judge, **how), **alone)
        assert when <= 120 and why.startswith(name)


def test_callers_decide_by_what_they_report():
    rng = np.random.default_rng(4)

    def sold(candidate):
        def draw(judge):
            for _ in range(4):
                judge.outcome(CHAMPION, float(rng.random() < 0.5))
            judge.outcome(CANDIDATE, float(rng.random() < candidate))

        return draw

    asked = {"outcome_range": (0, 1), "max_lower_outcome": 0.05}
    when, why = rolled_back(sold(0.2), **asked)
    assert when <= 250 and why.startswith("outcome: what callers report is lower by 0.")
    judge = Judge(RolloutPolicy(**asked), NAMES)
    for _ in range(300):
        sold(0.8)(judge)
    judge.settle()
    better = {one.name: one for one in judge.standings()}["better outcome"]
    assert better.evidence == 1 and judge.reason() is None and better.low > 0


def test_numbers_are_compared_by_how_far_they_are_apart():
    judge = Judge(RolloutPolicy(max_number_apart=0.5), ())
    assert judge.pair(Seen(number=1.0), Seen(number=1.4))
    assert not judge.pair(Seen(number=1.0), Seen(number=1.6))
    assert judge.pair(Seen(failed=True), Seen(failed=True))
    assert "answers" not in judge.known


def test_two_judges_know_together_what_one_would():
    one, two, both = (Judge(RolloutPolicy(), NAMES) for _ in range(3))
    rng = np.random.default_rng(5)
    for k in range(60):
        pair = said("a"), said("b" if rng.random() < 0.3 else "a")
        (one if k % 2 else two).pair(*pair)
        both.pair(*pair)
    both.settle()
    total = {name: Evidence.none(len(each.total)) for name, each in both.known.items()}
    for judge in (one, two):
        for name, each in judge.settle().items():
            total[name].add(each)
    assert total["disagreement"].count == 60
    assert total["disagreement"].log == pytest.approx(both.known["disagreement"].log)


@pytest.mark.parametrize(
    "values, said",
    [
        ({"percent": 0, "shadow_percent": 0}, "so nothing would be tried"),
        ({"max_lower_outcome": 0.1}, "has no effect without `outcome_range`"),
        ({"outcome_range": (1, 0)}, "must go up, by more than `max_lower_outcome`"),
        ({"outcome_range": (0, 1), "percent": 100}, "needs callers of both versions"),
        ({"header": "a b"}, "`header`"),
        ({"max_slower": 0.5}, "`max_slower`"),
    ],
)
def test_policies_that_cannot_be(values, said):
    with pytest.raises(ValueError, match=said):
        RolloutPolicy.of(values)
