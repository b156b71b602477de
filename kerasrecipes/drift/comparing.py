"""Which measurements of new examples differ from those of the reference, and by how much."""

import math
from collections import Counter
from statistics import NormalDist

import numpy as np

from kerasrecipes.data.examples import CLASS
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.drift.observed import Observed
from kerasrecipes.drift.profile import FEWEST, ReferenceProfile
from kerasrecipes.drift.shift import ANSWERS, FEATURES, INPUTS, POWER, Shift
from kerasrecipes.drift.truth import compare_truth
from kerasrecipes.heads import get_task
from kerasrecipes.statistics.two_sample import counts_test, ks_test, points_test

# Scores of more classes than these would cost power, and few of them move alone.
MOST_CLASSES = 16
# How many examples a t-test would need for one that this test needs (Hodges and Lehmann).
_EFFICIENCY = 0.64
# Of scores that are compared.
_DECIMALS = 4


def compare_with(profile: ReferenceProfile, seen: Observed, seed: int = 0) -> tuple[Shift, ...]:
    """Compare all measurements of new examples with those of a profile.

    Args:
        profile: The reference.
        seen: The new examples, as `ReferenceProfile.sketched` returns them; of those with targets
            it is compared how good the answers are, see `compare_truth`. What is not known of
            them, inputs or features, is not compared. Of 50 groups or more, one example of each
            is compared, since the tests take examples for independent.
        seed: Seed of what is drawn.

    Returns:
        One entry for each test, the least likely first.
    """
    if seen.targets is not None:
        return compare_truth(profile, seen, seed)
    seen = seen.one_of_each_group(FEWEST, seed)
    inputs = dict(zip(profile.facts.inputs, profile.inputs.T, strict=True))
    found = [_of_numbers(INPUTS, name, inputs[name], seen.inputs[name]) for name in seen.inputs]
    if seen.features.shape[1]:
        sides = (profile.features.astype(np.float32), seen.features.astype(np.float32))
        found.append(Shift(FEATURES, "features", *points_test(*sides, seed=seed)))
    output = profile.facts.output
    before, now = profile.answers, seen.answers
    for name, (old, new) in _columns(before, now, output).items():
        found.append(_of_numbers(ANSWERS, name, old, new))
    if get_task(output.task).target == CLASS:
        counts = [_counts(rows, output) for rows in (before, now)]
        found.append(Shift(ANSWERS, "classes", *counts_test(*counts)))
    return tuple(sorted(found, key=lambda one: one.p_value))


def detectable(n: int, m: int, tests: int, level: float) -> float:
    """Return which shift of a number, in standard deviations, four of five such looks notice.

    Args:
        n: Examples of the reference.
        m: New examples.
        tests: How many tests there are in all.
        level: p-value of the whole look that counts as a change.

    Reference:
        Hodges and Lehmann, 1956, "The efficiency of some nonparametric competitors of the
        t-test", for what the test loses against one that knows the shape.
    """
    normal = NormalDist()
    needed = normal.inv_cdf(1 - level / (2 * tests)) + normal.inv_cdf(POWER)
    return needed * math.sqrt((1 / n + 1 / m) / _EFFICIENCY)


def _of_numbers(family: str, name: str, before: np.ndarray, now: np.ndarray) -> Shift:
    found = ks_test(before, now)
    return Shift(family, name, *found, float(np.mean(before)), float(np.mean(now)))


def _columns(
    before: np.ndarray, now: np.ndarray, output: OutputSpec
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the numbers of the answers that are compared, by name."""
    if not output.class_names:
        return {output.name: (before[:, 0], now[:, 0])}
    # A sure model says 1.0 through one runtime and 0.9999999 through another.
    before, now = (rows.round(_DECIMALS) for rows in (before, now))
    found = {"highest score": (before.max(axis=1), now.max(axis=1))}
    likeliest = np.argsort(-before.mean(axis=0), kind="stable")[:MOST_CLASSES]
    for i in likeliest:
        found[f"score of {output.class_names[i]!r}"] = (before[:, i], now[:, i])
    return found


def _counts(answers: np.ndarray, output: OutputSpec) -> np.ndarray:
    task = get_task(output.task)
    said = Counter(task.decode(row, output).label for row in answers)
    return np.array([said[name] for name in output.class_names])
