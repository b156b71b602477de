"""What decides between two models, row by row: in all, at the operating point, and per class."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasrecipes.data.examples import CLASS, LABELS
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.evaluation.task import Task
from kerasrecipes.statistics.paired_change import PairedChange, holm_adjusted


@dataclass(frozen=True)
class Answers:
    """What one model said of examples, and how that is read."""

    output: OutputSpec
    scores: np.ndarray


@dataclass(frozen=True)
class PairedMeasures:
    """How two models differ on the same examples; the p-values of each family are corrected.

    Args:
        whole: Quality in all, then, if both have one, at their operating points.
        classes: For each class or label.
    """

    whole: tuple[PairedChange, ...]
    classes: tuple[PairedChange, ...]


def paired_measures(
    task: Task,
    targets: np.ndarray,
    before: Answers,
    after: Answers,
    groups: np.ndarray | None = None,
) -> PairedMeasures:
    """Compare two models at all that decides between them.

    Args:
        task: What both answer.
        targets: What they should say.
        before, after: What they said, with their columns in the same order.
        groups: Number of each example's group; `None` if they are independent.
    """
    compared = _Compared(task, targets, before, after, groups)
    whole = [compared.quality(), *compared.alarms(), *compared.rules()]
    classes = compared.labels() if task.target == LABELS else compared.classes()
    return PairedMeasures(holm_adjusted(whole), holm_adjusted(list(classes)))


@dataclass(frozen=True)
class _Compared:
    task: Task
    targets: np.ndarray
    before: Answers
    after: Answers
    groups: np.ndarray | None

    def _change(
        self,
        name: str,
        values: Sequence[np.ndarray],
        rows: np.ndarray | None = None,
        **meaning: Any,
    ) -> Iterator[PairedChange]:
        """Yield the change on some rows, if there are any."""
        rows = np.ones(len(self.targets), bool) if rows is None else rows
        if rows.any():
            groups = None if self.groups is None else self.groups[rows]
            before, after = values
            yield PairedChange.of(name, before[rows], after[rows], groups, **meaning)

    def quality(self) -> PairedChange:
        task, sides = self.task, (self.before, self.after)
        good = [task.quality(self.targets, one.scores, one.output) for one in sides]
        meaning: dict[str, Any] = {
            "higher_is_better": not task.is_error,
            "is_share": task.quality_name.endswith("accuracy"),
            "unit": task.unit(self.before.output),
        }
        shown = [-one if task.is_error else one for one in good]
        (found,) = self._change(task.quality_name, shown, **meaning)
        return found

    def alarms(self) -> Iterator[PairedChange]:
        """Compare each at its own threshold."""
        raised = self._raised()
        if raised is not None:
            is_alarm = np.isin(self.targets, self._alarm_classes())
            yield from self._change("recall at the operating point", raised, is_alarm)
            name = "false alarms at the operating point"
            yield from self._change(name, raised, ~is_alarm, higher_is_better=False)

    def rules(self) -> Iterator[PairedChange]:
        """Compare what each answers by its own rule, where at least one has any."""
        outputs = [one.output for one in (self.before, self.after)]
        if not any(output.rule for output in outputs):
            return
        said = [self.task.classes(one.scores, one.output) for one in (self.before, self.after)]
        answers = [one for one in said if one is not None]
        wrong = [(one >= 0) & (one != self.targets) for one in answers]
        yield from self._change("answered wrongly", wrong, higher_is_better=False)
        if any(output.abstains for output in outputs):
            left = [one < 0 for one in answers]
            yield from self._change("left to a person", left, higher_is_better=False)
        first, second = (output.costs for output in outputs)
        if first and second and np.array_equal(first.matrix(), second.matrix()):
            paid = [first.paid(self.targets, one) for one in answers]
            yield from self._change("mean cost", paid, higher_is_better=False, is_share=False)

    def classes(self) -> Iterator[PairedChange]:
        """Compare the recall of each class, and at the operating point, too."""
        if self.task.target != CLASS:
            return
        names, sides = self.before.output.class_names, (self.before, self.after)
        right = [self.task.right(self.targets, one.scores, one.output) for one in sides]
        raised, alarms = self._raised(), self._alarm_classes()
        for k, name in enumerate(names):
            rows = self.targets == k
            yield from self._change(f"{name}: found", [r for r in right if r is not None], rows)
            if raised is not None:
                wanted = k in alarms
                said = "alarm" if wanted else "false alarm"
                yield from self._change(f"{name}: {said}", raised, rows, higher_is_better=wanted)

    def labels(self) -> Iterator[PairedChange]:
        """Compare for each label how often it is found, and how often named wrongly."""
        given = [self.task.given(one.scores, one.output) for one in (self.before, self.after)]
        for k, name in enumerate(self.before.output.class_names):
            has = self.targets[:, k] > 0.5
            said = [one[:, k] for one in given if one is not None]
            yield from self._change(f"{name}: found", said, has)
            yield from self._change(f"{name}: named wrongly", said, ~has, higher_is_better=False)

    def _alarm_classes(self) -> list[int]:
        alarm = self.before.output.alarm
        names = self.before.output.class_names
        return [] if alarm is None else [i for i, name in enumerate(names) if name in alarm.classes]

    def _raised(self) -> list[np.ndarray] | None:
        sides = (self.before, self.after)
        alarms = [one.output.alarm for one in sides]
        if {None} & {*alarms} or len({frozenset(one.classes) for one in alarms if one}) > 1:
            return None
        return [
            one.output.alarm.raised(one.scores, one.output.class_names)
            for one in sides
            if one.output.alarm is not None
        ]
