import numpy as np
import pytest
from scipy import stats

from kerasrecipes.statistics.two_sample import (
    any_of,
    chi_square_tail,
    counts_test,
    ks_test,
    mmd_test,
)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 9, 76])
@pytest.mark.parametrize("statistic", [0.3, 3.0, 20.0, 150.0])
def test_the_tail_of_chi_square_is_that_of_scipy(freedom, statistic):
    expected = stats.chi2.sf(statistic, freedom)
    assert chi_square_tail(statistic, freedom) == pytest.approx(expected, rel=1e-9)


def test_ks_finds_the_gap_and_the_p_value_of_scipy():
    rng = np.random.default_rng(0)
    for shift in (0, 0.2, 0.6):
        a, b = rng.normal(size=400), rng.normal(shift, size=250)
        expected = stats.ks_2samp(a, b)
        found = ks_test(a, b)
        assert found.effect == pytest.approx(expected.statistic)
        assert found.p_value == pytest.approx(expected.pvalue, rel=0.15)


@pytest.mark.parametrize("draw", ["normal", "tied"])
def test_ks_is_wrong_as_often_as_it_says_or_less(draw):
    rng = np.random.default_rng(1)
    sides = {
        "normal": lambda n: rng.normal(size=n),
        "tied": lambda n: rng.integers(0, 3, n).astype(float),
    }[draw]
    p = np.array([ks_test(sides(300), sides(100)).p_value for _ in range(1500)])
    for level in (0.01, 0.05):
        assert np.mean(p <= level) <= level + 3 * np.sqrt(level / 1500)
    if draw == "normal":
        assert np.mean(p <= 0.05) > 0.03


def test_counts_are_compared_whatever_the_number_of_rare_classes():
    rng = np.random.default_rng(2)
    shares = np.array([0.6, 0.2, 0.1, 0.05, *[0.05 / 20] * 20])
    draws = [[rng.multinomial(n, shares) for n in (500, 120)] for _ in range(1500)]
    p = np.array([counts_test(*pair).p_value for pair in draws])
    assert 0.025 < np.mean(p <= 0.05) < 0.075
    moved = counts_test(rng.multinomial(500, shares), rng.multinomial(120, shares[::-1]))
    assert moved.p_value < 1e-12 and moved.effect > 0.5


def test_one_class_alone_is_no_change():
    assert counts_test(np.array([9, 0]), np.array([4, 0])).p_value == 1.0


def test_mmd_is_wrong_as_often_as_it_says_and_sees_what_no_axis_shows():
    rng = np.random.default_rng(3)
    p = []
    for seed in range(200):
        sides = rng.normal(size=(60, 4)), rng.normal(size=(40, 4))
        p.append(mmd_test(*sides, permutations=99, seed=seed).p_value)
    assert 0.01 < np.mean(np.array(p) <= 0.05) < 0.1
    # Two coordinates that go together: each by itself is as before.
    x = rng.normal(size=(300, 2))
    together = np.repeat(rng.normal(size=(300, 1)), 2, axis=1)
    assert mmd_test(x, together, permutations=200).p_value < 0.01
    assert min(ks_test(x[:, i], together[:, i]).p_value for i in range(2)) > 0.01


def test_points_that_are_all_alike_are_no_change():
    assert mmd_test(np.zeros((20, 3)), np.zeros((20, 3)), permutations=50).p_value == 1.0


def test_several_tests_together_are_wrong_as_often_as_one():
    p = np.random.default_rng(4).random((4000, 12))
    assert np.mean([any_of(row) <= 0.05 for row in p]) == pytest.approx(0.05, abs=0.011)
    assert any_of([1e-200, 0.9]) == pytest.approx(2e-200)


@pytest.mark.parametrize(
    "call",
    [
        lambda: ks_test(np.array([]), np.ones(3)),
        lambda: counts_test(np.zeros(2), np.ones(2)),
        lambda: mmd_test(np.ones((1, 2)), np.ones((5, 2))),
        lambda: mmd_test(np.ones((4, 2)), np.ones((5, 3))),
    ],
)
def test_too_little_to_compare_is_refused(call):
    with pytest.raises(ValueError, match="Both sides need"):
        call()
