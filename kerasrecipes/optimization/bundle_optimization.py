"""Optimizing a saved model with the photos of its own fit, told by their digests."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kerasrecipes.arguments import named
from kerasrecipes.backbones import get_backbone
from kerasrecipes.bundles.versions import check_model_folder
from kerasrecipes.data.examples import Examples
from kerasrecipes.data.seen import FIT_SIDES
from kerasrecipes.errors import DataError, printable
from kerasrecipes.evaluation.base import Result
from kerasrecipes.heads import get_head, get_task
from kerasrecipes.heads.classification import CLASSIFICATION
from kerasrecipes.optimization.distilling import check_student, check_teacher
from kerasrecipes.optimization.quantized_model import QuantizedModel
from kerasrecipes.optimization.search.optimizing import optimize
from kerasrecipes.optimization.search.result import OptimizationResult
from kerasrecipes.release.bundle import Bundle
from kerasrecipes.settings.judging import Judged
from kerasrecipes.statistics.shown import Part, Shown
from kerasrecipes.training.image_classifier import ImageClassifier
from kerasrecipes.training.keeping import kept_on_error, save_or_keep
from kerasrecipes.training.loading import load_recipe
from kerasrecipes.training.recipe import Recipe
from kerasrecipes.training.refitting import REMAKING, refitted, refuse_other_data


@dataclass(frozen=True)
class OptimizedBundle(Shown):
    """What optimizing a saved model gave.

    Args:
        result: The search.
        evaluation: The pick's file on photos that neither the fit nor the search has seen;
            `None` without a pick or such photos.
        bundle: The new bundle; `None` without a pick.
    """

    result: OptimizationResult
    evaluation: Result | None
    bundle: Bundle | None

    def to_dict(self) -> dict:
        """Return it as JSON-safe data."""
        return {
            **self.result.to_dict(),
            "test": self.evaluation and self.evaluation.to_dict(),
            "folder": self.bundle and str(self.bundle.folder),
        }

    def parts(self) -> Iterator[Part]:
        """Yield the search, then how the file does on photos that were not used."""
        yield self.result
        if self.evaluation is not None:
            yield ""
            yield f"The exported file on {self.evaluation.n} photos that were not used:"
            yield self.evaluation


@dataclass(frozen=True)
class RemadeBundle(Shown):
    """A model that was made of a saved one.

    Args:
        evaluation: Its result on photos that neither was made with; `None` without such.
        bundle: The new bundle.
    """

    evaluation: Result | None
    bundle: Bundle

    def to_dict(self) -> dict:
        """Return it as JSON-safe data."""
        return {
            "steps": self.bundle.manifest.optimization,
            "test": self.evaluation and self.evaluation.to_dict(),
            "folder": str(self.bundle.folder),
        }

    def parts(self) -> Iterator[Part]:
        """Yield how the model does on photos that were not used."""
        if self.evaluation is None:
            yield "There are no other photos than those of the fit to measure it on."
        else:
            yield from (f"On {self.evaluation.n} photos that were not used:", self.evaluation)


@named
def optimize_bundle(
    bundle: Bundle | str | Path,
    photos: Examples | str | Path,
    to: str | Path | None = None,
    *,
    students: Sequence[str] = (),
    seed: int | None = None,
    **settings: Any,
) -> OptimizedBundle:
    """Optimize a saved model and save the pick as a bundle of its own, with its file.

    Args:
        bundle: A bundle, or its folder; a model's folder stands for its latest version.
        photos: The photos that it was made with: a scanned set, or a folder or table, see
            `scan_photos`. Which of them trained it, and which it was chosen by, is told by
            their digests; all others are for the final measurement only.
        to: Folder of the new model; `None` for the old one's name with `_small` behind it.
        students: Names of smaller backbones to fit to what the model says, too.
        seed: Seed of all that is drawn; `None` for the model's.
        **settings: Further arguments of `optimize`.

    Returns:
        The search, the measurement and the new bundle; print it.

    Raises:
        DataError: If photos of the fit are missing, or others of unknown classes are there, or
            `to` is no folder of a model.
        IntegrityError: If a file of the bundle was changed.
        OSError: If nothing can be written in `to`.
        ValueError: If a setting is not usable.
    """
    bundle = Bundle.load(bundle)
    refuse_other_data(bundle.manifest.modality, REMAKING)
    name = bundle.folder.absolute().parent
    to = name.with_name(f"{name.name}_small") if to is None else Path(to)
    check_model_folder(to)  # before the search, not after it
    recipe = load_recipe(bundle)
    seed_of_all = recipe.seed if seed is None else seed
    smaller = [_student(name, recipe, seed_of_all) for name in students]
    train, val, fresh = photos_of_fit(bundle, photos)
    result = optimize(recipe, train, val, students=smaller, seed=seed, **settings)
    if result.pick is None:
        return OptimizedBundle(result, None, None)
    with kept_on_error(result, to):
        evaluation = result.evaluate(fresh) if len(fresh) else None
    return OptimizedBundle(result, evaluation, save_or_keep(result, to))


def remake_bundle(
    bundle: Bundle | str | Path,
    photos: Examples | str | Path,
    to: str | Path,
    make: Callable[[Recipe, Examples, Examples], Recipe | QuantizedModel],
) -> RemadeBundle:
    """Make another model of a saved one with the photos of its fit, and save it.

    Args:
        bundle: As in `optimize_bundle`.
        photos: As there.
        to: Folder of the new model.
        make: Called with the fitted recipe, its training and its validation photos, e.g.
            `partial(prune, channels=0.5)`.

    Raises:
        DataError: As in `optimize_bundle`.
        IntegrityError: If a file of the bundle was changed.
        OSError: If nothing can be written in `to`.
    """
    to = Path(to)
    check_model_folder(to)
    bundle = Bundle.load(bundle)
    refuse_other_data(bundle.manifest.modality, REMAKING)
    train, val, fresh = photos_of_fit(bundle, photos)
    loaded = load_recipe(bundle)
    made = make(refitted(loaded, loaded.model_, train, val), train, val)
    with kept_on_error(made, to):
        if len(fresh) and isinstance(made, QuantizedModel):
            made.recipe.evaluate(fresh)  # these are the photos that its file is verified by
        evaluation = made.evaluate(fresh) if len(fresh) else None
    return RemadeBundle(evaluation, save_or_keep(made, to))


def same_question(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings by which a student answers what its teacher does.

    Args:
        config: The teacher's recipe, in plain values.
    """
    # Of one class each, any head learns from any.
    if get_head(config["head"]).task is CLASSIFICATION:
        return {}
    return {name: config[name] for name in ("head", "unit")}


def _student(name: str, recipe: Any, seed: int) -> Judged:
    """Make a recipe of a backbone that sees the photos as another recipe does."""
    student = ImageClassifier(
        name,
        weights="imagenet" if get_backbone(name).load_default is None else "default",
        **same_question(recipe.get_config()),
        augment=recipe.augment,
        views=recipe.views,
        batch_size=recipe.batch_size,
        seed=seed,
    )
    judged = check_student(student)
    check_teacher(recipe, judged)
    return judged


def photos_of_fit(
    bundle: Bundle, photos: Examples | str | Path
) -> tuple[Examples, Examples, Examples]:
    """Find the photos of a fit again, whatever they are called now.

    Args:
        bundle: The saved model.
        photos: A scanned set, or a folder or table of photos.

    Returns:
        Its training photos, its validation photos, and all that it was not made with.

    Raises:
        DataError: If photos of the fit are missing, or there are unknown classes.
    """
    found: Any = bundle.scan(photos)
    get_task(bundle.output.task).targets(found, bundle.output)
    known: Examples = replace(found, class_names=bundle.class_names)
    seen = bundle.seen()
    wanted = [sha256 for sha256, side in seen.items() if side in {"train", "val"}]
    missing = len(set(wanted) - {item.key for item in known.items})
    if missing:
        raise DataError(
            f"{missing} of the {len(wanted)} photos that the model in '{printable(bundle.folder)}' "
            f"was made with are not in '{printable(known.root)}', as they were. Name the folder "
            "or the table that it was trained from."
        )
    parts: dict[str, list[int]] = {"train": [], "val": [], "fresh": []}
    for index, item in enumerate(known.items):
        side = seen.get(item.key, "fresh")
        if side in parts or side not in FIT_SIDES:
            parts[side if side in parts else "fresh"].append(index)
    train, val, fresh = (known.select(chosen) for chosen in parts.values())
    return train, val, fresh
