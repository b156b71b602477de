"""Intervals: known values, coverage, and refusals."""

import math

import numpy as np
import pytest
from scipy import stats

from kerasrecipes.statistics.bootstrap import bootstrap_estimates
from kerasrecipes.statistics.intervals import (
    SHARE,
    SIZE,
    bootstrap_interval,
    paired_difference_interval,
    percentile_interval,
    resample_counts,
    resampled_interval,
    t_of,
    wilson_interval,
)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # Newcombe, 1998, "Two-sided confidence intervals for the single proportion", table I.
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_values(successes, trials, low, high):
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=1e-4)


def test_wilson_agrees_with_scipy():
    from scipy.stats import binomtest

    tried = [(k, n, 0.95) for n in (1, 2, 7, 30, 263, 5000) for k in {*range(0, n, 1 + n // 9), n}]
    tried += [(3, 50, 0.9), (199, 200, 0.99)]
    for successes, trials, confidence in tried:
        expected = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
        found = wilson_interval(successes, trials, confidence)
        assert found == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert len(tried) > 40


def test_wilson_of_no_trials_is_undefined_and_ends_are_exact():
    assert all(map(math.isnan, wilson_interval(0, 0)))
    assert wilson_interval(0, 9)[0] == 0.0
    assert wilson_interval(9, 9)[1] == 1.0


@pytest.mark.parametrize(("successes", "trials"), [(-1, 5), (6, 5)])
def test_wilson_refuses_impossible_counts(successes, trials):
    with pytest.raises(ValueError, match=r"`successes` must be between 0 and `trials`.*trials=5"):
        wilson_interval(successes, trials)


@pytest.mark.parametrize("confidence", [0, 1, 95])
def test_confidence_is_a_fraction(confidence):
    with pytest.raises(ValueError, match=rf"`confidence` must be between 0 and 1.*{confidence}"):
        wilson_interval(1, 2, confidence)
    with pytest.raises(ValueError, match="`confidence`"):
        bootstrap_interval(np.mean, np.ones(3), confidence=confidence)
    with pytest.raises(ValueError, match="`confidence`"):
        paired_difference_interval([True], [True], confidence)


def test_bootstrap_covers_the_mean_about_as_often_as_it_says():
    generator = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        low, high = bootstrap_interval(
            np.mean, generator.normal(3.0, 1.0, 60), repeats=200, seed=seed
        )
        covered += low <= 3.0 <= high
    assert 0.88 <= covered / 200 <= 0.99


def test_bootstrap_is_repeatable_and_keeps_rows_together():
    x = np.arange(50.0)
    assert bootstrap_interval(np.mean, x, seed=4) == bootstrap_interval(np.mean, x, seed=4)
    assert bootstrap_interval(np.mean, x, seed=4) != bootstrap_interval(np.mean, x, seed=5)
    assert bootstrap_interval(lambda a, b: np.abs(a - b).max(), x, x) == (0.0, 0.0)


def test_stratified_resamples_keep_the_class_counts():
    labels = np.repeat([0, 1, 2], [3, 40, 7])
    for counts in resample_counts(50, 20, seed=0, stratify=labels):
        per_class = np.stack([counts[:, labels == c].sum(axis=1) for c in range(3)])
        assert (per_class == [[3], [40], [7]]).all()
    free = np.concatenate(list(resample_counts(50, 20, seed=0)))
    assert (free.sum(axis=1) == 50).all() and free.shape == (20, 50)


def test_whole_groups_are_drawn():
    groups = np.repeat([0, 1, 2], [3, 40, 7])
    counts = np.concatenate(list(resample_counts(50, 200, seed=0, groups=groups)))
    assert counts.shape == (200, 50)
    first = counts[:, [0, 3, 43]]
    assert (counts == first[:, groups]).all()
    assert (first.sum(axis=1) == 3).all() and first.std(axis=0).min() > 0
    sizes = [
        rows
        for rows, _ in (
            c.shape for c in resample_counts(10**6, 9, 0, groups=np.arange(10**6) // 10**5)
        )
    ]
    assert max(sizes) <= 2 and sum(sizes) == 9


def test_resamples_of_a_large_set_come_in_bounded_chunks():
    sizes = [counts.shape for counts in resample_counts(500_000, 9, seed=0)]
    assert sum(rows for rows, _ in sizes) == 9
    assert max(rows for rows, _ in sizes) <= 4


@pytest.mark.parametrize("arrays", [(), (np.ones(0),), (np.ones(3), np.ones(4))])
def test_bootstrap_refuses_unequal_or_empty_arrays(arrays):
    with pytest.raises(
        ValueError, match="`arrays`, `stratify` and `groups` must have the same length"
    ):
        bootstrap_interval(np.mean, *arrays)


def test_bootstrap_refuses_no_repeats():
    with pytest.raises(ValueError, match=r"`repeats` must be at least 1. Received: 0"):
        bootstrap_interval(np.mean, np.ones(3), repeats=0)


def test_statistics_that_are_mostly_undefined_have_no_interval():
    assert all(map(math.isnan, percentile_interval(np.array([np.nan, np.nan, 1.0]))))
    assert percentile_interval(np.array([np.nan, 1.0, 1.0])) == (1.0, 1.0)


def test_paired_interval_covers_the_true_difference():
    generator = np.random.default_rng(1)
    covered = 0
    for _ in range(400):
        draw = generator.random(150)
        a, b = draw < 0.9, (draw < 0.86) | (draw > 0.98)  # 0.90 against 0.88
        low, high = paired_difference_interval(a, b)
        covered += low <= 0.02 <= high
    assert 0.92 <= covered / 400 <= 0.995


def test_paired_interval_is_narrower_than_two_single_ones_and_mirrors():
    a = np.arange(300) % 10 > 0
    b = a.copy()
    b[:3] = ~b[:3]
    low, high = paired_difference_interval(a, b)
    single = wilson_interval(a.sum(), 300)
    assert high - low < 0.7 * (single[1] - single[0])
    assert paired_difference_interval(b, a) == pytest.approx((-high, -low))


@pytest.mark.parametrize(("a", "b"), [([], []), ([True], [True, False]), ([[True]], [[True]])])
def test_paired_interval_refuses_arrays_that_do_not_pair(a, b):
    with pytest.raises(ValueError, match="`correct_a` and `correct_b` must be one-dimensional"):
        paired_difference_interval(a, b)


@pytest.mark.parametrize("units", [3, 5, 8, 20])
def test_few_groups_widen_what_their_resamples_show(units):
    rng, rounds, hits, before = np.random.default_rng(units), 150, 0, 0
    for _ in range(rounds):
        rows = np.repeat(rng.normal(3, 1, units), 6) + rng.normal(0, 1, 6 * units)
        groups = np.arange(len(rows)) // 6
        low, high = bootstrap_interval(np.mean, rows, groups=groups, repeats=100)
        hits += low <= 3 <= high
        drawn = next(resample_counts(len(rows), 100, 0, groups=groups)) @ rows / len(rows)
        before += percentile_interval(drawn)[0] <= 3 <= percentile_interval(drawn)[1]
    assert hits / rounds > 0.91
    if units < 8:
        assert before / rounds < 0.88


def test_intervals_of_few_groups_stay_where_their_numbers_can_lie():
    rng, units = np.random.default_rng(0), 3
    share, size, rank = rng.normal(0.95, 0.05, 99), rng.normal(2.0, 1.5, 99), rng.normal(0.8, 1, 99)
    low, high = resampled_interval(0.95, share, units, SHARE)
    assert 0 < low < 0.8 and 0.95 < high < 1
    low, high = resampled_interval(2.0, size, units, SIZE)
    assert 0 < low < 0.5 and 6 < high < 1000
    assert resampled_interval(0.8, rank, units, (-1.0, 1.0)) == (-1.0, 1.0)
    assert resampled_interval(1.0, np.ones(9), units, SHARE) == (1.0, 1.0)
    assert all(map(math.isnan, resampled_interval(1.0, np.ones(9), 1, SHARE)))
    assert resampled_interval(2.0, size) == percentile_interval(size)


def test_an_interval_holds_what_it_is_of():
    values = np.linspace(0.6, 0.7, 99)
    low, high = percentile_interval(values)
    assert resampled_interval(0.5, values) == (0.5, high)
    assert resampled_interval(0.8, values) == (low, 0.8)
    assert all(map(math.isnan, resampled_interval(0.5, np.full(9, math.nan))))


@pytest.mark.parametrize("units", [5, 8, 20])
def test_balanced_accuracy_of_few_groups_is_covered(units):
    rng, rounds, hits = np.random.default_rng(units), 150, 0
    for seed in range(rounds):
        labels = rng.integers(0, 2, 10 * units)
        groups = np.arange(len(labels)) // 10
        chances = rng.beta(np.array([[6.3], [5.25]]), np.array([[0.7], [1.75]]), (2, units))
        right = (rng.random(len(labels)) < chances[labels, groups]).astype(float)

        def measure(counts, right=right, labels=labels):
            found = [(counts * right) @ (labels == k) / (counts @ (labels == k)) for k in (0, 1)]
            return np.mean(found, axis=0)[:, None]

        with np.errstate(invalid="ignore"):
            (found,) = bootstrap_estimates(
                measure, len(labels), groups=groups, lies=[SHARE], seed=seed
            )
        hits += found.low <= 0.825 <= found.high
    assert hits / rounds > 0.90


@pytest.mark.parametrize("freedom", [1, 2, 3, 20, 655, 20_000])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_the_reach_of_t_is_that_of_scipy(freedom, confidence):
    assert t_of(confidence, freedom) == pytest.approx(
        stats.t.ppf((1 + confidence) / 2, freedom), rel=1e-9
    )
