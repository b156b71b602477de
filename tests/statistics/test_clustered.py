"""Intervals of rows that belong together: as wide as they must be, and no wider."""

import numpy as np
import pytest

from kerasrecipes import DataError
from kerasrecipes.statistics.clustered import (
    clustered_difference,
    clustered_error,
    clustered_share,
)
from kerasrecipes.statistics.intervals import paired_difference_interval, wilson_interval


def test_rows_of_their_own_give_the_score_interval():
    right = np.arange(50) % 5 < 4
    found = clustered_share(right, np.arange(50))
    np.testing.assert_allclose((found.low, found.high), wilson_interval(40, 50), rtol=1e-12)


def test_the_same_photo_again_tells_nothing_new():
    right, units = np.arange(40) % 4 < 3, np.arange(40)
    once = clustered_share(right, units)
    thrice = clustered_share(np.tile(right, 3), np.tile(units, 3))
    assert thrice.value == once.value
    assert thrice.high - thrice.low == pytest.approx(once.high - once.low, rel=0.05)


def test_rows_of_one_unit_that_differ_as_others_do_count_in_full():
    rng = np.random.default_rng(0)
    right, units = rng.random(2000) < 0.7, np.arange(2000) // 4
    found, plain = clustered_share(right, units), wilson_interval(right.sum(), 2000)
    assert found.high - found.low == pytest.approx(plain[1] - plain[0], rel=0.15)


def test_the_interval_covers_what_it_says_it_covers():
    """Six photos of each part that stand or fall together, as under six exposures."""
    rng, clustered, naive, rounds = np.random.default_rng(1), 0, 0, 400
    for _ in range(rounds):
        parts = rng.random(40) < 0.7
        right = np.where(rng.random((40, 6)) < 0.9, parts[:, None], rng.random((40, 6)) < 0.7)
        found = clustered_share(right.ravel(), np.repeat(np.arange(40), 6))
        low, high = wilson_interval(right.sum(), right.size)
        clustered += found.low <= 0.7 <= found.high
        naive += low <= 0.7 <= high
    assert clustered / rounds > 0.91
    assert naive / rounds < 0.75


@pytest.mark.parametrize("units", [3, 5, 8, 20])
@pytest.mark.parametrize(("size", "alike"), [(5, 0.1), (5, 0.7), (50, 0.1), (50, 0.4)])
def test_few_parts_are_covered_as_many_are(units, size, alike):
    """Parts of uneven sizes whose chances are drawn, so that two photos of one are as alike."""
    rng, rounds = np.random.default_rng([units, size]), 150
    for share in (0.7, 0.9):
        hits, lows = 0, 0
        for _ in range(rounds):
            odds = np.array([share, 1 - share]) * (1 - alike) / alike
            chances, sizes = rng.beta(*odds, units), rng.integers(1, 2 * size, units)
            parts = np.repeat(np.arange(units), sizes)
            found = clustered_share(rng.random(len(parts)) < chances[parts], parts)
            hits += found.low <= share <= found.high
            lows += found.low > share
        # 93 %, less what chance does to so few rounds; and never mostly too sure of itself.
        assert hits / rounds > 0.93 - 2 * (0.95 * 0.05 / rounds) ** 0.5
        assert lows / rounds < 0.06


@pytest.mark.proof
@pytest.mark.parametrize("units", [3, 5, 8, 20, 60])
@pytest.mark.parametrize("alike", [0.1, 0.4, 0.9])
def test_differences_of_few_parts_are_covered_as_those_of_many(units, alike):
    """What two models say of a part is drawn, so that two photos of one are as alike."""
    rng, rounds, size = np.random.default_rng([units, 1]), 60, 50
    for both, only_a, only_b, none in [(0.6, 0.2, 0.1, 0.1), (0.85, 0.06, 0.03, 0.06)]:
        hits, cells = 0, np.array([both, only_a, only_b, none])
        for _ in range(rounds):
            parts = np.repeat(np.arange(units), rng.integers(1, 2 * size, units))
            upto = np.cumsum(rng.dirichlet(cells * (1 - alike) / alike, units), axis=1)
            drawn = (rng.random(len(parts))[:, None] > upto[parts]).sum(axis=1)
            low, high = clustered_difference(drawn < 2, (drawn == 0) | (drawn == 2), parts)
            hits += low <= only_a - only_b <= high
        # 93 %, less what chance does to so few rounds.
        assert hits / rounds > 0.93 - 2 * (0.95 * 0.05 / rounds) ** 0.5


def test_a_difference_over_rows_of_their_own_is_that_of_pairs():
    a, b = np.arange(50) % 5 < 4, np.arange(50) % 7 < 6
    assert clustered_difference(a, b, np.arange(50)) == paired_difference_interval(a, b)
    # More rows on which two models differ tell more of them, not less.
    parts, widths = np.arange(200) // 20, []
    for differing in (0, 1, 2):
        other = np.ones(200)
        other[20 * np.arange(differing)] = 0
        low, high = clustered_difference(np.ones(200), other, parts)
        widths.append(high - low)
    assert widths == sorted(widths, reverse=True) and widths[0] < 0.4


def test_where_all_rows_agree_each_unit_counts_once():
    found = clustered_share(np.ones(60), np.arange(60) // 6)
    assert (found.low, found.high) == wilson_interval(10, 10)


def test_one_unit_tells_next_to_nothing():
    found = clustered_share([1, 0, 1], [7, 7, 7])
    assert (found.low, found.high) == (0, 1)
    assert np.isnan(clustered_share([], []).value)
    assert clustered_error([1.0, 0.0], [7, 7]) == np.inf


def test_two_units_that_happen_to_agree_do_not_know_everything():
    found = clustered_share([1, 0, 1, 0], [1, 1, 2, 2])
    assert found.high - found.low > 0.5


def test_the_error_of_a_mean_is_that_of_its_units():
    values = np.random.default_rng(2).normal(size=500)
    plain = values.std(ddof=1) / np.sqrt(500)
    assert clustered_error(values, np.arange(500)) == pytest.approx(plain)
    twice = clustered_error(np.repeat(values, 2), np.repeat(np.arange(500), 2))
    assert twice == pytest.approx(plain)


@pytest.mark.parametrize("function", [clustered_share, clustered_error])
def test_lengths_must_fit(function):
    with pytest.raises(DataError, match=r"`units` must be .* equal length. Received shapes: "):
        function([1, 0], [1, 2, 3])
