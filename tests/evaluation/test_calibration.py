"""Temperature scaling."""

import numpy as np
import pytest

from kerasrecipes import DataError, temperature_scale


def honest(n=3000, classes=4, seed=0):
    """Logits, and labels that are drawn with exactly their probabilities."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(n, classes))
    return logits, (logits + rng.gumbel(size=(n, classes))).argmax(axis=1)


@pytest.mark.parametrize("temperature", [0.2, 1.0, 4.0])
def test_it_finds_by_how_much_confidence_was_off(temperature):
    logits, labels = honest()
    found = temperature_scale(temperature * logits, labels)
    assert abs(found / temperature - 1) < 0.1


def test_logarithms_of_probabilities_serve_as_logits():
    logits, labels = honest()
    scores = np.exp(3 * logits) / np.exp(3 * logits).sum(axis=1, keepdims=True)
    ours, theirs = temperature_scale(np.log(scores), labels), temperature_scale(3 * logits, labels)
    assert abs(ours - theirs) < 1e-3


def test_a_model_that_is_always_right_stays_within_bounds():
    logits, _ = honest()
    assert 0.05 <= temperature_scale(logits, logits.argmax(axis=1)) < 0.06
    assert 19 < temperature_scale(100 * logits, logits.argmin(axis=1)) <= 20


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.zeros((199, 2)), np.zeros(199, int), "has 199 rows, too few"),
        (np.zeros((300, 2)), np.zeros(299, int), "Pass both for the same photos"),
        (np.zeros(300), np.zeros(300, int), "must have shape"),
        (np.full((300, 2), -np.inf), np.zeros(300, int), "not finite. Clip probabilities"),
        (np.zeros((300, 2)), np.full(300, 2), "whole numbers from 0 to 1, received int64 from 2"),
        (np.zeros((300, 2)), np.full(300, 0.5), "whole numbers from 0 to 1, received float64"),
    ],
)
def test_wrong_arguments(logits, labels, message):
    with pytest.raises(DataError, match=message):
        temperature_scale(logits, labels)
