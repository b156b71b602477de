"""Which tile of a defective photo shows the defect, where no mask says so."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from kerasrecipes.data.shapes import TileGrid
from kerasrecipes.errors import DataError
from kerasrecipes.novelty.distances import Whole
from kerasrecipes.photos.tiled.tiles import PhotoTiles, as_tiles, tiles_of, unmarked_photos
from kerasrecipes.photos.tiled.tiling import Tiling
from kerasrecipes.settings.judging import Judged
from kerasrecipes.training.linear.depths import depth_features

if TYPE_CHECKING:
    from kerasrecipes.photos.photo_set import Photo, PhotoSet

# A covariance learns little from more tiles, and fewer say too little.
_MOST_GOOD, _FEWEST_GOOD = 2000, 20
# Of how many tiles the features lie in memory at once.
_AT_ONCE = 20_000


def search_tiles(
    judged: Judged, train: "PhotoSet", val: "PhotoSet", tiling: Tiling, grid: TileGrid
) -> dict[str, int]:
    """Find of each defective photo without a mask the tile that is least like those of good ones.

    The Mahalanobis distance of what the frozen backbone sees of a tile to tiles of good training
    photos tells it, as in `DefectDetector`, so that labels of whole photos are enough. One tile
    of each photo is found, however large a defect is, and however many there are.

    Args:
        judged: The recipe, judged.
        train: Whole photos to learn from; the good ones say what is usual.
        val: Whole photos to choose by.
        tiling: How photos are cut.
        grid: Where the tiles lie.

    Returns:
        The number of the tile, row by row, by the `key` of the photo.

    Raises:
        DataError: If there are too few tiles of good photos, or a photo cannot be read.
    """
    marks = [photo for side in (train, val) for photo in unmarked_photos(side, tiling.good)]
    if not marks:
        return {}
    recipe, spec = judged.recipe, judged.suited(train).spec
    backbone = spec.build(recipe.input_size, recipe.weights_file)

    def seen(tiles: PhotoTiles) -> np.ndarray:
        (found,) = depth_features(backbone, spec, 1, tiles)
        return found.rows

    usual = Whole.of(seen(_of_good(train, tiling, grid, recipe.seed)))
    count, found = len(grid.tops) * len(grid.lefts), {}
    for photos in _portions(marks, max(1, _AT_ONCE // count)):
        tiles = as_tiles(train, _cut(photos, tiling, grid))
        distances = usual.distances(seen(tiles)).reshape(-1, count)
        for photo, number in zip(photos, distances.argmax(axis=1), strict=True):
            found[str(photo.key)] = int(number)
    return found


def _of_good(train: "PhotoSet", tiling: Tiling, grid: TileGrid, seed: int) -> PhotoTiles:
    """Return tiles of good photos, of so many as are enough, drawn evenly."""
    tiles = list(_cut((one for one in train.photos if one.label == tiling.good), tiling, grid))
    if len(tiles) < _FEWEST_GOOD:
        raise DataError(
            f"There are {len(tiles)} tiles of good training photos, and at least {_FEWEST_GOOD} "
            "are needed to tell which tile of a photo without a mask shows its defect. Add photos "
            f"of the class {tiling.good!r}, or masks in a column `mask`."
        )
    drawn = np.random.default_rng(seed).permutation(len(tiles))[:_MOST_GOOD]
    return as_tiles(train, (tiles[one] for one in sorted(drawn)))


def _cut(photos: "Iterable[Photo]", tiling: Tiling, grid: TileGrid) -> "Iterator[Photo]":
    for photo in photos:
        for tile in tiles_of(photo, tiling.photo_size, grid):
            yield replace(photo, mask=None, tile=tile)


def _portions(photos: "list[Photo]", most: int) -> "Iterator[list[Photo]]":
    for begin in range(0, len(photos), most):
        yield photos[begin : begin + most]
