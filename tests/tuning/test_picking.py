"""A candidate is taken only where it is better by more than its error, luck taken off."""

import numpy as np
import pytest

from kerasrecipes import NoEffectError
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.heads import get_task
from kerasrecipes.tuning.measure import Measure
from kerasrecipes.tuning.picking import pick

OUTPUT = OutputSpec(name="s", task="classification", class_names=("a", "b"))


def costs(*gains, rows=300, seed=0):
    """Make costs of a first candidate and of others that are better by so much on average."""
    rng = np.random.default_rng(seed)
    first = rng.exponential(1.0, rows)
    noise = rng.normal(0, 0.5, (len(gains), rows))
    return np.vstack([first, first - np.array(gains)[:, None] + noise])


def test_what_is_better_is_taken_and_keeps_its_gain():
    picked = pick(costs(0.0, 0.3), np.arange(300))
    assert picked.chosen == picked.best == 2
    assert picked.gain == pytest.approx(0.3, abs=3 * picked.error)
    assert picked.cost.low < picked.cost.value < picked.cost.high


def test_the_best_of_many_alike_is_luck():
    taken = []
    for seed in range(10):
        found = pick(costs(*[0.0] * 30, seed=seed), np.arange(300), seed)
        assert found.best and found.seen > found.gain
        taken.append(found.chosen)
    # One error alone would be passed by the best of 30 nearly always.
    assert np.count_nonzero(taken) <= 2


def test_examples_of_one_unit_count_once():
    better = costs(0.15, rows=100)
    repeated = np.repeat(better, 10, axis=1)
    apart, together = (pick(repeated, np.arange(1000) // size) for size in (1, 10))
    assert together.error == pytest.approx(pick(better, np.arange(100)).error)
    assert apart.error < together.error


def test_nothing_else_is_kept():
    picked = pick(costs(), np.arange(300))
    assert (picked.best, picked.chosen, picked.gain) == (0, 0, 0.0)


def test_balanced_measures_let_classes_count_alike():
    targets = np.array([0] * 9 + [1])
    answers = np.tile([0.9, 0.1], (10, 1))
    task = get_task("classification")
    means = {
        name: Measure(name, task).costs(targets, answers, OUTPUT).mean()
        for name in ("accuracy", "balanced_accuracy", "loss", "balanced_loss")
    }
    assert means["accuracy"] == pytest.approx(0.1)
    assert means["balanced_accuracy"] == pytest.approx(0.5)
    assert means["balanced_loss"] == pytest.approx(-np.log([0.9, 0.1]).mean())
    assert Measure("balanced_accuracy", task).shown(0.25) == "75.0%"


def test_measures_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="Unknown measure 'acuracy'. Did you mean 'accuracy'"):
        Measure("acuracy", get_task("classification"))
    with pytest.raises(NoEffectError, match="needs one class each"):
        Measure("accuracy", get_task("regression"))
