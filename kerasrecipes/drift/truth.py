"""Whether answers are still as good as promised, once their truth is known."""

import math
from statistics import NormalDist

import numpy as np

from kerasrecipes.data.examples import CLASS
from kerasrecipes.drift.observed import Observed
from kerasrecipes.drift.profile import ReferenceProfile
from kerasrecipes.drift.shift import LABELS, POWER, Shift
from kerasrecipes.heads import get_task
from kerasrecipes.statistics.clustered import clustered_error
from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.statistics.shares import share_of
from kerasrecipes.statistics.two_sample import counts_test, ks_test, lower_mean_test

# How far the mean of what is right, less how sure the model was, has fallen.
HONESTY = "accuracy less confidence"


def compare_truth(profile: ReferenceProfile, seen: Observed, seed: int = 0) -> tuple[Shift, ...]:
    """Compare how good answers are with how good they were on the reference.

    Of new examples whose groups are known, each group counts once: with its mean, and with the
    truth of one example.

    Args:
        profile: The reference, whose quality is the promise.
        seen: New examples with targets, as `ReferenceProfile.sketched` returns them.
        seed: Seed of what is drawn.

    Returns:
        One entry for each test, the least likely first: whether the quality fell, whether the
        model became surer than it is right, and whether the truth has another distribution.
    """
    task, output = get_task(profile.facts.output.task), profile.facts.output
    sides = [(np.asarray(one.targets), one.answers) for one in (profile, seen)]
    groups = seen.clusters
    quality = [task.quality(*side, output) for side in sides]
    found = [_fallen(task.quality_name, quality, seed, groups)]
    truths = [targets for targets, _ in sides]
    if groups is not None:
        truths[1] = truths[1][np.unique(groups, return_index=True)[1]]
    if task.target == CLASS:
        sure = [answers.max(axis=1) for _, answers in sides]
        honest = [q - p for q, p in zip(quality, sure, strict=True)]
        found.append(_fallen(HONESTY, honest, seed, groups))
        count = len(output.class_names)
        counts = [np.bincount(one.astype(int), minlength=count) for one in truths]
        found.append(Shift(LABELS, "true classes", *counts_test(*counts)))
    elif truths[0].ndim == 1:
        means = (float(np.mean(one)) for one in truths)
        found.append(Shift(LABELS, "truth", *ks_test(*truths), *means))
    return tuple(sorted(found, key=lambda one: one.p_value))


def _fallen(name: str, sides: list[np.ndarray], seed: int, groups: np.ndarray | None) -> Shift:
    means = (float(np.mean(one)) for one in sides)
    reference, window = sides
    if groups is not None:
        window = np.bincount(groups, window) / np.bincount(groups)
    return Shift(LABELS, name, *lower_mean_test(reference, window, seed=seed), *means)


def quality_of(profile: ReferenceProfile, seen: Observed) -> Estimate:
    """Return the mean quality of answers whose truth is known, with its interval of 95 %."""
    task, output = get_task(profile.facts.output.task), profile.facts.output
    found = task.quality(np.asarray(seen.targets), seen.answers, output)
    mean, groups = float(np.mean(found)), seen.clusters
    if task.target == CLASS:
        return share_of(found, groups)
    error = float(np.std(found)) / math.sqrt(len(found))
    if groups is not None:
        error = clustered_error(found, groups)
    error *= 1.96
    return Estimate(mean, mean - error, mean + error)


def detectable_fall(profile: ReferenceProfile, m: int, tests: int, level: float) -> float:
    """Return which fall of the mean quality four of five such looks notice.

    Args:
        profile: The reference.
        m: New examples.
        tests: How many tests there are in all.
        level: p-value of the whole look that counts as a change.
    """
    task, normal = get_task(profile.facts.output.task), NormalDist()
    quality = task.quality(profile.targets, profile.answers, profile.facts.output)
    needed = normal.inv_cdf(1 - level / tests) + normal.inv_cdf(POWER)
    return needed * float(np.std(quality)) * math.sqrt(1 / len(profile) + 1 / m)
