"""Do the bounds hold for photos to come? Simulated, with scores of several shapes."""

import numpy as np
import pytest

from kerasrecipes.errors import DataError
from kerasrecipes.evaluation.operating.conformal import abstain_band
from kerasrecipes.evaluation.operating.thresholds import (
    AlarmScores,
    point_for_costs,
    point_for_false_rejects,
    point_for_recall,
    stated_recall,
)

NAMES = ("good", "crack", "dent")
DRAWS = 1000


def draw(rng, n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores for defects and good ones that overlap."""
    return np.sort(rng.beta(4, 2, n)), np.sort(rng.beta(2, 5, m))


@pytest.mark.parametrize("n", [20, 50, 200])
def test_recall_is_what_was_promised_in_as_many_draws_as_promised(n):
    rng, wish = np.random.default_rng(n), 0.85
    truth = np.sort(rng.beta(4, 2, 200_000))
    held = []
    for _ in range(DRAWS):
        found = point_for_recall(AlarmScores(("crack",), *draw(rng, n, 60)), wish)
        assert found.met == (n >= 19)  # 0.85 ** 19 < 0.05 < 0.85 ** 18
        recall = 1 - np.searchsorted(truth, found.threshold) / len(truth)
        held.append(recall >= wish)
    assert np.mean(held) >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / DRAWS)
    if n == 200:  # and not by alarming about everything
        assert np.mean(held) < 0.99 and found.false_rejects.value < 0.6


@pytest.mark.parametrize("n", [20, 50, 200])
def test_the_recall_of_a_test_lies_where_it_was_said_to_lie(n):
    rng, held, to_come = np.random.default_rng(n), [], 100
    for _ in range(DRAWS):
        found = point_for_recall(AlarmScores(("crack",), *draw(rng, n, 60)), 0.85)
        low, high = stated_recall(round(found.recall.value * n), n, to_come)
        held.append(low <= np.mean(rng.beta(4, 2, to_come) >= found.threshold) <= high)
    assert np.mean(held) >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / DRAWS)
    assert high - low < (0.35 if n == 20 else 0.25)


def test_too_few_defects_show_what_they_can():
    rng = np.random.default_rng(0)
    found = point_for_recall(AlarmScores(("crack",), *draw(rng, 42, 100)), 0.98)
    assert not found.met and found.recall.value == 1.0
    assert found.least_recall == pytest.approx(0.05 ** (1 / 42))  # 0.931
    assert "NOT SHOWN: a recall of 0.98" in str(found)
    assert point_for_recall(AlarmScores(("crack",), *draw(rng, 42, 100)), 0.93).met


@pytest.mark.parametrize("m", [60, 200])
def test_false_rejects_are_as_few_as_promised(m):
    rng, wish = np.random.default_rng(m), 0.08
    truth = np.sort(rng.beta(2, 5, 200_000))
    held = []
    for _ in range(DRAWS):
        found = point_for_false_rejects(AlarmScores(("crack",), *draw(rng, 30, m)), wish)
        assert found.met
        held.append(1 - np.searchsorted(truth, found.threshold) / len(truth) <= wish)
    assert np.mean(held) >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / DRAWS)
    assert found.recall.value > 0.3


def test_costs_decide_between_misses_and_false_rejects():
    rng = np.random.default_rng(1)
    scores = AlarmScores(("crack",), *draw(rng, 400, 400))
    dear, cheap = (
        point_for_costs(scores, {"miss": miss, "false_reject": 1}) for miss in (50, 0.02)
    )
    assert dear.threshold < cheap.threshold and dear.recall.value > 0.97
    levels = np.linspace(0, 1, 400)
    cost = [50 * np.sum(scores.positive < t) + np.sum(scores.negative >= t) for t in levels]
    mine = 50 * np.sum(scores.positive < dear.threshold)
    assert mine + np.sum(scores.negative >= dear.threshold) <= min(cost)
    rare = point_for_costs(scores, {"miss": 50, "false_reject": 1}, share=0.001)
    assert rare.threshold > dear.threshold


@pytest.mark.parametrize("n", [20, 80, 500])
def test_bounds_hold_although_the_cheapest_threshold_was_looked_for(n):
    """Those of a threshold that is given held in 86 to 96 % of such draws."""
    rng, held = np.random.default_rng(n), []
    truth, others = draw(rng, 200_000, 200_000)
    for _ in range(DRAWS // 2):
        found = point_for_costs(
            AlarmScores(("crack",), *draw(rng, n, 2 * n)), {"miss": 10, "false_reject": 1}
        )
        recall = 1 - np.searchsorted(truth, found.threshold) / len(truth)
        rejects = 1 - np.searchsorted(others, found.threshold) / len(others)
        held.append((found.least_recall <= recall, rejects <= found.most_false_rejects))
    assert (np.mean(held, axis=0) >= 0.95).all()
    assert found.recall.value - found.least_recall < (0.35 if n == 20 else 0.15)


def test_scores_of_several_classes_add_up_and_a_part_is_as_good_as_its_worst_photo():
    scores = np.array([[0.7, 0.2, 0.1], [0.1, 0.5, 0.4], [0.6, 0.1, 0.3], [0.9, 0.0, 0.1]])
    targets = np.array([0, 1, 2, 0])
    whole = AlarmScores.of(scores, targets, NAMES, ("dent", "crack"))
    assert whole.alarm == ("crack", "dent") and whole.item == "photos"
    assert whole.positive == pytest.approx([0.4, 0.9]) and whole.negative == pytest.approx(
        [0.1, 0.3]
    )
    parts = AlarmScores.of(scores, targets, NAMES, ("crack", "dent"), ["a", "b", "b", "a"])
    assert parts.item == "groups"
    assert parts.positive == pytest.approx([0.4]) and parts.negative == pytest.approx([0.3])
    some = AlarmScores.of(scores, targets, NAMES, ("crack", "dent"), ["a", None, None, "a"])
    assert some.item == "groups" and len(some.positive) == 2 and len(some.negative) == 1


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda s: point_for_recall(s, 1.2), "`min_recall` must be between"),
        (lambda s: point_for_recall(s, 0.9, confidence=0), "`confidence` must be between"),
        (lambda s: point_for_false_rejects(s, 0), "`max_false_rejects` must be between"),
        (lambda s: point_for_costs(s, {"miss": 1}), "`costs` must give"),
        (lambda s: point_for_costs(s, {"miss": 1, "false_reject": -1}), "`costs` must give"),
    ],
)
def test_wishes_that_make_no_sense_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(AlarmScores(("crack",), np.array([0.5]), np.array([0.1])))


def test_scores_that_cannot_decide_are_refused():
    scores, targets = np.eye(3), np.arange(3)
    with pytest.raises(ValueError, match="`alarm` must name some"):
        AlarmScores.of(scores, targets, NAMES, NAMES)
    with pytest.raises(ValueError, match="There is no class 'crak'|crak"):
        AlarmScores.of(scores, targets, NAMES, ["crak"])
    with pytest.raises(DataError, match="there are 0 and 3"):
        AlarmScores.of(scores, np.zeros(3, int), NAMES, ["crack"])
    with pytest.raises(DataError, match="NaN"):
        AlarmScores.of(scores * np.nan, targets, NAMES, ["crack"])


def probabilities(rng, n: int) -> tuple[np.ndarray, np.ndarray]:
    targets = rng.choice(3, n, p=[0.7, 0.2, 0.1])
    logits = rng.normal(0, 1, (n, 3)) + 1.5 * np.eye(3)[targets] + np.log([0.7, 0.2, 0.1])
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), targets


@pytest.mark.parametrize("n", [20, 50, 200])
@pytest.mark.parametrize("per_class", [False, True])
def test_the_right_class_stays_open_as_often_as_promised(n, per_class):
    rng = np.random.default_rng(7)
    fresh, right = probabilities(rng, 2000)
    shares, rare = [], []
    for _ in range(DRAWS):
        band = abstain_band(*probabilities(rng, n), 0.9, per_class=per_class)
        kept = band.open_classes(fresh)[np.arange(2000), right]
        shares.append(kept.mean())
        rare.append(kept[right == 2].mean())
    assert np.mean(shares) >= 0.9 - 0.015  # one set of fresh photos is off by as much
    if per_class:
        assert np.mean(rare) >= 0.9 - 0.05
    elif n == 200:
        assert np.mean(shares) <= 0.92
        assert np.mean(rare) < 0.85  # why somebody would ask for each class
        assert 0.1 < (band.decide(fresh) < 0).mean() < 0.7


@pytest.mark.parametrize("n", [50, 200])
def test_a_threshold_of_one_class_among_several_holds_as_promised(n):
    rng, wish = np.random.default_rng(n), 0.7
    fresh, right = probabilities(rng, 4000)
    held: dict[int, list[bool]] = {0: [], 1: []}
    for _ in range(DRAWS):
        scores, targets = probabilities(rng, n)
        for k in held:
            of_class = AlarmScores.split(scores[:, k], targets == k, (NAMES[k],))
            point = point_for_recall(of_class, wish)
            if point.met:
                held[k].append(np.mean(fresh[right == k, k] >= point.threshold) >= wish)
    for found in held.values():
        assert np.mean(found) >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / len(found)) - 0.01


def test_photos_of_one_part_count_once():
    rng = np.random.default_rng(3)
    scores, targets = probabilities(rng, 40)
    groups = [f"part {i // 4}" for i in range(40)]
    assert abstain_band(scores, targets, 0.9, groups=groups).photos == 10
    assert abstain_band(scores, targets, 0.9, groups=[None] * 40).photos == 40
    # Ten parts exclude nothing with 0.95.
    assert not any(abstain_band(scores, targets, 0.95, groups=groups).least)
