"""Fitting a recipe on tiles of large photos, for answers about these as a whole."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from kerasrecipes.arguments import named
from kerasrecipes.console import heeds_verbose, say
from kerasrecipes.data.examples import Examples
from kerasrecipes.data.shapes import TileGrid, tile_grid
from kerasrecipes.engine.run_folder import RunFolder, as_run_folder
from kerasrecipes.errors import DataError
from kerasrecipes.heads.classification import CLASSIFICATION
from kerasrecipes.photos.photo_set import PhotoSet
from kerasrecipes.photos.tiled.tiles import PhotoTiles, check_tileable, cut_tiles
from kerasrecipes.photos.tiled.tiling import Tiling, refuse_other
from kerasrecipes.settings.callback_checks import check_callbacks
from kerasrecipes.settings.judging import Judged, judge_recipe
from kerasrecipes.training.image_classifier import ImageClassifier
from kerasrecipes.training.tiled.joining import join_tiles
from kerasrecipes.training.tiled.searching import search_tiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    import keras

    from kerasrecipes.backbones.spec import BackboneSpec
    from kerasrecipes.training.recipe import Recipe


@named
@heeds_verbose
def fit_tiles(
    recipe: "Recipe",
    train: Examples,
    val: Examples,
    tiles: Tiling,
    *,
    callbacks: "Sequence[keras.callbacks.Callback | str]" = (),
    verbose: bool = True,
    run_folder: str | Path | RunFolder | None = None,
    resume: bool = False,
) -> "Recipe":
    """Fit a recipe on tiles of large photos, and make one of it that answers for whole photos.

    It cuts as `cut_tiles` does, fits, and joins as `join_tiles` does. Where a defective photo has
    no mask, the tile counts as its defect that is least like tiles of good photos and most like
    those of other defective ones, by what the frozen backbone sees; its other tiles are left out.

    Args:
        recipe: An `ImageClassifier` that names one class; it is fitted on tiles.
        train: Whole photos to learn from.
        val: Whole photos to choose by.
        tiles: How they are cut, and how answers of tiles become one.
        callbacks: As in `ImageClassifier.fit`, of the fit on tiles.
        verbose: Whether to print what trains and how it goes.
        run_folder: As in `ImageClassifier.fit`, of the fit on tiles.
        resume: Go on with the run in `run_folder`.

    Returns:
        The recipe for whole photos, measured on `val`.

    Raises:
        DataError: If the photos do not suit training, or there are too few tiles of good photos to
            tell which tile of a photo without a mask shows its defect.
        ValueError: If an argument cannot be used, or the recipe does not name one class.

    Example:
        whole = kr.fit_tiles(kr.ImageClassifier(), train, val, kr.Tiling((3000, 4000)))
    """
    judged = judge_recipe(recipe)
    check_tiling(tiles, judged)
    used = check_callbacks(callbacks, recipe)
    run = as_run_folder(run_folder, resume)
    return fit_judged(judged, train, val, tiles, callbacks=used, run=run)


def check_tiling(tiles: Tiling, judged: Judged) -> TileGrid:
    """Return where tiles lie, if a recipe can learn from tiles.

    Args:
        tiles: How photos are cut.
        judged: The recipe, judged.

    Raises:
        ValueError: If it is another kind of recipe, or photos are no larger than its tiles.
    """
    refuse_other(tiles)
    recipe, head = judged.recipe, judged.head
    if type(recipe) is not ImageClassifier or head.task.name != CLASSIFICATION.name:
        raise ValueError(
            f"`tiles` goes with an ImageClassifier that names one class, not with "
            f"{recipe.name}(head={recipe.head!r}). Leave it out, or pass another `head`."
        )
    side = recipe.image_size or cast("BackboneSpec", judged.spec).image_size
    return tile_grid(
        tiles.photo_size, (side, side) if isinstance(side, int) else tuple(side), tiles.overlap
    )


def fit_judged(
    judged: Judged, train: Examples, val: Examples, tiles: Tiling, **how: Any
) -> "Recipe":
    """Do what `fit_tiles` does with what was judged already.

    Args:
        judged: The recipe, judged.
        train: Whole photos to learn from.
        val: Whole photos to choose by.
        tiles: How they are cut.
        **how: What a fit is told besides.
    """
    recipe, grid = judged.recipe, check_tiling(tiles, judged)
    train, val = _wholes(train, "train"), _wholes(val, "val")
    for side in (train, val):
        check_tileable(side, tiles.good)
    shown = search_tiles(judged, train, val, tiles, grid)
    if shown:
        say(
            f"{len(shown)} defective photos have no mask: of each, one tile counts as its defect, "
            "which may be a wrong one. Name masks in a column `mask`, which is better."
        )
    cut: Any = {"overlap": tiles.overlap, "good": tiles.good}
    sides = [
        cut_tiles(side, tiles.photo_size, grid.tile, shown=shown, **cut) for side in (train, val)
    ]
    recipe._fit(judged, *sides, **how)
    return join_tiles(recipe, train, val, tiles.photo_size, by=tiles.by, **cut)


def _wholes(side: Examples, name: str) -> PhotoSet:
    if not isinstance(side, PhotoSet) or isinstance(side, PhotoTiles):
        raise DataError(f"`{name}` must be whole photos, as a PhotoSet. Pass those to be cut.")
    return side
