"""Means of means that were measured apart."""

import math

import numpy as np
import pytest

from kerasrecipes.statistics.clustered import clustered_share
from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.statistics.simultaneous import mean_of_estimates


def test_a_mean_lies_nearer_than_its_parts_and_undefined_ones_are_left_out():
    parts = [Estimate(0.8, 0.6, 0.9), Estimate(0.6, 0.4, 0.7)]
    found = mean_of_estimates([*parts, Estimate(math.nan)])
    assert found.value == pytest.approx(0.7)
    assert found.low == pytest.approx(0.7 - math.hypot(0.2, 0.2) / 2)
    assert found.high == pytest.approx(0.7 + math.hypot(0.1, 0.1) / 2)
    assert mean_of_estimates(parts[:1]) == parts[0]


@pytest.mark.parametrize("count", [2, 3])
def test_balanced_accuracy_of_two_or_three_groups_is_covered(count):
    """Ten photos of each of so many parts of two classes; a thousand draws covered 99 %."""
    rng, rounds, hits = np.random.default_rng(count), 100, 0
    groups = np.repeat(np.arange(count), 10)
    for _ in range(rounds):
        chances = rng.beta([[6.3], [5.25]], [[0.7], [1.75]], (2, count))
        recalls = [clustered_share(rng.random(len(groups)) < of[groups], groups) for of in chances]
        found = mean_of_estimates(recalls)
        hits += found.low <= 0.825 <= found.high
    assert hits / rounds >= 0.95
