"""Intervals from resamples of rows and of whole groups: as wide as they must be."""

import math

import numpy as np
import pytest

from kerasrecipes.statistics.bootstrap import bootstrap_estimates
from kerasrecipes.statistics.intervals import wilson_interval
from kerasrecipes.statistics.shares import counted_share, f1_from_shares, share_of


def mean_of(values):
    return lambda counts: (counts @ values / counts.sum(axis=1))[:, None]


def test_many_metrics_come_from_one_set_of_resamples():
    values = np.random.default_rng(0).normal(size=200)
    one = mean_of(values)
    both = bootstrap_estimates(lambda c: np.hstack([one(c), 2 * one(c)]), 200)
    assert both[0].value == pytest.approx(values.mean())
    assert both[1].to_list() == pytest.approx([2 * end for end in both[0].to_list()])
    spread = 1.96 * values.std() / math.sqrt(200)
    assert both[0].high - both[0].low == pytest.approx(2 * spread, rel=0.1)


def test_where_all_resamples_agree_there_is_no_interval():
    (found,) = bootstrap_estimates(mean_of(np.ones(50)), 50)
    assert found.value == 1 and math.isnan(found.low) and math.isnan(found.high)
    (found,) = bootstrap_estimates(mean_of(np.arange(4.0)), 4, groups=np.zeros(4, int))
    assert found.value == 1.5 and math.isnan(found.low)


def test_groups_widen_what_rows_alone_would_claim():
    """Ten photos of each of 40 parts, which differ more than the photos of one part do."""
    rng, grouped, alone, rounds = np.random.default_rng(1), 0, 0, 200
    groups = np.repeat(np.arange(40), 10)
    for seed in range(rounds):
        values = (rng.normal(3, 1, (40, 1)) + rng.normal(0, 0.5, (40, 10))).ravel()
        (found,) = bootstrap_estimates(mean_of(values), 400, groups=groups, seed=seed)
        (naive,) = bootstrap_estimates(mean_of(values), 400, seed=seed)
        grouped += found.low <= 3 <= found.high
        alone += naive.low <= 3 <= naive.high
    assert grouped / rounds > 0.88
    assert alone / rounds < 0.6


def test_shares():
    right, groups = np.arange(40) % 5 < 4, np.arange(40) // 5
    assert (counted_share(4, 5).low, counted_share(4, 5).high) == wilson_interval(4, 5)
    assert share_of(right) == counted_share(32, 40)
    agreeing = share_of(np.repeat([1, 1, 0, 1], 10), np.repeat(np.arange(4), 10))
    assert agreeing.high - agreeing.low > 2 * (share_of(right).high - share_of(right).low)
    assert share_of(right, groups).value == share_of(right).value
    assert all(math.isnan(one.value) for one in (counted_share(0, 0), share_of(right[:0])))


def test_f1_lies_between_the_ends_of_its_shares():
    found = f1_from_shares(1.0, counted_share(9, 9), counted_share(9, 9))
    assert found.value == found.high == 1 and found.low == pytest.approx(counted_share(9, 9).low)
    never_named = f1_from_shares(0.0, counted_share(0, 0), counted_share(0, 9))
    assert never_named.low == 0 < never_named.high
    assert math.isnan(f1_from_shares(math.nan, counted_share(1, 2), counted_share(1, 2)).value)
