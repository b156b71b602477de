"""What an exported file and the original say about the same examples, in numbers."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from kerasrecipes.data.examples import NUMBER
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.evaluation.task import Task
from kerasrecipes.heads import get_task
from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.statistics.intervals import bootstrap_interval, units_of
from kerasrecipes.statistics.paired import (
    bootstrap_difference,
    mcnemar_p_value,
    mean_difference_interval,
    sign_flip_p_value,
)
from kerasrecipes.statistics.shares import share_of
from kerasrecipes.verify.changes import (
    compare_classes,
    compare_decisions,
    find_flips,
    finite_or_none,
)
from kerasrecipes.verify.held_out import Answered


def compare(
    answers: np.ndarray,
    held_out: Answered,
    output: OutputSpec,
    decided: Mapping[str, np.ndarray] | None = None,
) -> dict[str, Any]:
    """Compare the answers of a file with those of the original.

    Args:
        answers: What the file says, shape `(n, width)`; may hold NaN.
        held_out: The examples, with what the original says.
        output: What the answers are.
        decided: What the file says of its decisions, by the names of these outputs.

    Returns:
        The fields of a `Verification` that tell of answers.
    """
    task, reference = get_task(output.task), held_out.answers
    unit = task.gap_unit(reference)
    return {
        "photos": len(reference),
        "agreement": float(np.mean(task.agree(reference, answers, output))),
        **score_gaps(answers, reference, task),
        "task": task.name,
        "unit": output.unit,
        "drop_unit": unit,
        "groups": units_of(held_out.groups),
        **_quality(answers, held_out, task, output),
        **_rights(answers, held_out, task, output),
        "flips": find_flips(
            held_out.names, held_out.targets, reference, answers, task, output.without_rule()
        ),
        "decisions": compare_decisions(reference, answers, output, decided or {}),
    }


def score_gaps(answers: np.ndarray, reference: np.ndarray, task: Task) -> dict[str, Any]:
    """Return how far the answers of a file lie from others, by the names of a `Verification`.

    Args:
        answers: What the file says, shape `(n, width)`; rows with NaN are left out.
        reference: What the original says, of the same shape.
        task: What the answers are for.
    """
    gaps = np.abs(answers - reference).max(axis=1)
    gaps = gaps[np.isfinite(gaps)] / task.gap_unit(reference)
    mean = None if task.target == NUMBER or not gaps.size else float(gaps.mean())
    return {"largest_gap": float(gaps.max(initial=0.0)), "mean_gap": mean}


def mean_quality(quality: np.ndarray, groups: np.ndarray | None = None) -> Estimate:
    """Return the mean of `Task.quality` with its 95 % interval.

    Args:
        quality: How good each answer is, at least one.
        groups: Number of each one's group; `None` if they are independent.
    """
    known = np.isfinite(quality)
    groups = None if groups is None else np.unique(groups[known], return_inverse=True)[1]
    quality = quality[known]
    if np.isin(quality, (0, 1)).all():
        return share_of(quality, groups)
    return Estimate(quality.mean(), *bootstrap_interval(np.mean, quality, groups=groups))


def _quality(
    answers: np.ndarray, held_out: Answered, task: Task, output: OutputSpec
) -> dict[str, Any]:
    good = task.quality(held_out.targets, answers, output)
    before = task.quality(held_out.targets, held_out.answers, output)
    # A number of NaN is infinitely wrong, of which there is no mean; it is told by itself.
    known = np.isfinite(good)
    good, before = good[known], before[known]
    groups = (
        None
        if held_out.groups is None
        else np.unique(held_out.groups[known], return_inverse=True)[1]
    )
    mean, mean_before = (float(np.mean(one)) if len(one) else 0.0 for one in (good, before))
    found = {
        "accuracy": mean,
        "reference_accuracy": mean_before,
        "accuracy_difference": mean - mean_before,
    }
    is_right = np.isin(good, (0, 1)).all() and np.isin(before, (0, 1)).all()
    interval, bootstrap = (0.0, 0.0), None
    if len(good) > 1 or (is_right and len(good)):
        interval = mean_difference_interval(good, before, groups)
    if is_right and len(good):
        drawn = bootstrap_difference(good.astype(bool), before.astype(bool), groups=groups)
        bootstrap = finite_or_none(drawn)
    return {**found, "difference_interval": interval, "difference_bootstrap": bootstrap}


def _rights(
    answers: np.ndarray, held_out: Answered, task: Task, output: OutputSpec
) -> dict[str, Any]:
    """Tell which photos were lost and gained, and of which classes, where there are classes."""
    targets = held_out.targets
    right = task.right(targets, answers, output)
    before = task.right(targets, held_out.answers, output)
    if right is None or before is None:
        return {}
    lost, gained = int(np.sum(before & ~right)), int(np.sum(right & ~before))
    groups = held_out.groups
    p = mcnemar_p_value(lost, gained)
    if groups is not None:
        p = sign_flip_p_value(right.astype(int) - before, groups)
    return {
        "lost": lost,
        "gained": gained,
        "mcnemar_p": p,
        "classes": compare_classes(targets, right, before, output.class_names, groups),
    }
