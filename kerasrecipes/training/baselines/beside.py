"""The simple model that a fitted one must beat, measured beside it on the same test."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasrecipes.data.examples import CLASS
from kerasrecipes.evaluation.base import Result
from kerasrecipes.evaluation.scores import group_numbers
from kerasrecipes.heads import get_task
from kerasrecipes.statistics.paired import mean_difference_interval
from kerasrecipes.training.recipe import Recipe


@dataclass(frozen=True)
class Baseline:
    """What the simple model says.

    Args:
        answers: Class probabilities, float64, shape `(n, classes)`.
        seconds: What its fit and its answers took.
        called: What it is.
    """

    answers: np.ndarray
    seconds: float
    called: str


# From examples with one class each, of which every class occurs, and others of the same classes.
Fit = Callable[[Any, Any], Baseline]


def compare_with(fit: Fit, recipe: Recipe, train: Any, test: Any) -> Result:
    """Measure the simple model beside a fitted one, and note the difference in its report.

    Args:
        fit: Lets the simple model learn from examples, and asks it about others.
        recipe: The fitted recipe, which was measured on `test` as the split `"test"`.
        train: Examples that it learned from.
        test: The test.

    Returns:
        The evaluation of the recipe, with a note where examples have one class each.
    """
    evaluation = recipe.report_.evaluations["test"]
    if train.target == CLASS:
        answers = recipe.fitted_.held_out["test"].answers
        note = baseline_note(fit, recipe, train, test, answers)
        evaluation = evaluation.noted(note)
        recipe.report_.evaluations["test"] = evaluation
    return evaluation


def baseline_note(fit: Fit, recipe: Recipe, train: Any, test: Any, answers: np.ndarray) -> str:
    """Say how a model does beside the simple one.

    Args:
        fit: Lets the simple model learn.
        recipe: The recipe, for its task.
        train: Examples with one class each.
        test: Examples that neither has learned from.
        answers: What the model says of them.
    """
    simple, noun = fit(train, test), train.noun[1]
    output, task = recipe.output_, get_task(recipe.output_.task)
    targets = task.targets(test, output)
    # 1 where the class is right, else 0.
    ours, theirs = (task.quality(targets, one, output) for one in (answers, simple.answers))
    groups = group_numbers(test.groups, len(test))
    low, high = mean_difference_interval(ours, theirs, groups)
    better = 100 * (ours.mean() - theirs.mean())
    verdict = (
        ""
        if low > 0
        else " It is not shown to be worse than this model, and far smaller and faster: prefer it, "
        f"or show more {noun} to both."
    )
    return (
        f"{simple.called}, learned from the same {len(train):,} {noun} in {simple.seconds:.0f} s, "
        f"has an accuracy of {100 * theirs.mean():.1f}% on these; this model is {better:+.1f} "
        f"points off that (95% interval {100 * low:+.1f} to {100 * high:+.1f}).{verdict}"
    )
