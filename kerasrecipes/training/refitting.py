"""A fitted recipe around a model that was made from another one's."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.data.examples import Examples
from kerasrecipes.data.seen import on_side, refuse_tested, with_seen
from kerasrecipes.environment import timestamp
from kerasrecipes.errors import DataError, listed, printable
from kerasrecipes.heads.classification import CLASSIFICATION
from kerasrecipes.report.run_report import RunReport, StageReport
from kerasrecipes.settings.judging import head_of
from kerasrecipes.training.fitted import Fitted
from kerasrecipes.training.fitting import checked_examples

if TYPE_CHECKING:
    import keras

    from kerasrecipes.report.run_report import DataReport
    from kerasrecipes.training.recipe import Recipe

# Fewer may be chance.
LOST_PHOTOS = 2
REMAKING = "What makes a model smaller, or another one of it,"
SMALLER = (
    "Export it instead with 8-bit weights (quantization `dynamic`): its file is a quarter of the "
    "size, and faster."
)


def refitted(
    recipe: "Recipe",
    model: "keras.Model",
    train: Examples,
    val: Examples,
    step: Mapping[str, Any] | None = None,
    stages: Sequence[StageReport] = (),
    unlabelled: Examples | None = None,
) -> "Recipe":
    """Make a fitted recipe of another one and a new model, and measure it on `val`.

    Args:
        recipe: A fitted `ImageClassifier`, or one that was loaded; it stays as it is.
        model: The new model, photos to softmax scores, trained.
        train: Photos that it was trained on.
        val: Photos that it was chosen by.
        step: What was done, in plain values: `name`, a `summary` to read, `options`, and the
            facts `before` and `after`, to which the accuracy on `val` is added; `None` if the
            model is as it was.
        stages: How the model was trained on.
        unlabelled: Photos that it was trained on besides, whose labels nobody looked at.

    Returns:
        An `ImageClassifier` that evaluates, predicts and saves like any other, and whose
        report tells the step after those of `recipe`.

    Raises:
        DataError: If the photos have other classes than the model.
    """
    data = checked_sides(recipe, train, val)
    former = recipe.report_
    seen = recipe.seen_
    if unlabelled is not None:
        seen = with_seen(seen, on_side(unlabelled, "unlabelled"))
        data.digests["unlabelled"] = unlabelled.digest()
    report = replace(
        RunReport.from_dict(former.to_dict()),
        created=timestamp(),
        data=data,
        evaluations={},
        exports=[],
        stages=[*former.stages, *stages],
        optimization=[*former.optimization, *([dict(step)] if step else [])],
    )
    # What was chosen by the scores of the model before.
    gone: dict[str, Any] = {"alarm": None, "abstain": None, "costs": None}
    output = recipe.output_.model_copy(update=gone)
    fitted = Fitted.of(model, output, report, train, val, seen)
    fitted, _ = fitted.measured(val, "val", recipe.seed)
    new = recipe.with_fitted(fitted)
    if step:
        _compare(recipe, new, val)
    return new


def _compare(recipe: "Recipe", new: "Recipe", val: Examples) -> None:
    """Add to the last step of a new recipe's report how good it was before and is after."""
    task, held_out = new.fitted_.task, new.fitted_.held_out["val"]
    before = task.quality(held_out.targets, recipe.predict(val), recipe.output_)
    after = task.quality(held_out.targets, held_out.answers, new.output_)
    if task.name == CLASSIFICATION.name:
        _warn_of_lost_classes(new, held_out.targets, before > 0, after > 0)
    name = f"val_{task.quality_name.replace(' ', '_')}"
    for side, quality in (("before", before.mean()), ("after", after.mean())):
        facts = new.report_.optimization[-1].setdefault(side, {})
        facts[name] = task.shown(float(quality))


def _warn_of_lost_classes(
    recipe: "Recipe", labels: np.ndarray, before: np.ndarray, after: np.ndarray
) -> None:
    """Say which classes the new model hardly finds any more, which accuracy can hide."""
    lost = []
    for k, name in enumerate(recipe.labels_):
        photos = labels == k
        found, once = int(after[photos].sum()), int(before[photos].sum())
        if found < once / 2 and once - found >= LOST_PHOTOS:
            lost.append(f"'{printable(name)}', {found} of {photos.sum()} instead of {once}")
    if lost:
        warning = f"The new model finds far fewer validation photos of {'; of '.join(lost)}."
        recipe.report_.warnings.append(warning)
        warnings.warn(warning, stacklevel=5)


def refuse_other_data(modality: str, what: str, instead: str = SMALLER) -> None:
    """Refuse what is made for photos alone, so far.

    Args:
        modality: The kind of data of a recipe or a bundle.
        what: What was asked for, e.g. `"An ablation"`.
        instead: What to use for others, as a sentence.

    Raises:
        DataError: If it is another one.
    """
    if modality != "photos":
        raise DataError(
            f"{what} works with models for photos so far, and this one is for {modality}. {instead}"
        )


def fit_photos(recipe: "Recipe", argument: str, given: Examples | None) -> Examples:
    """Return photos that were given, or else those of a recipe's own fit.

    Args:
        recipe: A fitted recipe.
        argument: Where they are given: `"train"` or `"val"`.
        given: What was given.

    Raises:
        DataError: If there are none, they are no `PhotoSet`, or the recipe was tested on any.
    """
    refuse_other_data(recipe.modality, REMAKING)
    kept, side = ("val", "validation") if argument == "val" else ("train", "training")
    photos = getattr(recipe._fitted(), kept) if given is None else given
    if photos is None:
        raise DataError(
            f"This recipe was loaded and has no photos of its own. Pass `{argument}`, the {side} "
            "photos of its fit."
        )
    if not isinstance(photos, Examples) or not len(photos):
        raise DataError(
            f"`{argument}` must be {side} photos of the fit, at least one, as a PhotoSet of "
            f"scan_photos or split_photos, not {printable(repr(photos))[:60]}."
        )
    refuse_tested(recipe.seen_, **{argument: photos})
    return recipe._as_fitted(photos)


def checked_sides(recipe: "Recipe", train: Examples, val: Examples) -> "DataReport":
    """Judge photos for a recipe that is fitted already.

    Args:
        recipe: The recipe.
        train: Photos to learn from.
        val: Photos to choose by.

    Returns:
        What the photos are, a `DataReport`.

    Raises:
        NotFittedError: If the recipe is not fitted.
        DataError: If the photos do not suit training, have other classes than the model, or
            are among those that it was tested on.
    """
    refuse_other_data(recipe.modality, REMAKING)
    labels = recipe.labels_
    head = head_of(recipe)
    data = checked_examples(train, val, head)
    if head.output(train).class_names != labels:
        raise DataError(
            f"`train` has the classes {listed(train.class_names)}, and the model knows "
            f"{listed(labels)}. Pass photos of the classes that it was trained on."
        )
    refuse_tested(recipe.seen_, train=train, val=val)
    return data
