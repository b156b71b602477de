"""Giving a saved model an operating point, chosen on what it says of its validation photos."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasrecipes.arguments import named
from kerasrecipes.data.specs import Alarm
from kerasrecipes.errors import DataError, printable
from kerasrecipes.evaluation.operating.point import OperatingPoint
from kerasrecipes.evaluation.operating.thresholds import (
    AlarmScores,
    point_for_costs,
    point_for_false_rejects,
    point_for_recall,
)
from kerasrecipes.file_budget import read_arrays
from kerasrecipes.regular import LARGEST_RECORD
from kerasrecipes.release.bundle import Bundle
from kerasrecipes.statistics.shown import Part, Shown

VALIDATION_FILE = "validation.npz"


@dataclass(frozen=True)
class OperatedBundle(Shown):
    """A model with an operating point.

    Args:
        point: Where it raises an alarm, and what is known of that.
        bundle: The new version of the model, without exports.
    """

    point: OperatingPoint
    bundle: Bundle

    def to_dict(self) -> dict[str, Any]:
        """Return what was chosen, and where it lies, as JSON-safe data."""
        return {**self.point.to_dict(), "bundle": str(self.bundle.folder)}

    def parts(self) -> Iterator[Part]:
        """Yield the point, and where the model with it lies."""
        yield self.point
        folder = printable(self.bundle.folder)
        yield f"Written to '{folder}', of which exports are still to be made."


@named
def operate_bundle(
    bundle: Bundle | str | Path,
    alarm: Sequence[str],
    *,
    min_recall: float | None = None,
    max_false_rejects: float | None = None,
    costs: Mapping[str, float] | None = None,
    confidence: float = 0.95,
) -> OperatedBundle:
    """Choose from which score on a model raises an alarm, and write that as a new version of it.

    It is chosen on the validation photos, of which a bundle keeps what the model said, never on
    test photos. Predictions, exports and evaluations of the new version use it.

    Args:
        bundle: A bundle, or its folder; a model's folder stands for its latest version.
        alarm: The classes that are alarmed about, e.g. `["crack", "dent"]`.
        min_recall: Share of their photos that must be found. Exactly one of this and the next
            two is given.
        max_false_rejects: Share of other photos that may raise an alarm.
        costs: `{"miss": …, "false_reject": …}`, of one photo each.
        confidence: Probability that the bounds hold for photos to come.

    Returns:
        The point, also where the wish cannot be shown to hold, and the new version; print it.

    Raises:
        DataError: If the bundle keeps no answers to validation photos, or has no photos of both
            kinds among them.
        IntegrityError: If a file of the bundle was changed.
        ValueError: If not exactly one wish is given, a share is not between 0 and 1, a class is
            unknown, or the model does not answer with one class.
        OSError: If nothing can be written.
    """
    wishes = {"min_recall": min_recall, "max_false_rejects": max_false_rejects, "costs": costs}
    given = {name: wish for name, wish in wishes.items() if wish is not None}
    if len(given) != 1:
        raise ValueError(
            f"Give exactly one of {', '.join(f'`{name}`' for name in wishes)}, received "
            f"{', '.join(f'`{name}`' for name in given) or 'none'}."
        )
    bundle = Bundle.load(bundle)
    scores = _validation_scores(bundle, alarm)
    if min_recall is not None:
        point = point_for_recall(scores, min_recall, confidence)
    elif max_false_rejects is not None:
        point = point_for_false_rejects(scores, max_false_rejects, confidence)
    else:
        point = point_for_costs(scores, costs or {}, confidence=confidence)
    return OperatedBundle(point, _with_alarm(bundle, point))


def _validation_scores(bundle: Bundle, alarm: Sequence[str]) -> AlarmScores:
    output = bundle.output
    if output.task != "classification":
        raise ValueError(
            f"An operating point is of a model that names one class, and this one has the task "
            f"{output.task!r}."
        )
    if VALIDATION_FILE not in bundle.manifest.sha256:
        raise DataError(
            f"The bundle '{printable(bundle.folder)}' keeps no answers to validation photos; an "
            "older version wrote it. Train again."
        )
    held = read_arrays(io.BytesIO(bundle.read(VALIDATION_FILE)), LARGEST_RECORD)
    scores = held["answers"], held["targets"], output.class_names
    return AlarmScores.of(*scores, alarm, held.get("groups"))


def _with_alarm(bundle: Bundle, point: OperatingPoint) -> Bundle:
    alarm = Alarm(classes=point.alarm, threshold=point.threshold)
    manifest = bundle.manifest
    first, *others = manifest.outputs
    outputs = [first.model_copy(update={"alarm": alarm}), *others]

    def fill(folder: Path) -> dict[str, Any]:
        for name in manifest.sha256:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(bundle.read(name))
        told = {name: getattr(manifest, name) for name in type(manifest).model_fields}
        for name in ("format_version", "sha256", "size_bytes", "exports_sealed"):
            del told[name]
        return {**told, "outputs": outputs}

    return Bundle.write(bundle.folder.absolute().parent, fill)
