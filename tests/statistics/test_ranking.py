"""Rankings in weighted resamples are those of the rows written out, in steps fine and coarse."""

import numpy as np
import pytest
import sklearn.metrics as reference

from kerasrecipes.statistics.ranking import Ranking, as_drawn, class_sums, column_sums

RNG = np.random.default_rng(0)
COUNTS = RNG.poisson(1.0, (30, 80)).astype(float)
LABELS = RNG.integers(4, size=80)
SCORES = {"ties": np.round(RNG.normal(size=80), 1), "no ties": RNG.random(80), "one": np.ones(80)}
COARSE = 10**6


def written_out(metric, *columns):
    rows = [np.repeat(np.arange(80), row.astype(int)) for row in COUNTS]
    return np.array([metric(*(column[chosen] for column in columns)) for chosen in rows])


@pytest.mark.parametrize("beside", [1, COARSE], ids=["fine", "coarse"])
@pytest.mark.parametrize("score", SCORES.values(), ids=SCORES)
def test_auc_and_average_precision(score, beside):
    positive, drawn = LABELS == 1, as_drawn(COUNTS)
    assert drawn.dtype == np.uint8
    ranking = Ranking(positive, score, beside)
    auc, both = ranking.metrics(drawn)
    alone = ranking.average_precision(drawn)
    np.testing.assert_array_equal(alone, both)
    expected = written_out(reference.average_precision_score, positive, score)
    np.testing.assert_allclose(alone, expected, atol=1e-12)
    np.testing.assert_allclose(auc, written_out(reference.roc_auc_score, positive, score))
    np.testing.assert_array_equal(auc, Ranking(positive, score).metrics(drawn)[0])


@pytest.mark.parametrize("beside", [1, COARSE])
def test_without_a_positive_it_is_undefined(beside):
    ranking = Ranking(np.zeros(80, bool), SCORES["ties"], beside)
    assert np.isnan(ranking.metrics(as_drawn(COUNTS))).all()


@pytest.mark.parametrize("times", [1, 300, 10**6])
def test_counts_of_any_size_are_exact(times):
    """Sums that do not fit into the bytes of one count, as of groups drawn many times."""
    auc, _ = Ranking(LABELS == 1, SCORES["ties"]).metrics(as_drawn(COUNTS * times))
    np.testing.assert_array_equal(
        auc, Ranking(LABELS == 1, SCORES["ties"]).metrics(as_drawn(COUNTS))[0]
    )


def test_sums_by_class_and_by_flag():
    classes = np.where(LABELS == 2, -1, LABELS)
    found = class_sums(classes, 6, COUNTS)
    flags = classes[:, None] == np.arange(6)
    np.testing.assert_array_equal(found, COUNTS @ flags)
    np.testing.assert_array_equal((column_sums(flags) @ COUNTS.T).T, found)
