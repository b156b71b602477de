"""Suspects are found where they were hidden, and nowhere else."""

import json

import numpy as np
import pytest

from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.errors import DataError
from kerasrecipes.evaluation import (
    Suspect,
    conflicting_copies,
    find_outliers,
    likely_label_errors,
    nearest_examples,
)
from kerasrecipes.evaluation.mistakes.confident import confident_mistakes
from kerasrecipes.heads import get_task


def honest_scores(labels, shares, apart, seed=0):
    """What a perfect model says of points around the corners of a simplex."""
    rng = np.random.default_rng(seed)
    corners = apart * np.eye(len(shares))
    points = corners[labels] + rng.normal(0, 1, (len(labels), len(shares)))
    odds = shares * np.exp(points @ corners.T)
    return odds / odds.sum(axis=1, keepdims=True)


def test_flipped_labels_are_found_although_classes_are_rare_and_scores_timid():
    rng = np.random.default_rng(1)
    shares = np.array([0.8, 0.15, 0.05])
    truth = rng.choice(3, 1000, p=shares)
    scores = honest_scores(truth, shares, 3) * 0.88 + 0.04  # they learned from wrong labels
    flipped = rng.permutation(1000)[:80]
    labels = truth.copy()
    labels[flipped] = (truth[flipped] + rng.integers(1, 3, 80)) % 3
    found = likely_label_errors(labels, scores, ["a", "b", "c"])
    rows = [one.index for one in found]
    hits = set(rows) & set(flipped.tolist())
    assert len(hits) / len(rows) > 0.75 and len(hits) / 80 > 0.6
    assert {"abc".index(one.suggestion) == truth[one.index] for one in found if one.index in hits}
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    # The naive rule, disagreement with the top class, calls far more of the rare ones wrong.
    naive = np.flatnonzero(scores.argmax(axis=1) != labels)
    assert len(set(naive) & set(flipped.tolist())) / len(naive) < len(hits) / len(rows)


def test_scores_without_information_accuse_nobody():
    labels = np.arange(60) % 3
    assert likely_label_errors(labels, np.full((60, 3), 1 / 3), list("abc")) == []
    assert likely_label_errors(np.zeros(9, int), np.eye(3)[np.zeros(9, int)], list("abc")) == []
    assert likely_label_errors(np.arange(9.0), np.arange(9.0), target="number") == []


def test_one_wrong_label_among_several_is_named():
    rng = np.random.default_rng(2)
    truth = rng.random((400, 3)) < [0.5, 0.3, 0.1]
    scores = np.clip(np.where(truth, 0.9, 0.08) + rng.normal(0, 0.05, truth.shape), 0, 1)
    labels = truth.astype(float)
    labels[5, 1] = 1 - labels[5, 1]
    labels[9, 2] = 1 - labels[9, 2]
    found = likely_label_errors(labels, scores, ["dent", "rust", "crack"], target="labels")
    assert {one.index for one in found[:2]} == {5, 9}
    assert "rust with" in next(one for one in found if one.index == 5).reason
    named = [name for name, has in zip(["dent", "rust", "crack"], truth[5], strict=True) if has]
    assert next(one for one in found if one.index == 5).suggestion == (
        ", ".join(named) or "no label"
    )


def test_numbers_that_are_far_off_are_found_whatever_the_unit():
    rng = np.random.default_rng(3)
    truth = rng.normal(0, 30, 500)
    said = truth + rng.normal(0, 1, 500) + 7  # an offset of all is no error of a label
    labels = truth.copy()
    labels[[3, 44]] += [20, -15]
    for scale in (1, 1e-6, 1e6):
        found = likely_label_errors(labels * scale, said * scale, target="number", unit="mm")
        assert [one.index for one in found] == [3, 44]
        assert found[0].label.endswith(" mm") and 0 < found[1].score < found[0].score < 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, -1], [[0.5, 0.5]] * 2, "ab"), "between 0 and 1"),
        (([0, 1], [[np.nan, 1]] * 2, "ab"), "must be finite"),
        (([0, 1, 1], [[0.5, 0.5]] * 2, "ab"), "one row per label"),
        (([0, 1], [[0.5, 0.6]] * 2, "ab"), "each row adding up to 1"),
    ],
)
def test_what_cannot_be_judged_is_refused(arguments, message):
    with pytest.raises(DataError, match=message):
        likely_label_errors(np.array(arguments[0]), np.array(arguments[1]), list(arguments[2]))


def test_unlabelled_rows_and_unknown_targets_are_refused():
    with pytest.raises(DataError, match="NaN or infinity for 1 of 2 examples"):
        likely_label_errors(np.array([1.0, np.nan]), np.array([1.0, 2.0]), target="number")
    with pytest.raises(ValueError, match="Did you mean 'labels'"):
        likely_label_errors(np.array([1]), np.array([1]), target="label")


def test_neighbours_are_sought_in_other_groups():
    points = np.array([[1, 0], [1, 0.01], [1, 0.2], [0, 1]], float)
    rows, far = nearest_examples(points, 1, groups=["p", "p", "q", "q"])
    assert rows.ravel().tolist() == [2, 2, 1, 1]
    rows, far = nearest_examples(points, 9, groups=["p"] * 4)
    assert (rows == -1).all() and np.isinf(far).all()


def test_outliers_are_few_and_found_also_in_pairs_of_one_group():
    rng = np.random.default_rng(4)
    points = rng.normal((20, 0, 0, 0), 1, (300, 4))
    points[[7, 8]] = [[-5, 9, 0, 0], [-5, 9.01, 0, 0]]
    groups = [*range(300)]
    groups[8] = 7
    found = find_outliers(points, ["ok"] * 300, groups=groups)
    assert {one.index for one in found[:2]} == {7, 8} and len(found) < 30
    assert found[0].label == "ok" and len(found[0].beside) == 5 and 7 not in found[0].beside
    assert find_outliers(points[:19]) == []
    assert find_outliers(points, groups=["one"] * 300) == []
    same = np.ones((40, 3))
    assert find_outliers(same) == []


def test_copies_conflict_when_labels_differ_and_the_minority_is_suspected():
    found = conflicting_copies(["a", "b", "a", "c", "c"], [(0, 1), (1, 2), (3, 4)])
    assert [(one.index, one.label, one.suggestion) for one in found] == [(1, "b", "a")]
    both = conflicting_copies([("x", "y"), ("y", "x"), ("x",)], [(0, 1), (1, 2)])
    assert [(one.index, one.suggestion) for one in both] == [(2, "x, y")]
    assert {one.index for one in conflicting_copies(["a", "b"], [(0, 1)])} == {0, 1}
    numbers = conflicting_copies([1.0, 1.01, 5.0, 9.0], [(0, 1), (1, 2)], unit="mm")
    assert [(one.index, one.suggestion) for one in numbers] == [(2, "1 mm")]
    assert conflicting_copies(["a", "b"], []) == []
    with pytest.raises(DataError, match="rows from 0 to 1"):
        conflicting_copies(["a", "b"], [(0, 2)])


def test_the_surest_mistakes_of_every_task_come_first():
    classes = OutputSpec(name="s", task="classification", class_names=("a", "b"))
    scores = np.array([[0.9, 0.1], [0.4, 0.6], [0.01, 0.99], [0.8, 0.2]])
    found = confident_mistakes(
        get_task("classification"), ["b", "a", "a", "a"], np.array([1, 0, 0, 0]), scores, classes
    )
    assert [one.index for one in found] == [2, 0, 1] and "99% sure" in found[0].reason
    order = OutputSpec(name="s", task="ordinal", class_names=("0", "1", "2"))
    three = np.array([[0.9, 0.1, 0], [0.1, 0.8, 0.1]])
    task = get_task("ordinal")
    assert [o.index for o in confident_mistakes(task, "20", np.array([2, 0]), three, order)] == [
        0,
        1,
    ]
    numbers = OutputSpec(name="value", task="regression", unit="mm")
    truth = np.array([1.0, 2, 3, 4])
    said = np.array([[1.1], [2.1], [9.0], [4.1]])
    found = confident_mistakes(get_task("regression"), truth, truth, said, numbers)
    assert [(o.index, o.label, o.suggestion) for o in found] == [(2, "3 mm", "9 mm")]
    labels = OutputSpec(name="s", task="multi_label", class_names=("x", "y"))
    hot = np.array([[1, 0], [0, 1.0]])
    found = confident_mistakes(
        get_task("multi_label"), [("x",), ("y",)], hot, np.array([[0.9, 0.8], [0.1, 0.7]]), labels
    )
    assert [(o.index, o.suggestion) for o in found] == [(0, "x, y")]


def test_a_suspect_goes_through_json_and_damage_is_told():
    one = Suspect("outlier", 3, 0.5, "<b>", beside=(1, 2))
    plain = json.loads(json.dumps(one.to_dict()))
    assert Suspect.from_dict(plain) == one
    damage = {"kind": "other", "index": -1, "score": 2, "beside": [-1], "label": None}
    for name, value in damage.items():
        with pytest.raises(DataError, match="Look for mistakes again"):
            Suspect.from_dict({**plain, name: value})


def test_many_look_alikes_cost_no_more_than_their_number():
    labels = ["ok", "crack"] * 500
    found = conflicting_copies(labels, [(i, i + 1) for i in range(999)])
    assert [one.index for one in found] == list(range(1000))
    assert {one.suggestion for one in found[::2]} == {"crack"}
    assert {len(one.beside) for one in found} == {50}
    assert found[0].beside == tuple(range(1, 51)) and found[999].beside == tuple(range(50))
