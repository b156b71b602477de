"""Measuring a saved model on photos, leaving out those that it has learned from."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kerasrecipes.arguments import named
from kerasrecipes.data.examples import Examples
from kerasrecipes.evaluation.base import Result
from kerasrecipes.evaluation.operating.point import OperatingPoint
from kerasrecipes.evaluation.operating.thresholds import AlarmScores
from kerasrecipes.release.bundle import Bundle
from kerasrecipes.statistics.shown import Part, Shown


@dataclass(frozen=True)
class BundleEvaluation(Shown):
    """A saved model's result on photos.

    Args:
        evaluation: The result.
        left_out: Photos that were left out since the model was trained or chosen on them.
        point: What its operating point is worth on these photos, if it has one.
    """

    evaluation: Result
    left_out: int
    point: OperatingPoint | None = None

    def to_dict(self) -> dict:
        """Return the result as JSON-safe data."""
        point = {} if self.point is None else {"operating_point": self.point.to_dict()}
        return {**self.evaluation.to_dict(), "left_out": self.left_out, **point}

    def parts(self) -> Iterator[Part]:
        """Yield how many photos were left out, and the result."""
        if self.left_out:
            yield f"{self.left_out} photos are left out: the model was trained or chosen on them."
        yield self.evaluation
        if self.point is not None:
            yield ""
            yield self.point


@named
def evaluate_bundle(bundle: Bundle | str | Path, photos: Examples | str | Path) -> BundleEvaluation:
    """Measure a saved model on the photos that it has not seen.

    Args:
        bundle: A bundle, or its folder; a model's folder stands for its latest version.
        photos: A scanned set, or a folder or table; see `scan_photos`. Where a test split is
            declared, only that is used.

    Returns:
        The result; print it.

    Raises:
        DataError: If no photo is left, or classes are unknown to the model.
        IntegrityError: If a file of the bundle was changed.
    """
    from kerasrecipes.training.fitted import measure
    from kerasrecipes.verify.held_out import unseen_photos

    bundle = Bundle.load(bundle)
    chosen, left_out = unseen_photos(bundle, photos)
    seed = bundle.manifest.seeds.get("seed", 0)
    output = bundle.output
    _, held_out, evaluation = measure(bundle.load_model(), chosen, output, seed)
    if output.alarm is None:
        return BundleEvaluation(evaluation, left_out)
    scores = held_out.answers, held_out.targets, output.class_names, output.alarm.classes
    point = AlarmScores.of(*scores, chosen.groups).point(output.alarm.threshold)
    return BundleEvaluation(evaluation, left_out, point)
