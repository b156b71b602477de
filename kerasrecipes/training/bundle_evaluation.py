"""Measuring a saved model on photos, leaving out those that it has learned from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kerasrecipes.arguments import named
from kerasrecipes.data.examples import Examples
from kerasrecipes.data.specs import Alarm, OutputSpec
from kerasrecipes.evaluation.base import Result
from kerasrecipes.evaluation.operating.decisions import DecisionResult, judge_decisions
from kerasrecipes.evaluation.operating.point import OperatingPoint
from kerasrecipes.evaluation.operating.thresholds import AlarmScores, stated_recall
from kerasrecipes.evaluation.scores import group_numbers
from kerasrecipes.evaluation.slices.columns import known_columns
from kerasrecipes.evaluation.slices.slicing import SliceReport, evaluate_slices
from kerasrecipes.heads import get_task
from kerasrecipes.release.bundle import Bundle
from kerasrecipes.statistics.shown import Part, Shown, Told
from kerasrecipes.training.fitted import HeldOut, measure


@dataclass(frozen=True)
class BundleEvaluation(Shown):
    """A saved model's result on photos.

    Args:
        evaluation: The result.
        left_out: Photos that were left out since the model was trained or chosen on them.
        point: What its operating point is worth on these photos, if it has one.
        slices: How good it is on slices of them, if any were asked for.
        decisions: What its rule for answers is worth on them, if it has one.
    """

    evaluation: Result
    left_out: int
    point: OperatingPoint | None = None
    slices: SliceReport | None = None
    decisions: DecisionResult | None = None

    def to_dict(self) -> dict:
        """Return the result as JSON-safe data."""
        point = {} if self.point is None else {"operating_point": self.point.to_dict()}
        rule = {} if self.decisions is None else {"decisions": self.decisions.to_dict()}
        slices = {} if self.slices is None else {"slices": self.slices.to_dict()}
        told = {**point, **rule, **slices}
        return {**self.evaluation.to_dict(), "left_out": self.left_out, **told}

    def parts(self) -> Iterator[Part]:
        """Yield how many photos were left out, and the result."""
        noun = "photo" if self.evaluation.item == "example" else self.evaluation.item
        if self.left_out:
            yield f"{self.left_out} {noun}s are left out: the model was trained or chosen on them."
        yield self.evaluation
        for more in (self.point, self.decisions, self.slices):
            if more is not None:
                yield ""
                yield Told((noun, f"{noun}s"), more)


@named
def evaluate_bundle(
    bundle: Bundle | str | Path, photos: Examples | str | Path, *, slices: Sequence[str] = ()
) -> BundleEvaluation:
    """Measure a saved model on the photos that it has not seen.

    Args:
        bundle: A bundle, or its folder; a model's folder stands for its latest version.
        photos: A scanned set, or a folder or table; see `scan_photos`. Where a test split is
            declared, only that is used.
        slices: What to cut the photos by, to see where the model is worse: columns of the table;
            `"label"`, `"group"` or `"time"`; or what is measured of each photo, e.g.
            `"brightness"` or `"sharpness"`. See `kerasrecipes.evaluation.evaluate_slices`.

    Returns:
        The result; print it.

    Raises:
        DataError: If no photo is left, classes are unknown to the model, or there is nothing by
            the name of a slice.
        IntegrityError: If a file of the bundle was changed.
    """
    from kerasrecipes.verify.held_out import unseen_photos

    bundle = Bundle.load(bundle)
    chosen, left_out = unseen_photos(bundle, photos)
    output, columns = bundle.output, _columns(bundle, chosen, slices)
    seed = bundle.manifest.seeds.get("seed", 0)
    _, held_out, evaluation = measure(bundle.load_model(), chosen, output, seed)
    point, answers, targets = None, held_out.answers, held_out.targets
    if output.alarm is not None:
        scores = answers, targets, output.class_names, output.alarm.classes
        point = _point(AlarmScores.of(*scores, chosen.groups), output.alarm)
    groups = group_numbers(chosen.groups, len(chosen))
    decisions = judge_decisions(output, targets, answers, groups)
    cut = _sliced(held_out, columns, output) if slices else None
    return BundleEvaluation(evaluation, left_out, point, cut, decisions)


def _columns(
    bundle: Bundle, examples: Examples, names: Sequence[str]
) -> dict[str, Sequence[object] | None]:
    """Return what to cut by, `None` for what is measured of each example while it is answered."""
    if isinstance(names, str):
        raise ValueError(f"`slices` must be a list of columns, e.g. [{names!r}], not {names!r}.")
    if not names:
        return {}
    measured = bundle.modality.measure(next(iter(examples.each(bundle.input.shape))))
    known = known_columns(examples, names, measured)
    return {name: known.get(name) for name in names}


def _sliced(
    held_out: HeldOut, columns: Mapping[str, Sequence[object] | None], output: OutputSpec
) -> SliceReport:
    task, seen = get_task(output.task), held_out.seen
    measured = {} if seen is None else seen.inputs
    quality = task.quality(held_out.targets, held_out.answers, output)
    return evaluate_slices(
        -quality if task.is_error else quality,
        {name: list(measured[name]) if one is None else one for name, one in columns.items()},
        groups=held_out.examples.groups,
        quality_name=task.quality_name,
        higher_is_better=not task.is_error,
    )


def _point(scores: AlarmScores, alarm: Alarm) -> OperatingPoint:
    """Measure an alarm beside what validation photos promised of it."""
    point = scores.point(alarm.threshold)
    if not alarm.positives:
        return point
    return replace(point, stated=stated_recall(alarm.found, alarm.positives, len(scores.positive)))
