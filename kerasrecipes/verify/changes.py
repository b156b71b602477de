"""Where an exported file and the original disagree: photo by photo, and class by class."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kerasrecipes.data.examples import NUMBER
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.evaluation.task import Answer, Task
from kerasrecipes.export.decisions import ALARM, decisions
from kerasrecipes.statistics.paired import mean_difference_interval


@dataclass(frozen=True)
class Flip:
    """A photo that the exported file calls something else than the original model does.

    Args:
        photo: Its name, or its path.
        label: What it shows.
        before: What the original model says.
        before_score: How sure it is of that, 0…1.
        after: What the file says; empty when it answers NaN or infinity.
        after_score: How sure it is of that, 0…1; 0 when it answers NaN or infinity.
    """

    photo: str
    label: str
    before: str
    before_score: float
    after: str
    after_score: float

    @property
    def lost(self) -> bool:
        """Whether the original was right, and the file is not."""
        return self.label == self.before


@dataclass(frozen=True)
class ClassChange:
    """How a class is found by the exported file and by the original model.

    Args:
        name: The class.
        photos: Number of photos that show it.
        recall: Share of them that the file finds.
        reference_recall: Share of them that the original model finds.
        interval: 95 % interval of the difference, first minus second, for paired results.
    """

    name: str
    photos: int
    recall: float
    reference_recall: float
    interval: tuple[float, float]

    @property
    def difference(self) -> float:
        """Recall of the file minus that of the original."""
        return self.recall - self.reference_recall


@dataclass(frozen=True)
class DecisionChange:
    """How an exported file acts beside the original model, at the operating point.

    Args:
        name: What is decided: `"alarm"`, `"answer"` (the class, by the model's rule),
            `"left to a person"`, or an output of the file that says one of these itself.
        photos: Number of photos.
        agreement: Share of photos on which both decide alike.
        lost: Photos on which only the original acts so; of answers, those that differ.
        gained: Photos on which only the file does.
    """

    name: str
    photos: int
    agreement: float
    lost: int
    gained: int


def compare_decisions(
    reference: np.ndarray,
    answers: np.ndarray,
    output: OutputSpec,
    decided: Mapping[str, np.ndarray],
) -> tuple[DecisionChange, ...]:
    """Compare what follows from the answers of a file and of the original.

    Args:
        reference: Answers of the original model, shape `(n, width)`.
        answers: Answers of the file; one with NaN never decides alike.
        output: What the answers are, with the operating point.
        decided: What the file says of its decisions, by the names of these outputs.
    """
    usable, found = np.isfinite(answers).all(axis=1), []
    if output.alarm is not None:
        old, new = (decisions(output, ALARM, one)[:, 0] > 0 for one in (reference, answers))
        found.append(_change(ALARM, old, new, usable))
    if output.rule is not None:
        old, new = (output.rule.decide(one) for one in (reference, answers))
        found.append(_answers_change("answer", old, new, usable))
        if output.abstains:
            found.append(_change("left to a person", old < 0, new < 0, usable))
    for name, said in decided.items():
        told = decisions(output, name, reference)
        same = ((told == said).all(axis=1), np.ones(len(said), bool))
        found.append(_answers_change(f"output '{name}'", *same, usable))
    return tuple(found)


def _change(name: str, old: np.ndarray, new: np.ndarray, usable: np.ndarray) -> DecisionChange:
    agreement = float(np.mean((old == new) & usable))
    lost, gained = int(np.sum(old & ~new)), int(np.sum(new & ~old))
    return DecisionChange(name, len(old), agreement, lost, gained)


def _answers_change(
    name: str, old: np.ndarray, new: np.ndarray, usable: np.ndarray
) -> DecisionChange:
    same = (old == new) & usable
    return DecisionChange(name, len(old), float(np.mean(same)), int(np.sum(~same)), 0)


def find_flips(
    names: Sequence[str],
    targets: np.ndarray,
    reference: np.ndarray,
    answers: np.ndarray,
    task: Task,
    output: OutputSpec,
) -> tuple[Flip, ...]:
    """List the photos that are called something else, lost ones first, then the surest first.

    Args:
        names: What the photos are called.
        targets: What they should be answered with.
        reference: Answers of the original model, shape `(n, width)`.
        answers: Answers of the file, of the same shape; may hold NaN.
        task: What the answers are for.
        output: Names of the columns.

    Returns:
        The photos; none where answers are numbers, which always differ a little.
    """
    if task.target == NUMBER:
        return ()
    flips = []
    for i in map(int, np.flatnonzero(~task.agree(reference, answers, output))):
        before = task.decode(reference[i], output)
        after = Answer("", 0.0, {})
        if np.isfinite(answers[i]).all():
            after = task.decode(answers[i], output)
        shown = _in_words(targets[i], output)
        flips.append(
            Flip(str(names[i]), shown, before.label, before.score, after.label, after.score)
        )
    return tuple(sorted(flips, key=lambda flip: (not flip.lost, -flip.before_score)))


def _in_words(target: np.ndarray, output: OutputSpec) -> str:
    """Name the class, or the labels, of one example."""
    if np.ndim(target) == 0:
        return output.class_names[int(target)]
    return ", ".join(n for n, applies in zip(output.class_names, target, strict=True) if applies)


def compare_classes(
    labels: np.ndarray,
    right: np.ndarray,
    reference_right: np.ndarray,
    class_names: Sequence[str],
    groups: np.ndarray | None = None,
) -> tuple[ClassChange, ...]:
    """Compare the recall of every class that has photos, largest loss first.

    Args:
        labels: True class indices, shape `(n,)`.
        right: Whether the file is right, per photo.
        reference_right: Whether the original model is right, per photo.
        class_names: The classes.
        groups: Number of each photo's group; `None` if they are independent.
    """
    changes = []
    for k, name in enumerate(class_names):
        if not (of_class := labels == k).any():
            continue
        found, reference = right[of_class], reference_right[of_class]
        of_groups = None if groups is None else groups[of_class]
        changes.append(
            ClassChange(
                name,
                int(of_class.sum()),
                float(found.mean()),
                float(reference.mean()),
                mean_difference_interval(found, reference, of_groups),
            )
        )
    return tuple(sorted(changes, key=lambda change: change.difference))


def finite_or_none(ends: tuple[float, float]) -> tuple[float, float] | None:
    """Return an interval, or `None` for one that is undefined."""
    return None if math.isnan(ends[0]) else ends
