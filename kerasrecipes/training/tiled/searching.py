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
from kerasrecipes.training.linear.depths import DepthFeatures, depth_features

if TYPE_CHECKING:
    from kerasrecipes.photos.photo_set import Photo, PhotoSet

# A covariance learns little from more tiles, and fewer say too little.
_MOST_GOOD, _FEWEST_GOOD = 2000, 20
# Of so many tiles the features at all depths, and those that are compared, lie in memory: 2 GB.
_AT_ONCE, _MOST_TILES = 20_000, 400_000
# Little changes after a few rounds. Chosen on plates of training parts alone, see RESULTS.md.
_ROUNDS, _STRENGTH = 5, 1e-4


def search_tiles(
    judged: Judged, train: "PhotoSet", val: "PhotoSet", tiling: Tiling, grid: TileGrid
) -> dict[str, int]:
    """Find of each defective photo without a mask the tile that shows the defect most likely.

    At first it is the one that is least like tiles of good training photos, by the Mahalanobis
    distance of what the frozen backbone sees at middle depths. Then, by turns, a regression learns
    to tell the chosen tiles from good ones, and of each photo the tile is chosen that it is surest
    of. One tile of each photo is found, however large a defect is, and however many there are.

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

    Reference:
        Andrews, Tsochantaridis and Hofmann, 2002, "Support Vector Machines for Multiple-Instance
        Learning", section 4, with one witness for each photo.
    """
    marks = [photo for side in (train, val) for photo in unmarked_photos(side, tiling.good)]
    if not marks:
        return {}
    count = len(marks) * len(grid.tops) * len(grid.lefts)
    if count > _MOST_TILES:
        raise DataError(
            f"{len(marks)} defective photos without a mask have {count:,} tiles, and at most "
            f"{_MOST_TILES:,} can be compared. Name masks in a column `mask`, make `overlap` or "
            "`photo_size` smaller, or take fewer of these photos."
        )
    recipe, spec = judged.recipe, judged.suited(train).spec
    backbone = spec.build(recipe.input_size, recipe.weights_file)

    def seen(tiles: PhotoTiles) -> np.ndarray:
        parts = (tiles.photos[i : i + _AT_ONCE] for i in range(0, len(tiles), _AT_ONCE))
        found = (depth_features(backbone, spec, None, tiles.with_items(part)) for part in parts)
        return np.concatenate([_middle(features) for (features,) in found])

    usual = seen(_of_good(train, tiling, grid, recipe.seed))
    tiles = seen(as_tiles(train, _cut(marks, tiling, grid)))
    chosen = _chosen(usual, tiles.reshape(len(marks), -1, tiles.shape[-1]))
    return {str(photo.key): int(one) for photo, one in zip(marks, chosen, strict=True)}


def _middle(features: DepthFeatures) -> np.ndarray:
    """Leave the last third of the blocks out, which knows things and not surfaces, if it can be."""
    if len(features.depths) == 1:
        return features.rows
    return features.rows[:, : -sum(features.widths[-features.depths[-2] :])]


def _chosen(good: np.ndarray, photos: np.ndarray) -> np.ndarray:
    """Choose a tile of each photo: of `(photos, tiles, features)`, beside `(n, features)`."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaled = StandardScaler().fit(good)
    rows = photos.reshape(-1, photos.shape[-1])
    chosen = Whole.of(good).distances(rows).reshape(photos.shape[:2]).argmax(axis=1)
    good, rows = scaled.transform(good), scaled.transform(rows)
    places = np.arange(len(photos)) * photos.shape[1]
    is_defect = np.repeat([0, 1], [len(good), len(photos)])
    for _ in range(_ROUNDS):
        model = LogisticRegression(C=_STRENGTH, class_weight="balanced", max_iter=300)
        model.fit(np.concatenate([good, rows[places + chosen]]), is_defect)
        again = model.decision_function(rows).reshape(photos.shape[:2]).argmax(axis=1)
        if (again == chosen).all():
            break
        chosen = again
    return chosen


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
