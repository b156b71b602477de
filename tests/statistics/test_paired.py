"""Two models on the same photos."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from kerasrecipes.statistics.intervals import paired_difference_interval
from kerasrecipes.statistics.paired import bootstrap_difference, mcnemar_p_value


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
