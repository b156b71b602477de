"""What a rule is worth that leaves answers to a person, or goes by costs, on photos with labels."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasrecipes.data.specs import AbstainBand, CostRule, OutputSpec
from kerasrecipes.evaluation.scores import top_classes
from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.statistics.paired_change import PairedChange
from kerasrecipes.statistics.shares import share_of
from kerasrecipes.statistics.shown import Part, Shown, of_groups
from kerasrecipes.statistics.tables import Table


@dataclass(frozen=True)
class ClassDecisions:
    """What becomes of the photos of one class.

    Args:
        name: The class.
        photos: How many there are.
        abstained: Share that is left to a person.
        accuracy: Of the others, the share that is right.
        kept_open: Share whose right class is left open, where a band decides; else NaN.
    """

    name: str
    photos: int
    abstained: Estimate
    accuracy: Estimate
    kept_open: Estimate


@dataclass(frozen=True)
class DecisionResult(Shown):
    """A rule beside the top class, on the same photos. Shares have 95 % intervals.

    Args:
        photos: Number of photos.
        groups: Number of groups that they are of, by which intervals go; `None` if there are none.
        abstained: Share of photos that are left to a person.
        accuracy: Share of the others that are right.
        wrong: Share of all photos that are answered, and wrongly.
        top_accuracy: Share of all photos whose top class is right.
        classes: For each class.
        kept_open: Share of photos whose right class is left open, where a band decides.
        promise: What was promised of that share; `None` if nothing was.
        cost: The mean cost of a photo by the rule beside that of the top class, where costs decide.
    """

    photos: int
    groups: int | None
    abstained: Estimate
    accuracy: Estimate
    wrong: Estimate
    top_accuracy: Estimate
    classes: tuple[ClassDecisions, ...]
    kept_open: Estimate | None = None
    promise: float | None = None
    cost: PairedChange | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as JSON-safe data; each estimate is `[value, low, high]`."""
        classes = [_plain(vars(one)) for one in self.classes]
        cost = None if self.cost is None else self.cost.to_dict()
        return {**_plain(vars(self)), "classes": classes, "cost": cost}

    def parts(self) -> Iterator[Part]:
        """Yield what is left to a person, what the rest is worth, and what it costs."""
        photos = f"{self.photos:,} photos{of_groups(self.groups)}"
        if self.abstained.value or self.kept_open is not None:
            yield (
                f"Leaves {self.abstained.percent(1)} of {photos} to a person. Of the rest "
                f"{self.accuracy.percent(1)} are right, and of all {self.wrong.percent(1)} are "
                f"answered wrongly; the top class is right for {self.top_accuracy.percent(1)}."
            )
        else:
            yield (
                f"Right for {self.accuracy.percent(1)} of {photos}; the top class is for "
                f"{self.top_accuracy.percent(1)}."
            )
        if self.kept_open is not None:
            told = "" if self.promise is None else f"; promised: {self.promise:.1%}"
            yield f"Leaves the right class open for {self.kept_open.percent(1)}{told}."
        if self.cost is not None:
            before, after, change = self.cost.written()
            yield (
                f"Costs {after} a photo instead of {before} by the top class: {change}, "
                f"p = {self.cost.p_value:.2g}."
            )
        yield self._table()

    def _table(self) -> Table:
        band = self.kept_open is not None
        rows = tuple(
            (
                one.name,
                f"{one.photos:,}",
                one.abstained.percent(),
                one.accuracy.percent(),
                *([one.kept_open.percent()] if band else []),
            )
            for one in self.classes
        )
        columns = ("class", "photos", "left to a person", "right of the rest")
        return Table(
            "Decisions", (*columns, *(["right class open"] if band else [])), rows, right=(1,)
        )


def judge_decisions(
    output: OutputSpec, targets: np.ndarray, scores: np.ndarray, groups: np.ndarray | None = None
) -> DecisionResult | None:
    """Judge the rule by which a classifier answers.

    Args:
        output: What it answers with.
        targets: Index of the right class, shape `(n,)`, n ≥ 1.
        scores: Probabilities, shape `(n, classes)`.
        groups: Number of each photo's group, from 0; `None` if they are independent.

    Returns:
        The result; `None` if the top class is answered.
    """
    rule = output.rule
    if rule is None:
        return None
    said = rule.decide(scores)
    band = rule if isinstance(rule, AbstainBand) else None
    kept = np.ones(len(targets), bool)
    if band is not None:
        kept = band.open_classes(scores)[np.arange(len(targets)), targets]

    def share(of: np.ndarray, rows: np.ndarray) -> Estimate:
        return share_of(of[rows], None if groups is None else groups[rows])

    everything = np.ones(len(targets), bool)
    classes = tuple(
        ClassDecisions(
            name,
            int(rows.sum()),
            share(said < 0, rows),
            share(said == targets, rows & (said >= 0)),
            share(kept, rows) if band is not None else Estimate(np.nan),
        )
        for k, name in enumerate(output.class_names)
        for rows in [targets == k]
    )
    return DecisionResult(
        photos=len(targets),
        groups=None if groups is None else int(groups.max()) + 1,
        abstained=share(said < 0, everything),
        accuracy=share(said == targets, said >= 0),
        wrong=share((said >= 0) & (said != targets), everything),
        top_accuracy=share(top_classes(scores) == targets, everything),
        classes=classes,
        kept_open=None if band is None else share(kept, everything),
        promise=None if band is None else band.coverage,
        cost=_cost(rule, targets, scores, groups) if isinstance(rule, CostRule) else None,
    )


def _cost(
    rule: CostRule, targets: np.ndarray, scores: np.ndarray, groups: np.ndarray | None
) -> PairedChange:
    before, after = (
        rule.paid(targets, said) for said in (top_classes(scores), rule.decide(scores))
    )
    meaning: dict[str, Any] = {"higher_is_better": False, "is_share": False}
    return PairedChange.of("mean cost", before, after, groups, **meaning)


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    return {k: v.to_list() if isinstance(v, Estimate) else v for k, v in fields.items()}
