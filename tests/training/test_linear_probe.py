"""The linear models on pooled features, by what an example is answered with."""

import numpy as np
import pytest

from kerasrecipes.training.linear_probe import STRENGTHS, LinearProbe, fit_linear_probe


def drawn(count: int, seed: int, noise: float = 0.3):
    """Draw features of different scales, and three numbers that they tell."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, 6))
    told = features @ np.random.default_rng(99).normal(size=(6, 3))
    told += noise * rng.normal(size=told.shape)
    return (features * 10.0 ** np.arange(-3, 3) + 5).astype(np.float32), told


def test_numbers_are_a_ridge_regression_of_any_unit():
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    (features, told), (val, val_told) = drawn(120, 0), drawn(60, 1)
    strengths = []
    for unit, start in ((1.0, 0.0), (1e-4, 0.0), (10.0, 4000.0)):
        targets, wanted = unit * told[:, 0] + start, unit * val_told[:, 0] + start
        probe = fit_linear_probe(features, targets, None, val, wanted, "number")
        ridge = make_pipeline(StandardScaler(), Ridge(alpha=1 / probe.strength))
        expected = ridge.fit(features, targets).predict(val)[:, None]
        np.testing.assert_allclose(probe.answers(val), expected, atol=5e-3 * unit)
        strengths.append(probe.strength)
    assert len(set(strengths)) == 1 and strengths[0] in STRENGTHS


def test_noisier_numbers_are_regularised_more():
    def chosen(noise):
        sides = [(features, told[:, 0]) for features, told in (drawn(30, 2, noise), drawn(300, 3))]
        return fit_linear_probe(*sides[0], None, *sides[1], "number").strength

    assert chosen(20.0) < chosen(0.1)


def test_each_label_is_a_logistic_regression_of_its_own():
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    (features, told), (val, val_told) = drawn(120, 4), drawn(60, 5)
    targets, wanted = (told > 0).astype(np.float32), (val_told > 0).astype(np.float32)
    probe = fit_linear_probe(features, targets, None, val, wanted, "labels")
    for k in range(3):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=probe.strength, max_iter=2000))
        expected = model.fit(features, targets[:, k]).predict_proba(val)[:, 1]
        np.testing.assert_allclose(probe.answers(val)[:, k], expected, atol=5e-3)


@pytest.mark.parametrize(("value", "likely"), [(0.0, 0.5 / 41), (1.0, 40.5 / 41)])
def test_a_label_that_all_have_or_none_is_as_likely_for_any_photo(value, likely):
    features, told = drawn(40, 6)
    targets = np.column_stack([told[:, 0] > 0, np.full(40, value)]).astype(np.float32)
    probe = fit_linear_probe(features, targets, None, features, targets, "labels")
    answers = probe.answers(features)
    np.testing.assert_allclose(answers[:, 1], likely, rtol=1e-5)
    assert np.ptp(answers[:, 0]) > 0.5


def test_scores_of_labels_stay_probabilities():
    probe = LinearProbe(np.full((1, 2), 1e4, np.float32), np.zeros(2, np.float32), 1.0, "labels")
    assert probe.answers(np.array([[-1.0], [1.0]])).tolist() == [[0, 0], [1, 1]]
