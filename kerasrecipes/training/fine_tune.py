"""One call from photos, or other examples, to a saved model, for people who want no objects."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kerasrecipes.arguments import named
from kerasrecipes.backbones.spec import BackboneSpec
from kerasrecipes.bundles.first_weights import seen_through
from kerasrecipes.bundles.versions import check_model_folder
from kerasrecipes.console import heeds_verbose, say
from kerasrecipes.data.seen import refuse_seen
from kerasrecipes.engine.rates import ADAMW
from kerasrecipes.engine.run_folder import RunFolder, as_run_folder
from kerasrecipes.errors import DataError, printable, unknown_name
from kerasrecipes.photos.augment import Augment
from kerasrecipes.photos.check import check_photos
from kerasrecipes.photos.scan import scan_photos
from kerasrecipes.photos.split import split_photos
from kerasrecipes.photos.tiled.tiling import Tiling
from kerasrecipes.release.bundle import Bundle
from kerasrecipes.report.run_report import RunReport
from kerasrecipes.settings.callback_checks import check_callbacks
from kerasrecipes.settings.judging import Judged, judge_recipe, with_rates_of
from kerasrecipes.training.defect_detector import DefectDetector, scan_defects
from kerasrecipes.training.image_classifier import ImageClassifier
from kerasrecipes.training.keeping import check_room, kept_on_error, save_or_keep
from kerasrecipes.training.recipe import Recipe
from kerasrecipes.training.tiled.fitting import check_tiling, fit_judged


@dataclass(frozen=True)
class FineTuned:
    """What `fine_tune_images` and `fine_tune_texts` return.

    Args:
        recipe: The fitted recipe.
        report: How the fit went; `report.evaluations["test"]` is the honest number.
        bundle: The saved model.
    """

    recipe: Recipe
    report: RunReport
    bundle: Bundle


@named
@heeds_verbose
def fine_tune_images(
    photos: str | Path,
    to: str | Path,
    *,
    backbone: str | BackboneSpec = "efficientnet_lite0",
    label: str | None = None,
    labels: str | Sequence[str] | None = None,
    value: str | None = None,
    classes: str | Sequence[str] | None = None,
    group_by: str | None = None,
    split_by: str = "auto",
    test_fraction: float = 0.2,
    val_fraction: float = 0.2,
    epochs: int | None = None,
    augment: Augment = "light",
    seed: int = 0,
    drop_small_classes: bool = False,
    labels_from: str | Path | None = "beside",
    fit: str | None = None,
    channels: int | None = None,
    dtype: str | None = None,
    value_range: tuple[float, float] | None = None,
    tiles: Tiling | None = None,
    fail_on_leak: bool = False,
    callbacks: Sequence[Any] = (),
    verbose: bool = True,
    run_folder: str | Path | None = None,
    resume: bool = False,
    recipe_type: str = "ImageClassifier",
    **settings: Any,
) -> FineTuned:
    """Scan, check and split photos, fine-tune a backbone, evaluate it and save it.

    Args:
        photos: A folder of photos, one folder per class, or a table; see `scan_photos`.
        to: The model's folder, e.g. `"saved_models/tiles"`.
        backbone: A name of `list_backbones()`, or a backbone of your own.
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
        fit: How photos of another shape fill the image size: `"stretch"`, which is usual,
            `"letterbox"` or `"center_crop"`; see `DecodePolicy`. The model keeps it.
        channels: 1 for grey photos, also made of coloured ones; 3 for RGB, which is usual; up to
            16 of `.npy` files; see `scan_photos`. The model, and every file of it, takes so many.
        dtype: `"uint8"`, which is usual, or `"float32"`, so that 16 bits are kept.
        value_range: What is 0 and what is 255 of `.npy` files, e.g. `(0, 10000)`.
        tiles: A `Tiling` to learn from tiles of large photos, and to answer for these as a whole;
            `None` to fit each photo into what the backbone takes.
        fail_on_leak: Raise if the same photo, or part, is on two sides of the split.
        callbacks: Further callbacks, as in `ImageClassifier.fit`.
        verbose: Whether to print findings and progress.
        run_folder: A folder that explains the run and from which it can go on after a break,
            see `ImageClassifier.fit`; `None` keeps nothing.
        resume: Go on with the run in `run_folder`; everything else must be as it was.
        recipe_type: `"DefectDetector"` also learns what good photos are like, and takes photos of
            the class `good` alone.
        **settings: Further arguments of the recipe.

    Returns:
        The fitted recipe, its report and the saved bundle.

    Raises:
        DataError: If the photos do not suit training, or leak and `fail_on_leak` is set, or
            the run folder does not suit.
        ValueError: If an argument is not usable.
        OSError: If nothing can be written in `to`; nothing is trained then. If that turns out
            after the training, the model is kept elsewhere, and the message says where.
    """
    columns = {"label": label, "labels": labels, "value": value, "classes": classes}
    shares = {"test_fraction": test_fraction, "val_fraction": val_fraction}
    pixels = {"fit": fit, "channels": channels, "dtype": dtype, "value_range": value_range}
    how = {"group_by": group_by, "split_by": split_by, "drop_small_classes": drop_small_classes}
    how["labels_from"] = None if labels_from is None else str(labels_from)
    recipe, tools = _for_photos(recipe_type)
    return fine_tune(recipe(backbone, augment=augment, seed=seed, **with_epochs(epochs, settings)),
        photos, {**columns, **how, **pixels, **shares}, to, tools, fail_on_leak=fail_on_leak,
        callbacks=callbacks, run_folder=run_folder, resume=resume, tiles=tiles)  # fmt: skip


@dataclass(frozen=True)
class Tools:
    """What one kind of data is scanned, split and checked with.

    Args:
        scan: E.g. `scan_photos`.
        split: E.g. `split_photos`.
        check: E.g. `check_photos`.
    """

    scan: Callable[..., Any]
    split: Callable[..., tuple[Any, ...]]
    check: Callable[..., Any]

    def sides(self, chosen: Mapping[str, Any], seed: int, fail_on_leak: bool) -> tuple[Any, ...]:
        """Scan, split and check examples in the way that a run folder is told.

        Args:
            chosen: The source, the columns, and how to split.
            seed: Decides among equally good splits.
            fail_on_leak: Raise if the split leaks.

        Returns:
            Training, validation and test, and the leaks that were told.
        """
        how = {name: chosen[name] for name in ("test_fraction", "val_fraction", "split_by")}
        columns = {name: chosen[name] for name in chosen if name not in {*how, "source"}}
        examples = self.scan(chosen["source"], **columns)
        train, val, test = self.split(examples, seed=seed, **how)
        # The files that were left out are known to the scan alone.
        train = replace(train, excluded=examples.excluded)
        found = self.check(replace(train, ignored=examples.ignored), val, test)
        say(str(found))
        if fail_on_leak and found.leaks:
            raise DataError(
                f"The split leaks: {found.leaks[0].message} Nothing was trained, because "
                "`fail_on_leak` is set."
            )
        return train, val, test, [leak.message for leak in found.leaks]


PHOTO_TOOLS = Tools(scan_photos, split_photos, check_photos)
DEFECT_TOOLS = Tools(scan_defects, split_photos, check_photos)
_FOR_PHOTOS: dict[str, tuple[type[ImageClassifier], Tools]] = {
    ImageClassifier.name: (ImageClassifier, PHOTO_TOOLS),
    DefectDetector.name: (DefectDetector, DEFECT_TOOLS),
}


def _for_photos(recipe_type: str) -> tuple[type[ImageClassifier], Tools]:
    if recipe_type not in _FOR_PHOTOS:
        raise unknown_name("recipe type", recipe_type, _FOR_PHOTOS, "help(fine_tune_images)")
    return _FOR_PHOTOS[recipe_type]


def fine_tune(
    recipe: Recipe,
    source: str | Path,
    chosen: Mapping[str, Any],
    to: str | Path,
    tools: Tools,
    *,
    fail_on_leak: bool,
    callbacks: Sequence[Any],
    run_folder: str | Path | None,
    resume: bool,
    compare: Callable[..., Any] | None = None,
    tiles: Tiling | None = None,
) -> FineTuned:
    """Do what `fine_tune_images` does with any recipe; see there for the other arguments.

    Args:
        recipe: The recipe.
        source: The folder or table.
        chosen: The columns, and how to split.
        to: The model's folder.
        tools: What scans, splits and checks.
        fail_on_leak: Raise if the split leaks.
        callbacks: Further callbacks.
        run_folder: A folder that explains the run.
        resume: Go on with the run in it.
        compare: Measures a simple model beside the fitted recipe on the test, and returns the
            evaluation of the recipe with what is to be said of it.
        tiles: How large photos are cut; `None` if they are not.
    """
    chosen = {"source": str(source), **chosen}
    told = chosen if tiles is None else {**chosen, "tiles": tiles.to_dict()}
    run = as_run_folder(None if run_folder is None else RunFolder(Path(run_folder), told), resume)
    judged = judge_recipe(recipe)
    if tiles is not None:
        check_tiling(tiles, judged)
    used = check_callbacks(callbacks, recipe)
    _check_destination(Path(source), Path(to), run)
    check_room(Path(to), judged.spec.parameter_count)
    train, val, test, leaks = tools.sides(chosen, recipe.seed, fail_on_leak)
    refuse_seen(seen_through(recipe.weights, judged.spec), test)
    with kept_on_error(recipe, Path(to)):
        recipe = _fitted(judged, train, val, tiles, callbacks=used, run=run, leaks=leaks)
        if len(test):
            evaluation = recipe.evaluate(test)
            if compare is not None:
                evaluation = compare(recipe, train, test)
            say(f"\nOn {len(test)} test {train.noun[1]}:\n{evaluation}")
    again = None
    if run is not None:
        again = (
            f"Nothing is lost: the same call with `resume` (--resume) goes on from "
            f"'{printable(run.path)}', and saves it without training again."
        )
    return FineTuned(recipe, recipe.report_, save_or_keep(recipe, Path(to), again))


def _fitted(judged: Judged, train: Any, val: Any, tiles: Tiling | None, **how: Any) -> Recipe:
    if tiles is not None:
        return fit_judged(judged, train, val, tiles, **how)
    recipe: Recipe = judged.recipe
    recipe._fit(judged, train, val, **how)
    return recipe


def with_epochs(
    epochs: int | None, settings: dict[str, Any], recipe_type: type[Recipe] = ImageClassifier
) -> dict[str, Any]:
    """Return settings with a schedule of so many epochs with open blocks; `None` as they are.

    Args:
        epochs: The epochs.
        settings: Arguments of a recipe.
        recipe_type: Whose usual schedule it is.

    Raises:
        ValueError: If there is a schedule among them.
    """
    if epochs is None:
        return settings
    if settings.get("schedule") is not None:
        raise ValueError("Pass `epochs` or `schedule`, not both: a schedule has its own epochs.")
    schedule = with_rates_of(settings.get("optimizer", ADAMW), recipe_type.usual_schedule(epochs))
    return {**settings, "schedule": schedule}


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
