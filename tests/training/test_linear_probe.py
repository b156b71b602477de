"""The linear models on pooled features: solved as scikit-learn does, chosen on folds."""

import numpy as np
import pytest

from kerasrecipes.training.linear.choice import BLOCK, EACH, Candidate, choose_linear
from kerasrecipes.training.linear.depths import DepthFeatures
from kerasrecipes.training.linear.folds import Folds, folds_of
from kerasrecipes.training.linear.regression import (
    LinearProbe,
    Scaled,
    answers_of,
    fitter,
    losses_of,
)


def drawn(count: int, seed: int, noise: float = 0.3, width: int = 6):
    """Draw features of different scales, and three numbers that they tell."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, width))
    told = features[:, :6] @ np.random.default_rng(99).normal(size=(6, 3))
    told += noise * rng.normal(size=told.shape)
    scales = 2.0 ** (np.arange(width) % 6 - 3)
    return (features * scales + 5).astype(np.float32), told


def fifths(count: int) -> Folds:
    """Judge every fifth example by the others."""
    place = np.arange(count)
    folds = tuple((place[place % 5 != k], place[place % 5 == k]) for k in range(5))
    return Folds(folds, place, 5)


def chosen(features, targets, weights, target, widths=None):
    rows = DepthFeatures(features, widths or (features.shape[1],), (1, len(widths or (1,)))[-1:])
    choice = choose_linear(rows, targets, weights, fifths(len(targets)), target)
    return choice, choice.solve(rows, targets, weights)


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("width", [6, 300])
def test_nothing_is_lost_in_the_coordinates_that_photos_span(each, width):
    from sklearn.linear_model import LogisticRegression

    features, told = drawn(40, 0, width=width)
    labels = told.argmax(axis=1)
    scaled = Scaled.of(features, (4, width - 4), each)
    assert scaled.rows.shape == (40, min(width, 39))
    length = np.square(scaled.rows).sum(axis=1).mean()
    assert 0.1 < length < 1 if each else length == pytest.approx(1)
    fit = fitter("class", scaled.rows, labels, np.ones(3), exact=True)
    kernel, bias = scaled.back(*fit(10.0))
    whole = (features - scaled.middle) @ (scaled.axes @ scaled.axes.T)  # the same inner products
    expected = LogisticRegression(C=10.0, max_iter=5000, tol=1e-6).fit(scaled.rows, labels)
    probe = LinearProbe(kernel, bias)
    np.testing.assert_allclose(
        probe.answers(features), expected.predict_proba(scaled.rows), atol=2e-3
    )
    inner = (features - scaled.middle) @ whole.T
    np.testing.assert_allclose(inner, scaled.rows @ scaled.rows.T, rtol=1e-6, atol=1e-8)


def test_two_classes_and_one_that_is_missing():
    rows = np.array([[-1.0], [-2.0], [1.0], [2.0]])
    kernel, bias = fitter("class", rows, np.array([0, 0, 2, 2]), np.ones(3), exact=True)(10.0)
    said = answers_of(rows @ kernel + bias, "class")
    assert said.argmax(axis=1).tolist() == [0, 0, 2, 2] and said[:, 1].max() < 1e-9
    kernel, bias = fitter("class", rows, np.ones(4, int), np.ones(3), exact=True)(10.0)
    np.testing.assert_allclose(answers_of(rows @ kernel + bias, "class")[:, 1], 1)


def test_class_weights_lift_a_rare_class():
    features, told = drawn(400, 4, noise=4.0)
    labels = (told[:, 0] > 0).astype(int)
    keep = (labels == 0) | (np.arange(400) < 40)
    held_out, wanted = drawn(400, 5, noise=4.0)
    rare = wanted[:, 0] > 0
    recalls = []
    for weights in ([1.0, 1.0], [0.5, 5.0]):
        _, probe = chosen(features[keep], labels[keep], np.array(weights), "class")
        recalls.append((probe.answers(held_out).argmax(axis=1)[rare] == 1).mean())
    assert recalls[1] > recalls[0] + 0.1


def test_numbers_are_a_ridge_regression_of_any_unit():
    features, told = drawn(120, 0)
    held_out, wanted = drawn(60, 1)
    strengths = []
    for unit, start in ((1.0, 0.0), (1e-4, 0.0), (10.0, 4000.0)):
        choice, probe = chosen(features, unit * told[:, 0] + start, None, "number")
        errors = probe.answers(held_out)[:, 0] - unit * wanted[:, 0] - start
        assert np.abs(errors).mean() < 0.5 * unit
        strengths.append([trial.strength for trial in choice.trials])
    assert strengths[0] == strengths[1] == strengths[2]


def test_each_label_is_a_regression_and_one_that_all_have_is_as_likely_for_any_photo():
    features, told = drawn(120, 4)
    targets = np.column_stack([told > 0, np.ones(120), np.zeros(120)]).astype(np.float32)
    _, probe = chosen(features, targets, None, "labels")
    said = probe.answers(features)
    assert ((said[:, :3] > 0.5) == targets[:, :3]).mean() > 0.9
    np.testing.assert_allclose(said[:, 3:], [[120.5 / 121, 0.5 / 121]] * 120, rtol=1e-4)


def test_scores_of_labels_stay_probabilities():
    probe = LinearProbe(np.full((1, 2), 1e4), np.zeros(2), target="labels")
    assert probe.answers(np.array([[-1.0], [1.0]])).tolist() == [[0, 0], [1, 1]]


def test_noisier_features_are_regularised_more():
    def strength(noise):
        features, told = drawn(60, 2, noise)
        return chosen(features, told.argmax(axis=1), np.ones(3), "class")[0].trials[0].strength

    assert strength(20.0) < strength(0.1)


def test_the_depth_that_tells_is_read_and_the_answers_are_those_of_folds():
    features, told = drawn(80, 7, width=12)
    labels, noise = told.argmax(axis=1), np.random.default_rng(8).normal(size=(80, 5))
    both = np.column_stack([features, noise.astype(np.float32)])
    rows = DepthFeatures(both, (12, 5), (1, 2))
    choice = choose_linear(rows, labels, np.ones(3), fifths(80), "class")
    assert len(choice.trials) == 4 and choice.trials[0].candidate.depths == 2
    assert choice.depths == 2 and sorted(choice.judged) == list(range(80))
    said = choice.answers[np.argsort(choice.judged)]
    assert said.shape == (80, 3) and (said.argmax(axis=1) == labels).mean() > 0.7
    learned = choice.solve(rows, labels, np.ones(3)).answers(both)
    assert losses_of(learned, labels, "class").mean() < choice.loss  # it has seen these
    only = choice.among(1)
    assert only.depths == 1 and only.solve(rows, labels, np.ones(3)).kernel.shape == (5, 3)


def test_a_mean_of_regressions_is_one_regression():
    features, told = drawn(50, 9, width=8)
    labels = told.argmax(axis=1)
    rows = DepthFeatures(features, (5, 3), (1, 2))
    choice = choose_linear(rows, labels, np.ones(3), fifths(50), "class")
    one, other = (choice.solve_one(trial, rows, labels, np.ones(3)) for trial in choice.trials[:2])
    together = choice.taking(choice.trials[:2]).solve(rows, labels, np.ones(3))
    mean = [(features[:, -len(k) :] @ k + b) / 2 for k, b in (one, other)]
    expected = answers_of(sum(mean) / choice.taking(choice.trials[:2]).temperature, "class")
    np.testing.assert_allclose(together.answers(features), expected, atol=1e-4)


def test_what_nobody_can_judge_is_the_usual_one():
    features, told = drawn(10, 3)
    labels = (told[:, 0] > 0).astype(int)
    rows = DepthFeatures(features, (6,), (1,))
    choice = choose_linear(rows, labels, np.ones(2), Folds((), np.arange(10), 0), "class")
    assert choice.taken[0].candidate == Candidate(1, BLOCK) != Candidate(1, EACH)
    assert "no example could be judged by others" in choice.reason and not choice.trials
    assert choice.solve(rows, labels, np.ones(2)).kernel.shape == (6, 2)


def test_folds_keep_groups_together_and_repeat_where_examples_are_few(part_sets):
    from dataclasses import replace

    train = part_sets[0]
    grouped = replace(
        train, photos=tuple(replace(p, group=str(i // 2)) for i, p in enumerate(train.photos))
    )
    folds = folds_of(grouped, "", seed=0)
    assert len(folds.folds) == 4 * folds.first and folds.first in (4, 5)
    for learn, judge in folds.folds:
        assert not set(folds.units[learn]) & set(folds.units[judge])
        assert set(train.labels[learn]) == {0, 1, 2}
    judged = np.concatenate([judge for _, judge in folds.folds[: folds.first]])
    assert sorted(judged) == list(range(len(train)))


def test_a_class_of_one_photo_is_learned_and_not_judged(part_sets):
    train = part_sets[0]
    rare = train.select([*np.flatnonzero(train.labels), int(np.flatnonzero(train.labels == 0)[0])])
    folds = folds_of(rare, "", seed=0)
    assert folds.first == 5
    judged = np.concatenate([judge for _, judge in folds.judging(rare.labels).folds[:5]])
    assert sorted(judged) == list(range(len(rare) - 1))


def test_folds_of_what_was_split_by_time_never_learn_from_later(part_sets):
    from dataclasses import replace
    from datetime import datetime, timedelta

    train, start = part_sets[0], datetime(2026, 1, 1)
    timed = [replace(p, time=start + timedelta(days=i % 9)) for i, p in enumerate(train.photos)]
    folds = folds_of(replace(train, photos=tuple(timed)), "time", seed=0)
    assert len(folds.folds) == folds.first == 3
    days = np.array([photo.time for photo in timed])
    assert all(days[learn].max() < days[judge].min() for learn, judge in folds.folds)


def test_a_class_that_a_fold_does_not_learn_is_not_judged_there():
    place, labels = np.arange(6), np.array([0, 0, 0, 1, 1, 2])
    folds = Folds(((place[:4], place[4:]),), place, 1).judging(labels)
    assert folds.folds[0][1].tolist() == [4]
