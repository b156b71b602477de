"""One call from photos to a saved model, for people who want no objects."""

from dataclasses import dataclass, replace
from pathlib import Path

from kerasrecipes.bundle import Bundle, check_model_folder
from kerasrecipes.data.check import check_photos
from kerasrecipes.data.scan import scan_photos
from kerasrecipes.data.split import split_photos
from kerasrecipes.errors import DataError, printable
from kerasrecipes.report.run_report import RunReport
from kerasrecipes.training.fitting import checked_arguments
from kerasrecipes.training.image_classifier import ImageClassifier, say
from kerasrecipes.training.schedule import UnfreezeSchedule


@dataclass(frozen=True)
class FineTuned:
    """What `fine_tune_images` returns.

    Args:
        recipe: The fitted recipe.
        report: How the fit went; `report.evaluations["test"]` is the honest number.
        bundle: The saved model.
    """

    recipe: ImageClassifier
    report: RunReport
    bundle: Bundle


def fine_tune_images(
    source: str | Path,
    to: str | Path,
    *,
    backbone: str = "efficientnet_lite0",
    group_by: str | None = None,
    split_by: str = "auto",
    test_fraction: float = 0.2,
    val_fraction: float = 0.2,
    epochs: int | None = None,
    augment: str = "light",
    seed: int = 0,
    drop_small_classes: bool = False,
    fail_on_leak: bool = False,
    verbose: bool = True,
    **settings,
) -> FineTuned:
    """Scan, check and split photos, fine-tune a backbone, evaluate it and save it.

    Args:
        source: A folder of photos, one folder per class, or a table; see `scan_photos`.
        to: The model's folder, e.g. `"saved_models/tiles"`.
        backbone: A name of `list_backbones()`.
        group_by: What photos of one part have in common; see `scan_photos`.
        split_by: `"auto"`, `"random"`, `"group"` or `"time"`; see `split_photos`.
        test_fraction: Share of the photos that only the final evaluation sees.
        val_fraction: Share of the photos that the best weights are chosen by.
        epochs: Epochs with open blocks; `None` for the default.
        augment: `"none"`, `"light"` or `"factory"`.
        seed: Seed of everything that is drawn.
        drop_small_classes: Leave classes with fewer than 2 readable photos out; see
            `scan_photos`.
        fail_on_leak: Raise if the same photo, or part, is on two sides of the split.
        verbose: Whether to print findings and progress.
        **settings: Further arguments of `ImageClassifier`.

    Returns:
        The fitted recipe, its report and the saved bundle.

    Raises:
        DataError: If the photos do not suit training, or leak and `fail_on_leak` is set.
        ValueError: If an argument is not usable.
        OSError: If nothing can be written in `to`; nothing is trained then.
    """
    tell = say if verbose else lambda line: None
    settings |= _schedule(epochs, settings.get("schedule"))
    recipe = ImageClassifier(backbone, augment=augment, seed=seed, **settings)
    checked_arguments(recipe)
    _check_destination(Path(source), Path(to))
    photos = scan_photos(source, group_by=group_by, drop_small_classes=drop_small_classes)
    train, val, test = split_photos(
        photos, test_fraction=test_fraction, val_fraction=val_fraction, by=split_by, seed=seed
    )
    # The files that were left out are known to the scan alone.
    whole = replace(train, excluded=photos.excluded, ignored=photos.ignored)
    found = check_photos(whole, val, test)
    tell(str(found))
    if fail_on_leak and found.leaks:
        raise DataError(
            f"The split leaks: {found.leaks[0].message} Nothing was trained, because "
            "`fail_on_leak` is set."
        )
    recipe.fit(replace(train, excluded=photos.excluded), val, verbose=verbose)
    if len(test):
        tell(f"\nOn {len(test)} test photos:\n{recipe.evaluate(test)}")
    bundle = recipe.save(to)
    return FineTuned(recipe, recipe.report_, bundle)


def _schedule(epochs: int | None, schedule: UnfreezeSchedule | None) -> dict:
    if epochs is None:
        return {}
    if schedule is not None:
        raise ValueError("Pass `epochs` or `schedule`, not both: a schedule has its own epochs.")
    return {"schedule": UnfreezeSchedule.two_phase(epochs=epochs)}


def _check_destination(source: Path, to: Path) -> None:
    """Find out before the training, not after it, that the model cannot be saved."""
    if source.is_dir() and to.resolve().is_relative_to(source.resolve()):
        raise DataError(
            f"'{printable(to)}' lies inside the photos in '{printable(source)}', where a model "
            "would be taken for a class. Name a folder elsewhere, e.g. saved_models/my_model."
        )
    check_model_folder(to)
