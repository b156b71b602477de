"""Giving a saved model an operating point, chosen on what it says of its validation photos."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.data.specs import AbstainBand, Alarm, OutputSpec
from kerasrecipes.errors import DataError, is_number, listed, printable
from kerasrecipes.evaluation.operating.conformal import abstain_band
from kerasrecipes.evaluation.operating.costs import calibrated, cost_rule, read_costs
from kerasrecipes.evaluation.operating.decisions import DecisionResult, judge_decisions
from kerasrecipes.evaluation.operating.point import OperatingPoint
from kerasrecipes.evaluation.operating.thresholds import (
    AlarmScores,
    point_for_costs,
    point_for_false_rejects,
    point_for_recall,
)
from kerasrecipes.evaluation.scores import checked_scores, group_numbers
from kerasrecipes.file_budget import read_arrays
from kerasrecipes.regular import LARGEST_RECORD
from kerasrecipes.release.bundle import Bundle
from kerasrecipes.statistics.shown import Part, Shown, told_of
from kerasrecipes.statistics.tables import Table

VALIDATION_FILE = "validation.npz"


@dataclass(frozen=True)
class OperatedBundle(Shown):
    """A model with an operating point.

    Args:
        points: Where it raises an alarm, and what is known of that; or for each class or label,
            from which score on it is given.
        bundle: The new version of the model, without exports.
        decisions: What its rule for answers is worth on the validation photos, by which it was
            chosen.
    """

    points: tuple[OperatingPoint, ...]
    bundle: Bundle
    decisions: DecisionResult | None = None

    @property
    def point(self) -> OperatingPoint:
        """The first of the points."""
        return self.points[0]

    @property
    def met(self) -> bool:
        """Whether all that was wished for is shown to hold."""
        return all(point.met for point in self.points)

    def to_dict(self) -> dict[str, Any]:
        """Return what was chosen, and where it lies, as JSON-safe data."""
        output = self.bundle.output
        rules = {"abstain": output.abstain, "costs": output.costs}
        return {
            **(self.point.to_dict() if output.alarm is not None else {}),
            "points": [point.to_dict() for point in self.points],
            **{name: rule.model_dump(mode="json") for name, rule in rules.items() if rule},
            "decisions": None if self.decisions is None else self.decisions.to_dict(),
            "bundle": str(self.bundle.folder),
        }

    def parts(self) -> Iterator[Part]:
        """Yield the points, what they are worth, and where the model with them lies."""
        yield from told_of(self.bundle.modality.noun, self._worth())
        folder = printable(self.bundle.folder)
        yield f"Written to '{folder}', of which exports are still to be made."

    def _worth(self) -> Iterator[Part]:
        if len(self.points) > 1:
            yield from _points_as_table(self.points)
        else:
            yield from self.points
        if self.decisions is not None:
            yield self.decisions
            yield from _cautions(self.bundle.output)


def _points_as_table(points: Sequence[OperatingPoint]) -> Iterator[Part]:
    rows = tuple(
        (
            point.alarm[0],
            f"{point.threshold:.4f}",
            f"{point.recall.percent(1)}, {point.least_recall:.1%}",
            f"{point.false_rejects.percent(1)}, {point.most_false_rejects:.1%}",
            "yes" if point.met else "NOT SHOWN",
        )
        for point in points
    )
    first = points[0]
    yield f"For each by itself: {first.wish}, with {first.confidence:.0%} confidence."
    columns = ("class", "from score", "found, at least", "false alarms, at most", "shown")
    yield Table("Thresholds", columns, rows)


def _cautions(output: OutputSpec) -> Iterator[str]:
    yield "It was chosen on these photos. Measure it on others: kerasrecipes evaluate."
    band = output.abstain
    if band is not None and 0.0 in band.least:
        names = [n for n, least in zip(output.class_names, band.least, strict=True) if not least]
        yield f"Too few photos to exclude {listed(names)}: such an answer is always left open."
    if output.costs is not None and output.costs.temperature == 1.0:
        yield "Costs go by the scores as they are: too few photos to find out how honest they are."


@named
def operate_bundle(
    bundle: Bundle | str | Path,
    alarm: Sequence[str] | None = None,
    *,
    min_recall: float | None = None,
    max_false_rejects: float | None = None,
    costs: Mapping[str, float] | Sequence[Sequence[float]] | str | Path | None = None,
    abstain: float | None = None,
    per_class: bool = False,
    confidence: float = 0.95,
) -> OperatedBundle:
    """Choose from which score on a model acts, and write that as a new version of it.

    It is chosen on the validation photos, of which a bundle keeps what the model said, never on
    test photos. Predictions, exports and evaluations of the new version use it.

    Args:
        bundle: A bundle, or its folder; a model's folder stands for its latest version.
        alarm: The classes that are alarmed about, e.g. `["crack", "dent"]`. `None` for a
            threshold for each class, of which exactly one must be reached or the answer is left
            to a person; or for each label, where there may be several.
        min_recall: Share of the alarm's photos, or of those of each class, that must be found.
            Exactly one of this and the next three is given.
        max_false_rejects: Share of other photos that may raise an alarm, or be named so.
        costs: With `alarm`, `{"miss": …, "false_reject": …}`, of one photo each. Without, a table
            of costs, see `read_costs`, or its numbers: what is expected to cost least is answered.
        abstain: Share of photos to come whose right class may be excluded, e.g. 0.05; what is not
            clear then is left to a person.
        per_class: Whether `abstain` must hold for each class by itself.
        confidence: Probability that the bounds hold for photos to come.

    Returns:
        The points, also where the wish cannot be shown to hold, and the new version; print it.

    Raises:
        DataError: If the bundle keeps no answers to validation photos, has no photos of both
            kinds among them, or `costs` cannot be read.
        IntegrityError: If a file of the bundle was changed.
        ValueError: If not exactly one wish is given, a share is not between 0 and 1, a class is
            unknown, an argument would have no effect, or the model does not answer so.
        OSError: If nothing can be written.
    """
    wishes = {
        "min_recall": min_recall,
        "max_false_rejects": max_false_rejects,
        "costs": costs,
        "abstain": abstain,
    }
    given = {name: wish for name, wish in wishes.items() if wish is not None}
    if len(given) != 1:
        raise ValueError(
            f"Give exactly one of {', '.join(f'`{name}`' for name in wishes)}, received "
            f"{', '.join(f'`{name}`' for name in given) or 'none'}."
        )
    name, wish = cast(tuple[str, Any], next(iter(given.items())))
    bundle = Bundle.load(bundle)
    held = _Held.of(bundle)
    _check_wish(name, wish, alarm, per_class, held.output)
    if alarm is not None:
        return _alarmed(bundle, held, alarm, name, wish, confidence)
    if name in {"min_recall", "max_false_rejects"}:
        return _by_class(bundle, held, name, wish, confidence)
    rule = _rule(held, name, wish, per_class)
    return _with_rule(bundle, held, (), rule)


def read_validation(bundle: Bundle) -> dict[str, np.ndarray]:
    """Return `targets`, `answers` and, where they are declared, `groups` of validation photos.

    Args:
        bundle: One that keeps them, in `VALIDATION_FILE`.

    Raises:
        IntegrityError: If the file was changed.
    """
    return read_arrays(io.BytesIO(bundle.read(VALIDATION_FILE)), LARGEST_RECORD)


@dataclass(frozen=True)
class _Held:
    """What a model said of its validation photos."""

    output: OutputSpec
    scores: np.ndarray
    targets: np.ndarray
    groups: np.ndarray | None

    @classmethod
    def of(cls, bundle: Bundle) -> "_Held":
        if bundle.output.task not in {"classification", "multi_label"}:
            raise ValueError(
                f"An operating point is of a model that names classes or labels, and this one has "
                f"the task {bundle.output.task!r}."
            )
        if VALIDATION_FILE not in bundle.manifest.sha256:
            raise DataError(
                f"The bundle '{printable(bundle.folder)}' keeps no answers to validation photos: "
                "an older version wrote it, or it is the mean of models that were not chosen by "
                "the same ones. Train again."
            )
        held = read_validation(bundle)
        return cls(bundle.output, held["answers"], held["targets"], held.get("groups"))


def _check_wish(
    name: str, wish: Any, alarm: Sequence[str] | None, per_class: bool, output: OutputSpec
) -> None:
    """Refuse what does not go together, or not with the task."""
    if per_class and name != "abstain":
        raise ValueError("`per_class` has an effect on `abstain` alone. Leave it out.")
    if alarm is not None and name == "abstain":
        raise ValueError("`alarm` has no effect on `abstain`, which is about all classes.")
    if name == "costs" and (alarm is not None) != isinstance(wish, Mapping):
        raise ValueError(
            "`costs` of an `alarm` are {'miss': …, 'false_reject': …}; without `alarm` they are a "
            f"table of all classes. Received: {wish!r:.80}."
        )
    if output.task == "multi_label" and (alarm is not None or name in {"costs", "abstain"}):
        raise ValueError(
            "A model of several labels has a threshold for each label. Give `min_recall` or "
            "`max_false_rejects` alone."
        )


def _point(scores: AlarmScores, name: str, wish: Any, confidence: float) -> OperatingPoint:
    choose = {"min_recall": point_for_recall, "max_false_rejects": point_for_false_rejects}
    if name == "costs":
        return point_for_costs(scores, wish, confidence=confidence)
    return choose[name](scores, wish, confidence)


def _alarmed(
    bundle: Bundle, held: _Held, alarm: Sequence[str], name: str, wish: Any, confidence: float
) -> OperatedBundle:
    told = held.scores, held.targets, held.output.class_names
    point = _point(AlarmScores.of(*told, alarm, held.groups), name, wish, confidence)
    found = round(point.recall.value * point.positives)
    chosen = Alarm(
        classes=point.alarm, threshold=point.threshold, positives=point.positives, found=found
    )
    return OperatedBundle((point,), _changed(bundle, alarm=chosen))


def _by_class(
    bundle: Bundle, held: _Held, name: str, wish: float, confidence: float
) -> OperatedBundle:
    """Choose a threshold for each class, or label."""
    points = []
    labels = held.output.task == "multi_label"
    for k, of in enumerate(held.output.class_names):
        has = held.targets[:, k] > 0.5 if labels else held.targets == k
        scores = AlarmScores.split(held.scores[:, k].astype(np.float64), has, (of,), held.groups)
        points.append(_point(scores, name, wish, confidence))
    least = tuple(point.threshold for point in points)
    if labels:
        return OperatedBundle(tuple(points), _changed(bundle, thresholds=least))
    recall = wish if name == "min_recall" else None
    band = AbstainBand(
        least=least,
        coverage=recall,
        per_class=True,
        confidence=confidence,
        photos=len(held.targets),
    )
    return _with_rule(bundle, held, tuple(points), {"abstain": band, "costs": None})


def _rule(held: _Held, name: str, wish: Any, per_class: bool) -> dict[str, Any]:
    scores, targets, names = held.scores, held.targets, held.output.class_names
    checked_scores(targets, scores, names)
    if name == "abstain":
        if not is_number(wish, 0, 1, above=True, below=True):
            raise ValueError(f"`abstain` must be between 0 and 1, received {wish!r}.")
        band = abstain_band(scores, targets, 1 - wish, per_class=per_class, groups=held.groups)
        return {"abstain": band, "costs": None}
    if isinstance(wish, str | Path):
        rule = read_costs(wish, names)
    else:
        rule = cost_rule(np.asarray(wish, np.float64), len(names))
    return {"costs": calibrated(rule, scores, targets), "abstain": None}


def _with_rule(
    bundle: Bundle, held: _Held, points: tuple[OperatingPoint, ...], rule: dict[str, Any]
) -> OperatedBundle:
    output = held.output.model_copy(update=rule)
    groups = group_numbers(held.groups, len(held.targets))
    decisions = judge_decisions(output, held.targets, held.scores, groups)
    return OperatedBundle(points, _changed(bundle, **rule), decisions)


def _changed(bundle: Bundle, **changes: Any) -> Bundle:
    """Write a version of a model that reads its answers otherwise."""
    manifest = bundle.manifest
    first, *others = manifest.outputs
    outputs = [first.model_copy(update=changes), *others]

    def fill(folder: Path) -> dict[str, Any]:
        for name in manifest.sha256:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(bundle.read(name))
        told = {name: getattr(manifest, name) for name in type(manifest).model_fields}
        for name in ("format_version", "sha256", "size_bytes", "exports_sealed"):
            del told[name]
        parent = bundle.as_parent("the same model, which now acts from other scores on")
        return {**told, "outputs": outputs, "parents": (parent,)}

    return Bundle.write(bundle.folder.absolute().parent, fill)
