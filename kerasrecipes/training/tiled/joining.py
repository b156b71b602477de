"""A recipe that answers for whole photos by their tiles, of one that was fitted on tiles."""

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from kerasrecipes.arguments import named
from kerasrecipes.data.shapes import TileGrid, tile_grid
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.errors import DataError, listed, unknown_name
from kerasrecipes.heads.classification import CLASSIFICATION
from kerasrecipes.photos.photo_set import PhotoSet
from kerasrecipes.photos.tiled.tiles import PhotoTiles
from kerasrecipes.photos.tiled.tiling import WAYS, Tiling
from kerasrecipes.report.run_report import RunReport
from kerasrecipes.training.refitting import refitted

if TYPE_CHECKING:
    import keras

    from kerasrecipes.training.recipe import Recipe

TILE_MAP, _STEP = "tile_map", "tiles"


@named
def join_tiles(
    recipe: "Recipe",
    train: PhotoSet,
    val: PhotoSet,
    photo_size: tuple[int, int],
    *,
    overlap: float = 0.25,
    good: str = "good",
    by: str = "max",
) -> "Recipe":
    """Make a recipe that answers for whole photos, of one that was fitted on tiles of them.

    Its model takes whole photos, cuts them as `cut_tiles` does, asks the model of the recipe about
    each tile, and makes one answer of theirs, so that all of that is in every file it is exported
    to. It also answers with `"tile_map"`, how much each tile looks like a defect. It is measured,
    given an operating point, saved, exported and verified like any other, by whole photos.

    A photo is defective if any tile is, and each tile may be wrong: the more there are, the more
    good photos look defective. Choose from which score on to act by `operate_bundle`.

    Args:
        recipe: A fitted `ImageClassifier`, or one that was loaded; it stays as it is.
        train: The whole photos whose tiles it was trained on.
        val: The whole photos whose tiles it was chosen by; thresholds are chosen by these.
        photo_size: As in `cut_tiles`.
        overlap: As in `cut_tiles`; it may differ.
        good: The class of the good photos.
        by: `"max"` for the highest score of each defect on any tile, and the lowest of good, as
            shares of their sum; `"mean"` for the mean of all tiles.

    Returns:
        The recipe, measured on `val`.

    Raises:
        DataError: If the photos are tiles, do not suit the model, or it was tested on them.
        NotFittedError: If the recipe is not fitted.
        ValueError: If an argument cannot be used, or the model does not name one class.
    """
    fitted = recipe._fitted("model_")
    names = fitted.output.class_names
    if by not in WAYS:
        raise unknown_name("way to join tiles", by, WAYS, "help(kerasrecipes.join_tiles)")
    if fitted.task.name != CLASSIFICATION.name or fitted.others:
        others = listed([fitted.output.name, *(one.name for one in fitted.others)])
        raise ValueError(
            f"`recipe` must name one class, and nothing else, of each tile; it answers with "
            f"{others} for {fitted.output.task}. Fit an ImageClassifier on tiles."
        )
    if good not in names:
        raise ValueError(f"`good` must be one of the classes {listed(names)}, not {good!r}.")
    for name, side in (("train", train), ("val", val)):
        if isinstance(side, PhotoTiles):
            raise DataError(f"`{name}` must be whole photos. Pass those that were cut.")
    tile = tuple(fitted.model.input.shape[1:3])
    grid = tile_grid(photo_size, tile, overlap)
    learned, chosen = (recipe._as_fitted(side) for side in (train, val))
    answer, places = _joined(fitted.model, photo_size, grid, names.index(good), by, fitted.output)
    new = refitted(recipe, answer, learned, chosen)
    new.report_.optimization.append(_step(photo_size, grid, overlap, good, by))
    told = OutputSpec(name=TILE_MAP, task=TILE_MAP, shape=grid.shape, tile=grid.tile)
    new.fitted_ = replace(new.fitted_, model=places, others=(told,))
    return new


def tiling_of(report: RunReport) -> Tiling | None:
    """Return how the photos of a model are cut; `None` if they are not.

    Args:
        report: Of its fit.
    """
    steps = [step["options"] for step in report.optimization if step["name"] == _STEP]
    names = [one.name for one in fields(Tiling)]
    return Tiling(**{name: steps[-1][name] for name in names}) if steps else None


def _joined(
    model: "keras.Model",
    size: tuple[int, int],
    grid: TileGrid,
    good: int,
    by: str,
    output: OutputSpec,
) -> "tuple[keras.Model, keras.Model]":
    """Return a model of whole photos that answers for these, and one that also tells where."""
    import keras
    from keras import layers, ops

    inner = _renamed(model, output.name)
    channels = model.input.shape[-1]
    photo = keras.Input((*size, channels), name=model.inputs[0].name)
    (height, width), count = grid.tile, len(grid.tops) * len(grid.lefts)
    tall = [row + one for row in grid.tops for one in range(height)]
    wide = [column + one for column in grid.lefts for one in range(width)]
    columns = len(grid.lefts)
    # Of no more than five axes, which is what converters take.
    cut = ops.reshape(ops.take(photo, tall, axis=1), (-1, height, size[1], channels))
    cut = ops.reshape(ops.take(cut, wide, axis=2), (-1, height, columns, width, channels))
    cut = ops.reshape(ops.transpose(cut, (0, 2, 1, 3, 4)), (-1, height, width, channels))
    scores = ops.reshape(inner(cut, training=False), (-1, count, len(output.class_names)))
    defect = layers.Flatten(name=TILE_MAP)(1.0 - scores[:, :, good : good + 1])
    if by == "max":
        answer = _worst(scores, good, output.name)
    else:
        answer = layers.GlobalAveragePooling1D(name=output.name)(scores)
    return (
        keras.Model(photo, answer, name="tiled"),
        keras.Model(photo, [answer, defect], name="tiled"),
    )


def _worst(scores: Any, good: int, name: str) -> Any:
    """Return of each defect its highest score, and of good the lowest, as shares of their sum.

    To take all scores of one tile would be simpler, and in 8 bits `OneHot` gives other numbers.
    """
    import numpy as np
    from keras import layers, ops

    is_good = (np.arange(scores.shape[-1]) == good).astype("float32")
    highest, lowest = ops.max(scores, axis=1), ops.min(scores, axis=1)
    if len(is_good) == 2:  # their sum is 1
        return layers.Add(name=name)([highest * (1 - is_good), lowest * is_good])
    found = highest * (1 - is_good) + lowest * is_good
    return layers.Multiply(name=name)([found, 1.0 / ops.sum(found, axis=-1, keepdims=True)])


def _renamed(model: "keras.Model", output: str) -> "keras.Model":
    """Copy a model, in which no layer has the name of an answer that is made of its own."""
    import keras

    def copied(layer: "keras.Layer") -> "keras.Layer":
        config = layer.get_config()
        if layer.name == output:
            config["name"] = f"{output}_of_tiles"
        made: keras.Layer = type(layer).from_config(config)
        return made

    found = keras.models.clone_model(model, clone_function=copied)
    found.set_weights(model.get_weights())
    found.name = "of_each_tile"
    return found


def _step(
    size: tuple[int, int], grid: TileGrid, overlap: float, good: str, by: str
) -> dict[str, Any]:
    rows, columns = grid.shape
    how = "that of the worst tiles" if by == "max" else "the mean of all tiles"
    return {
        "name": _STEP,
        "summary": f"The answer for a photo of {size[0]} × {size[1]} pixels is {how}, of {rows} × "
        f"{columns} tiles of {grid.tile[0]} × {grid.tile[1]}.",
        "options": {
            "photo_size": list(size),
            "tile_size": list(grid.tile),
            "tiles": [rows, columns],
            "overlap": overlap,
            "good": good,
            "by": by,
        },
    }
