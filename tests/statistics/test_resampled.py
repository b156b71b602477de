"""Metrics of weighted resamples are those of the rows written out."""

import numpy as np
import pytest
import sklearn.metrics as reference
from scipy.stats import spearmanr

from kerasrecipes.statistics import resampled

RNG = np.random.default_rng(0)
COUNTS = RNG.poisson(1.0, (30, 80)).astype(float)
X = np.round(RNG.normal(size=80), 1)  # with ties
Y = np.round(X + RNG.normal(size=80), 1)
LABELS = RNG.integers(4, size=80)
SAID = np.clip(LABELS + RNG.integers(-1, 3, size=80), 0, 3)


def written_out(metric, *columns):
    rows = [np.repeat(np.arange(80), row.astype(int)) for row in COUNTS]
    return np.array([metric(*(column[chosen] for column in columns)) for chosen in rows])


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9, 1.0])
def test_quantiles(share):
    expected = written_out(lambda x: np.quantile(x, share), X)
    np.testing.assert_allclose(resampled.quantiles(X, COUNTS, share), expected, atol=1e-12)


def test_rank_correlations():
    expected = written_out(lambda x, y: spearmanr(x, y).statistic, X, Y)
    np.testing.assert_allclose(resampled.rank_correlations(X, Y, COUNTS), expected, atol=1e-12)
    constant = resampled.rank_correlations(np.full(80, 0.1), Y, COUNTS)
    assert np.isnan(constant).all() and len(constant) == 30


def test_quadratic_kappas():
    expected = written_out(
        lambda a, b: reference.cohen_kappa_score(a, b, weights="quadratic"), LABELS, SAID
    )
    found = resampled.quadratic_kappas(LABELS, SAID, COUNTS)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    one_class = np.zeros(3, int)
    assert np.isnan(resampled.quadratic_kappas(one_class, one_class, np.ones((1, 3)))).all()


def test_means_leave_out_what_is_undefined():
    found = resampled.means_of_defined(np.array([[1, np.nan, 3], [np.nan] * 3]))
    np.testing.assert_array_equal(found, [2, np.nan])
