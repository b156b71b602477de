"""What a file answers besides must be what the original answers."""

import numpy as np
import pytest

from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.verify.others import compare_others
from kerasrecipes.verify.tolerance import Tolerance

OUTPUTS = (
    OutputSpec(name="novelty", task="novelty", class_names=("good",), thresholds=(1.0,)),
    OutputSpec(name="novelty_map", task="novelty_map", shape=(2, 3)),
)


def failures(found, expected):
    return list(compare_others(found, expected, OUTPUTS, Tolerance(min_agreement=0.95)))


@pytest.fixture
def expected():
    rng = np.random.default_rng(0)
    return {"novelty": rng.normal(0, 2, (40, 1)), "novelty_map": rng.normal(size=(40, 6))}


def test_small_differences_pass(expected):
    assert failures({name: one + 1e-3 for name, one in expected.items()}, expected) == []
    assert failures({"novelty": expected["novelty"] * 0}, {}) == []  # nothing is known of them


def test_scores_that_change_sides_and_maps_of_other_places_are_named(expected):
    moved = {**expected, "novelty": expected["novelty"] + 2}
    (one,) = failures(moved, expected)
    assert "novelty of 0." in one and "same side of its threshold" in one
    turned = {**expected, "novelty_map": expected["novelty_map"][:, ::-1]}
    (one,) = failures(turned, expected)
    assert "novelty_map goes together with the original's by" in one
    broken = {**expected, "novelty_map": expected["novelty_map"] * np.nan}
    assert "by nan" in failures(broken, expected)[0]
