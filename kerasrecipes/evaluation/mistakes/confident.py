"""Answers that a model was sure of, and that are wrong, of any task."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasrecipes.data.examples import CLASS, NUMBER
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.evaluation.mistakes.label_errors import worst_first
from kerasrecipes.evaluation.mistakes.suspect import Suspect, in_words
from kerasrecipes.evaluation.task import Task


def mistaken(
    task: Task, targets: np.ndarray, answers: np.ndarray, output: OutputSpec
) -> np.ndarray:
    """Tell which answers are mistakes.

    Args:
        task: The task.
        targets: What the answers should be.
        answers: What the model said.
        output: What is known of the answers.

    Returns:
        bool, shape `(n,)`: any wrong class or label; of numbers, where every answer is a little
        off, those off by more than twice the usual, i.e. twice the median error.
    """
    if (right := task.right(targets, answers, output)) is not None:
        return np.asarray(~right)
    quality = task.quality(targets, answers, output)
    if task.target != NUMBER:
        return np.asarray(quality < 1)
    return np.asarray((quality < 0) & (quality < 2 * np.median(quality)))


def confident_mistakes(
    task: Task,
    labels: Sequence[Any],
    targets: np.ndarray,
    answers: np.ndarray,
    output: OutputSpec,
) -> list[Suspect]:
    """Find the mistakes that a model was surest of: wrong labels, odd examples, blind spots.

    Args:
        task: The task.
        labels: What each example is labelled with, as people wrote it.
        targets: The same as the task has it.
        answers: What the model said, one row each.
        output: What is known of the answers.

    Returns:
        All mistakes, the surest first: by the log-loss, or by how far a number is off.
    """
    rows = np.flatnonzero(mistaken(task, targets, answers, output))
    if not len(rows):
        return []
    cost = task.cost(targets[rows], answers[rows], output)
    # As a share: of a log-loss what the true answer's score lacks, of an error beside the worst.
    scores = cost / max(cost.max(), 1e-12) if task.target == NUMBER else 1 - np.exp(-cost)
    found = []
    for i, score in zip(rows.tolist(), np.clip(scores, 0, 1).tolist(), strict=True):
        said = task.decode(answers[i], output)
        words: Any = said.label if said.labels is None else said.labels
        sure = f", {said.score:.0%} sure" if task.target == CLASS else ""
        suggestion = in_words(said.score if task.target == NUMBER else words, output.unit)
        found.append(
            Suspect(
                kind="confident_mistake",
                index=i,
                score=score,
                label=in_words(labels[i], output.unit),
                suggestion=suggestion,
                reason=f"the model says {suggestion}{sure}",
            )
        )
    return worst_first(found)
