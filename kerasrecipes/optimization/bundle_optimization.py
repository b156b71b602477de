"""Optimizing a saved model with the photos of its own fit, told by their digests."""

from dataclasses import dataclass, replace
from pathlib import Path

from kerasrecipes.bundle import Bundle
from kerasrecipes.data.photos import PhotoSet
from kerasrecipes.data.scan import scan_photos
from kerasrecipes.data.seen import FIT_SIDES
from kerasrecipes.errors import DataError, listed, printable
from kerasrecipes.optimization.optimizing import optimize
from kerasrecipes.optimization.result import OptimizationResult
from kerasrecipes.training.image_classifier import ImageClassifier


@dataclass(frozen=True)
class OptimizedBundle:
    """What optimizing a saved model gave.

    Args:
        result: The search.
        evaluation: The pick's file on photos that neither the fit nor the search has seen;
            `None` without a pick or such photos.
        bundle: The new bundle; `None` without a pick.
    """

    result: OptimizationResult
    evaluation: object | None
    bundle: Bundle | None

    def to_dict(self) -> dict:
        """Return it as JSON-safe data."""
        return {
            **self.result.to_dict(),
            "test": self.evaluation and self.evaluation.to_dict(),
            "folder": self.bundle and str(self.bundle.folder),
        }

    def __str__(self) -> str:
        parts = [str(self.result)]
        if self.evaluation is not None:
            parts.append(
                f"The exported file on {self.evaluation.n} photos that were not used:\n"
                f"{self.evaluation}"
            )
        return "\n\n".join(parts)


def optimize_bundle(
    model: str | Path, source: str | Path, to: str | Path | None = None, **settings
) -> OptimizedBundle:
    """Optimize a saved model and save the pick as a bundle of its own, with its file.

    Args:
        model: A model folder or one version of it.
        source: The photos that it was made with: a folder or a table, see `scan_photos`. Which
            of them trained it, and which it was chosen by, is told by their digests; all
            others are for the final measurement only.
        to: Folder of the new model; `None` for the old one's name with `_small` behind it.
        **settings: Further arguments of `optimize`.

    Raises:
        DataError: If photos of the fit are missing, or others of unknown classes are there.
        IntegrityError: If a file of the bundle was changed.
        ValueError: If a setting is not usable.
    """
    bundle = Bundle.load(model)
    recipe = ImageClassifier.load(bundle.folder)
    train, val, fresh = photos_of_fit(bundle, source)
    result = optimize(recipe, train, val, **settings)
    if result.pick is None:
        return OptimizedBundle(result, None, None)
    evaluation = result.evaluate(fresh) if len(fresh) else None
    name = bundle.folder.absolute().parent
    saved = result.save(name.with_name(f"{name.name}_small") if to is None else Path(to))
    return OptimizedBundle(result, evaluation, saved)


def photos_of_fit(bundle: Bundle, source: str | Path) -> tuple[PhotoSet, PhotoSet, PhotoSet]:
    """Find the photos of a fit again, whatever they are called now.

    Args:
        bundle: The saved model.
        source: A folder or a table of photos.

    Returns:
        Its training photos, its validation photos, and all that it was not made with.

    Raises:
        DataError: If photos of the fit are missing, or there are unknown classes.
    """
    photos = scan_photos(source, policy=bundle.policy(), for_training=False)
    unknown = sorted(set(photos.class_names) - set(bundle.class_names))
    if unknown:
        raise DataError(
            f"The model does not know the classes {listed(unknown)} of '{printable(source)}'; it "
            f"was trained on {listed(bundle.class_names, 8)}."
        )
    photos = replace(photos, class_names=bundle.class_names)
    seen = bundle.seen()
    wanted = [sha256 for sha256, side in seen.items() if side in {"train", "val"}]
    missing = len(set(wanted) - {photo.facts.sha256 for photo in photos.photos})
    if missing:
        raise DataError(
            f"{missing} of the {len(wanted)} photos that the model in '{printable(bundle.folder)}' "
            f"was made with are not in '{printable(source)}', as they were. Name the folder or "
            "the table that it was trained from."
        )
    parts = {"train": [], "val": [], "fresh": []}
    for index, photo in enumerate(photos.photos):
        side = seen.get(photo.facts.sha256)
        if side in parts or side not in FIT_SIDES:
            parts[side if side in parts else "fresh"].append(index)
    train, val, fresh = (photos.select(chosen) for chosen in parts.values())
    return train, val, fresh
