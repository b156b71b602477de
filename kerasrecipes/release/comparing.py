"""Champion against challenger: two saved models on photos that neither has learned from."""

from pathlib import Path

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.bundles.bundle import BundleFolder
from kerasrecipes.data.examples import CLASS, LABELS, Examples
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.errors import DataError, listed, printable
from kerasrecipes.evaluation.operating.measures import Answers, paired_measures
from kerasrecipes.evaluation.scores import group_numbers
from kerasrecipes.evaluation.task import Task
from kerasrecipes.heads import get_task
from kerasrecipes.release.bundle import Bundle
from kerasrecipes.release.comparison import Comparison, notes_on
from kerasrecipes.statistics.intervals import units_of


@named
def compare_bundles(
    champion: Bundle | str | Path,
    challenger: Bundle | str | Path,
    photos: Examples | str | Path,
    *,
    leave_out_seen: bool = False,
    exported: bool = False,
) -> Comparison:
    """Find out on new photos whether one saved model may replace another.

    Both are asked about the same photos, each prepared as it wants them, so that a much smaller
    difference shows than between two tests. Where groups are declared, they count as wholes.

    Args:
        champion: The model that is in use: a bundle, or its folder; a model's folder stands for
            its latest version.
        challenger: The one that may replace it.
        photos: A scanned set, or a folder or table; see `scan_photos`. Where a test split is
            declared, only that is used.
        leave_out_seen: Leave photos out that either was trained or chosen on, instead of refusing
            them.
        exported: Ask the exported files that `Predictor` would take, without tensorflow, rather
            than the Keras models.

    Returns:
        The differences with intervals, and a verdict; print it.

    Raises:
        DataError: If the models do not answer the same question, either has seen some of the
            photos, photos have unknown classes, a model answers with NaN, or has no verified
            export where these are to be asked.
        IntegrityError: If a file of a bundle was changed.
        ValueError: If both are the same bundle.
    """
    first, second = Bundle.load(champion), Bundle.load(challenger)
    check_comparable(first, second)
    chosen, left_out = _unseen(first, second, photos, leave_out_seen)
    task, output = get_task(first.output.task), first.output
    targets = task.targets(chosen, output)
    before, after = (
        _aligned(one, answers_of(one, chosen, exported), output) for one in (first, second)
    )
    groups = group_numbers(chosen.groups, len(chosen))
    found = paired_measures(task, targets, before, after, groups)
    names = _names(first, second)
    return Comparison(
        *names,
        task=task.name,
        photos=len(chosen),
        groups=units_of(groups),
        agreement=float(np.mean(task.agree(before.scores, after.scores, output))),
        measures=found.whole,
        classes=found.classes,
        left_out=left_out,
        notes=(
            *notes_on(units_of(groups), _without_photos(task, targets, output)),
            *_notes_on_points(before.output, after.output, names),
        ),
        noun=chosen.noun,
    )


def answers_of(bundle: BundleFolder, photos: Examples, exported: bool) -> np.ndarray:
    """Ask a model about photos, each prepared as it wants them.

    Args:
        bundle: The model.
        photos: What it is asked about.
        exported: Whether the file is asked that `Predictor` would take, or the Keras model.

    Returns:
        The answers, float32, shape `(n, width)`.

    Raises:
        DataError: If a photo cannot be read, or the model has no verified export.
    """
    prepared = bundle.scan(photos)
    if exported:
        from kerasrecipes.export.format import ask
        from kerasrecipes.serve.predictor import Predictor

        return ask(Predictor(bundle).model, prepared.each(bundle.input.shape), bundle.output)
    from kerasrecipes.data.inference import predict_scores

    return predict_scores(bundle.load_model(), prepared)


def check_comparable(first: BundleFolder, second: BundleFolder) -> None:
    """Refuse models that do not answer the same question, before any work.

    Args:
        first, second: The models.

    Raises:
        DataError: If they do not.
        ValueError: If they are the same.
    """
    if first.folder.resolve() == second.folder.resolve():
        raise ValueError(
            f"`champion` and `challenger` are the same, '{printable(first.folder)}'. Name another "
            "version."
        )
    names = " and ".join(f"'{printable(one.folder)}'" for one in (first, second))
    old, new = first.output, second.output
    same = {
        "kind of data": (first.manifest.modality, second.manifest.modality),
        "task": (old.task, new.task),
        "unit": (old.unit, new.unit),
        "classes": (tuple(sorted(old.class_names)), tuple(sorted(new.class_names))),
    }
    # An order that differs means something else where the classes have one.
    if get_task(old.task).name == "ordinal":
        same["order of classes"] = (old.class_names, new.class_names)
    for what, (one, other) in same.items():
        if one != other:
            told = (listed(x) if isinstance(x, tuple) else repr(x) for x in (one, other))
            raise DataError(
                f"{names} cannot be compared: they have a different {what}: {' and '.join(told)}. "
                "Compare models that answer the same question."
            )


def _unseen(
    first: Bundle, second: Bundle, photos: Examples | str | Path, leave_out_seen: bool
) -> tuple[Examples, int]:
    from kerasrecipes.verify.held_out import unseen_photos

    chosen, by_first = unseen_photos(first, photos)
    chosen, by_second = unseen_photos(second, chosen)
    left_out = by_first + by_second
    if left_out and not leave_out_seen:
        raise DataError(
            f"{left_out} {chosen.noun[1]} were used to train or choose one of the models, which "
            f"would flatter it; {len(chosen)} are new to both. Give new ones, or leave those out "
            "with `leave_out_seen`."
        )
    return first.scan(chosen), left_out


def _aligned(bundle: Bundle, scores: np.ndarray, like: OutputSpec) -> Answers:
    """Return answers with their columns in the order of another model."""
    broken = int(np.sum(~np.isfinite(scores).all(axis=1)))
    if broken:
        raise DataError(
            f"The model in '{printable(bundle.folder)}' answers {broken} of {len(scores)} "
            f"{bundle.modality.noun[1]} with NaN or infinity. Verify it."
        )
    output = bundle.output
    if not like.class_names:
        return Answers(output, scores)
    order = [output.class_names.index(name) for name in like.class_names]
    limits = tuple(output.thresholds[i] for i in order) if output.thresholds else ()
    changed = {"class_names": like.class_names, "thresholds": limits}
    return Answers(output.model_copy(update=changed), scores[:, order])


def _names(first: Bundle, second: Bundle) -> tuple[str, str]:
    """Call both by what tells them apart."""
    folders = [one.folder.absolute() for one in (first, second)]
    short = [f"{folder.parent.name} {folder.name}" for folder in folders]
    old, new = short if short[0] != short[1] else map(str, folders)
    return old, new


def _without_photos(task: Task, targets: np.ndarray, output: OutputSpec) -> list[str]:
    if task.target == CLASS:
        return [name for k, name in enumerate(output.class_names) if not np.any(targets == k)]
    if task.target == LABELS:
        return [name for k, name in enumerate(output.class_names) if not targets[:, k].any()]
    return []


def _notes_on_points(old: OutputSpec, new: OutputSpec, names: tuple[str, str]) -> list[str]:
    alarms = [one.alarm for one in (old, new)]
    have = [name for name, alarm in zip(names, alarms, strict=True) if alarm is not None]
    if len(have) == 1:
        return [f"Only '{have[0]}' has an operating point, so none are compared."]
    about = [set(alarm.classes) for alarm in alarms if alarm is not None]
    if about and about[0] != about[1]:
        return ["Their operating points are about different classes, so they are not compared."]
    return []
