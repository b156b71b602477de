"""Two models on the same photos."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from kerasrecipes.statistics.clustered import clustered_difference
from kerasrecipes.statistics.intervals import paired_difference_interval
from kerasrecipes.statistics.paired import (
    bootstrap_difference,
    mcnemar_p_value,
    mean_difference_interval,
    sign_flip_p_value,
)


@pytest.mark.parametrize(("lost", "gained"), [(0, 1), (1, 1), (5, 0), (9, 1), (30, 17), (3, 3)])
def test_mcnemar_is_the_binomial_test(lost, gained):
    expected = binomtest(lost, lost + gained).pvalue
    assert mcnemar_p_value(lost, gained) == pytest.approx(expected)
    assert mcnemar_p_value(gained, lost) == mcnemar_p_value(lost, gained)


def test_mcnemar_without_and_with_very_many_photos():
    assert mcnemar_p_value(0, 0) == 1.0
    assert mcnemar_p_value(3000, 0) == 0.0
    assert 0.5 < mcnemar_p_value(10000, 10050) < 1.0


def test_mcnemar_keeps_its_level():
    """Of equally good models, at most 5 % look different at p < 0.05."""
    generator = np.random.default_rng(0)
    lost = generator.binomial(20, 0.5, 2000)
    assert np.mean([mcnemar_p_value(int(k), 20 - int(k)) < 0.05 for k in lost]) <= 0.055


def test_mcnemar_refuses_negative_counts():
    with pytest.raises(ValueError, match="must be counts. Received: lost=-1, gained=2"):
        mcnemar_p_value(-1, 2)


def test_bootstrap_agrees_with_the_closed_interval():
    generator = np.random.default_rng(1)
    a = generator.random(400) < 0.9
    b = np.where(generator.random(400) < 0.06, ~a, a)
    closed, drawn = paired_difference_interval(a, b), bootstrap_difference(a, b)
    assert drawn == pytest.approx(closed, abs=0.006)
    assert drawn == bootstrap_difference(a, b) != bootstrap_difference(a, b, seed=1)


def test_bootstrap_claims_nothing_when_all_photos_agree():
    low, high = bootstrap_difference(np.ones(50, bool), np.ones(50, bool))
    assert math.isnan(low) and math.isnan(high)


@pytest.mark.parametrize("other", [np.ones(3, bool), np.ones((2, 1), bool), np.ones(0, bool)])
def test_bootstrap_refuses_what_does_not_pair(other):
    with pytest.raises(ValueError, match="`correct_a` and `correct_b` must be one-dimensional"):
        bootstrap_difference(np.ones(len(other) if len(other) != 3 else 2, bool), other)


@pytest.mark.parametrize(("lost", "gained"), [(0, 0), (0, 1), (5, 0), (9, 1), (30, 17), (3, 3)])
def test_over_groups_of_one_the_test_is_mcnemars(lost, gained):
    differences = np.repeat([-1, 1, 0], [lost, gained, 40])
    found = sign_flip_p_value(differences, np.arange(len(differences)))
    assert found == pytest.approx(mcnemar_p_value(lost, gained))
    assert sign_flip_p_value(differences, np.zeros(len(differences), int)) == 1.0


def parts(rng, count):
    """Two equally good models; each part of six photos suits one of them, both or neither."""
    suits = rng.choice([-1, 0, 1], size=count, p=[0.2, 0.6, 0.2])
    first, second = (np.repeat(suits * side >= 0, 6) for side in (1, -1))
    noise = [rng.random(6 * count) < 0.02 for _ in range(2)]
    return first ^ noise[0], second ^ noise[1], np.repeat(np.arange(count), 6)


@pytest.mark.parametrize("count", [8, 30])
def test_groups_keep_the_level_of_the_test_and_the_cover_of_the_interval(count):
    rng, rounds = np.random.default_rng(0), 300
    wrong, covered = np.zeros(2), np.zeros(2)
    for _ in range(rounds):
        a, b, groups = parts(rng, count)
        lost, gained = int(np.sum(a & ~b)), int(np.sum(b & ~a))
        p_values = sign_flip_p_value(b.astype(int) - a, groups), mcnemar_p_value(lost, gained)
        intervals = clustered_difference(a, b, groups), paired_difference_interval(a, b)
        wrong += [p < 0.05 for p in p_values]
        covered += [low <= 0 <= high for low, high in intervals]
    assert wrong[0] / rounds <= 0.06 and covered[0] / rounds >= 0.93
    assert wrong[1] / rounds > 0.2 and covered[1] / rounds < 0.8


def test_a_difference_of_means_goes_by_groups_whatever_the_means_are_of():
    rng = np.random.default_rng(0)
    a, b, groups = parts(rng, 12)
    assert mean_difference_interval(a, b, groups) == clustered_difference(a, b, groups)
    assert mean_difference_interval(a, b) == paired_difference_interval(a, b)
    numbers = np.repeat(rng.normal(size=12), 6) + rng.normal(0, 0.1, 72)
    ends = [mean_difference_interval(numbers, np.zeros(72), by) for by in (groups, None)]
    (low, high), (naive_low, naive_high) = ends
    assert high - low > 2 * (naive_high - naive_low)
    one = np.zeros(72, int)
    assert mean_difference_interval(numbers, b, one) == (-math.inf, math.inf)
    assert mean_difference_interval(a, b, one) == (-1, 1)
    low, high = bootstrap_difference(a, ~a, groups=groups)
    assert high - low > bootstrap_difference(a, ~a)[1] - bootstrap_difference(a, ~a)[0]
