"""One call from photos to a saved model, for people who want no objects."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kerasrecipes.arguments import named
from kerasrecipes.bundles.bundle import seen_through
from kerasrecipes.bundles.versions import check_model_folder
from kerasrecipes.console import heeds_verbose, say
from kerasrecipes.data.seen import refuse_seen
from kerasrecipes.engine.run_folder import RunFolder, as_run_folder
from kerasrecipes.engine.schedule import UnfreezeSchedule
from kerasrecipes.errors import DataError, printable
from kerasrecipes.photos.check import check_photos
from kerasrecipes.photos.scan import scan_photos
from kerasrecipes.photos.split import split_photos
from kerasrecipes.release.bundle import Bundle
from kerasrecipes.report.run_report import RunReport
from kerasrecipes.settings.callback_checks import check_callbacks
from kerasrecipes.settings.judging import judge_recipe
from kerasrecipes.training.image_classifier import ImageClassifier


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


@named
@heeds_verbose
def fine_tune_images(
    photos: str | Path,
    to: str | Path,
    *,
    backbone: str = "efficientnet_lite0",
    label: str | None = None,
    labels: str | Sequence[str] | None = None,
    value: str | None = None,
    classes: str | Sequence[str] | None = None,
    group_by: str | None = None,
    split_by: str = "auto",
    test_fraction: float = 0.2,
    val_fraction: float = 0.2,
    epochs: int | None = None,
    augment: str = "light",
    seed: int = 0,
    drop_small_classes: bool = False,
    labels_from: str | Path | None = "beside",
    fail_on_leak: bool = False,
    callbacks: Sequence[Any] = (),
    verbose: bool = True,
    run_folder: str | Path | None = None,
    resume: bool = False,
    **settings: Any,
) -> FineTuned:
    """Scan, check and split photos, fine-tune a backbone, evaluate it and save it.

    Args:
        photos: A folder of photos, one folder per class, or a table; see `scan_photos`.
        to: The model's folder, e.g. `"saved_models/tiles"`.
        backbone: A name of `list_backbones()`.
        label: The table's column of one class each; see `scan_photos`.
        labels: The table's column of several labels each, or one column per label.
        value: The table's column of a number each.
        classes: The order of the classes; see `scan_photos`.
        group_by: What photos of one part have in common; see `scan_photos`.
        split_by: `"auto"`, `"random"`, `"group"` or `"time"`; see `split_photos`.
        test_fraction: Share of the photos that only the final evaluation sees.
        val_fraction: Share of the photos that the best weights are chosen by.
        epochs: Epochs with open blocks; `None` for the default.
        augment: As in `ImageClassifier`.
        seed: Seed of everything that is drawn.
        drop_small_classes: Leave classes with fewer than 2 readable photos out; see
            `scan_photos`.
        labels_from: What people decided about single photos; see `scan_photos`.
        fail_on_leak: Raise if the same photo, or part, is on two sides of the split.
        callbacks: Further callbacks, as in `ImageClassifier.fit`.
        verbose: Whether to print findings and progress.
        run_folder: A folder that explains the run and from which it can go on after a break,
            see `ImageClassifier.fit`; `None` keeps nothing.
        resume: Go on with the run in `run_folder`; everything else must be as it was.
        **settings: Further arguments of `ImageClassifier`.

    Returns:
        The fitted recipe, its report and the saved bundle.

    Raises:
        DataError: If the photos do not suit training, or leak and `fail_on_leak` is set, or
            the run folder does not suit.
        ValueError: If an argument is not usable.
        OSError: If nothing can be written in `to`; nothing is trained then.
    """
    settings = with_epochs(epochs, settings)
    columns = {"label": label, "labels": labels, "value": value, "classes": classes}
    shares = {"test_fraction": test_fraction, "val_fraction": val_fraction}
    how = {"group_by": group_by, "split_by": split_by, "drop_small_classes": drop_small_classes}
    how["labels_from"] = None if labels_from is None else str(labels_from)
    chosen = {"source": str(photos), **columns, **how, **shares}
    run = as_run_folder(None if run_folder is None else RunFolder(Path(run_folder), chosen), resume)
    recipe = ImageClassifier(backbone, augment=augment, seed=seed, **settings)
    judged = judge_recipe(recipe)
    used = check_callbacks(callbacks, recipe)
    _check_destination(Path(photos), Path(to), run)
    train, val, test, leaks = _split(chosen, seed, fail_on_leak)
    refuse_seen(seen_through(recipe.weights), test)
    recipe._fit(judged, train, val, callbacks=used, run=run, leaks=leaks)
    return _finish(recipe, test, to)


def _finish(recipe: ImageClassifier, test: Any, to: str | Path) -> FineTuned:
    """Evaluate a fitted recipe on the test photos, and save it."""
    if len(test):
        say(f"\nOn {len(test)} test photos:\n{recipe.evaluate(test)}")
    bundle = recipe.save(to)
    return FineTuned(recipe, recipe.report_, bundle)


def _split(chosen: dict, seed: int, fail_on_leak: bool) -> tuple[Any, ...]:
    """Scan, split and check photos in the way that a run folder is told."""
    names = ("label", "labels", "value", "classes", "group_by", "drop_small_classes", "labels_from")
    photos = scan_photos(chosen["source"], **{name: chosen[name] for name in names})
    fractions = {name: chosen[name] for name in ("test_fraction", "val_fraction")}
    train, val, test = split_photos(photos, split_by=chosen["split_by"], seed=seed, **fractions)
    # The files that were left out are known to the scan alone.
    train = replace(train, excluded=photos.excluded)
    found = check_photos(replace(train, ignored=photos.ignored), val, test)
    say(str(found))
    if fail_on_leak and found.leaks:
        raise DataError(
            f"The split leaks: {found.leaks[0].message} Nothing was trained, because "
            "`fail_on_leak` is set."
        )
    return train, val, test, [leak.message for leak in found.leaks]


def with_epochs(epochs: int | None, settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings with a schedule of so many epochs with open blocks; `None` as they are.

    Args:
        epochs: The epochs.
        settings: Arguments of a recipe.

    Raises:
        ValueError: If there is a schedule among them.
    """
    if epochs is None:
        return settings
    if settings.get("schedule") is not None:
        raise ValueError("Pass `epochs` or `schedule`, not both: a schedule has its own epochs.")
    return {**settings, "schedule": UnfreezeSchedule.two_phase(epochs=epochs)}


def _check_destination(source: Path, to: Path, run: RunFolder | None) -> None:
    """Find out before the training, not after it, that the model cannot be saved."""
    folders = [(to, "saved_models/my_model")] + ([(run.path, "runs/my_run")] if run else [])
    for folder, example in folders:
        if source.is_dir() and folder.resolve().is_relative_to(source.resolve()):
            raise DataError(
                f"'{printable(folder)}' lies inside the photos in '{printable(source)}', where a "
                f"model would be taken for a class. Name a folder elsewhere, e.g. {example}."
            )
    if run and run.path.resolve().is_relative_to(to.resolve()):
        raise DataError(
            f"The run folder '{printable(run.path)}' lies inside the model's folder "
            f"'{printable(to)}', which holds versions only. Name a folder elsewhere, e.g. "
            "runs/my_run."
        )
    check_model_folder(to)
