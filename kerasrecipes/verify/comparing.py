"""What an exported file and the original say about the same examples, in numbers."""

from typing import Any

import numpy as np

from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.evaluation.task import Task
from kerasrecipes.heads import get_task
from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.statistics.intervals import (
    bootstrap_interval,
    paired_difference_interval,
    wilson_interval,
)
from kerasrecipes.statistics.paired import bootstrap_difference, mcnemar_p_value
from kerasrecipes.verify.changes import compare_classes, find_flips, finite_or_none
from kerasrecipes.verify.held_out import Answered


def compare(answers: np.ndarray, held_out: Answered, output: OutputSpec) -> dict[str, Any]:
    """Compare the answers of a file with those of the original.

    Args:
        answers: What the file says, shape `(n, width)`; may hold NaN.
        held_out: The examples, with what the original says.
        output: What the answers are.

    Returns:
        The fields of a `Verification` that tell of answers.
    """
    task, reference = get_task(output.task), held_out.answers
    finite = np.isfinite(answers).all(axis=1)
    gaps = np.abs(answers[finite] - reference[finite])
    unit = task.gap_unit(reference)
    return {
        "photos": len(reference),
        "agreement": float(np.mean(task.agree(reference, answers, output))),
        "largest_gap": float(gaps.max()) / unit if gaps.size else 0.0,
        "task": task.name,
        "unit": output.unit,
        "drop_unit": unit,
        **_quality(answers, held_out, task, output),
        **_rights(answers, held_out, task, output),
        "flips": find_flips(held_out.names, held_out.targets, reference, answers, task, output),
    }


def mean_quality(quality: np.ndarray) -> Estimate:
    """Return the mean of `Task.quality` with its 95 % interval.

    Args:
        quality: How good each answer is, at least one.
    """
    known = quality[np.isfinite(quality)]
    if np.isin(known, (0, 1)).all():
        return Estimate(quality.mean(), *wilson_interval(int(known.sum()), len(known)))
    return Estimate(float(known.mean()), *bootstrap_interval(np.mean, known))


def _quality(
    answers: np.ndarray, held_out: Answered, task: Task, output: OutputSpec
) -> dict[str, Any]:
    good = task.quality(held_out.targets, answers, output)
    before = task.quality(held_out.targets, held_out.answers, output)
    # A number of NaN is infinitely wrong, of which there is no mean; it is told by itself.
    known = np.isfinite(good)
    good, before = good[known], before[known]
    mean, mean_before = (float(np.mean(one)) if len(one) else 0.0 for one in (good, before))
    found = {
        "accuracy": mean,
        "reference_accuracy": mean_before,
        "accuracy_difference": mean - mean_before,
    }
    is_right = np.isin(good, (0, 1)).all() and np.isin(before, (0, 1)).all()
    if is_right and len(good):
        interval = paired_difference_interval(good.astype(bool), before.astype(bool))
        bootstrap = finite_or_none(bootstrap_difference(good.astype(bool), before.astype(bool)))
    else:
        interval = bootstrap_interval(np.mean, good - before) if len(good) > 1 else (0.0, 0.0)
        bootstrap = None
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
    return {
        "lost": lost,
        "gained": gained,
        "mcnemar_p": mcnemar_p_value(lost, gained),
        "classes": compare_classes(targets, right, before, output.class_names),
    }
