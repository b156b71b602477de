"""Large photos cut into tiles that overlap, to learn what a defect looks like."""

import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
from PIL import Image

from kerasrecipes.arguments import named
from kerasrecipes.data.examples import CLASS
from kerasrecipes.data.shapes import TileGrid, tile_grid
from kerasrecipes.errors import DataError, is_number, listed, printable
from kerasrecipes.photos.decoding.channels import picture_of, shown as in_rgb
from kerasrecipes.photos.decoding.decode import read_photo
from kerasrecipes.photos.decoding.masks import read_mask
from kerasrecipes.photos.decoding.policy import DecodePolicy
from kerasrecipes.photos.photo_set import PhotoSet

if TYPE_CHECKING:
    from kerasrecipes.data.findings.check import CheckReport
    from kerasrecipes.photos.photo_set import Photo

# Of what is marked on a part, or of a tile's area: with less the tile shows neither good nor bad.
_OF_MARK, _OF_TILE = 0.25, 0.01
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of a photo, as it lies in what a model for whole photos takes.

    Args:
        photo: The whole photo.
        of: `(height, width)` that the whole is fitted into.
        top: First row.
        left: First column.
        size: `(height, width)` of the tile.
    """

    photo: "Photo"
    of: tuple[int, int]
    top: int
    left: int
    size: tuple[int, int]

    def cut(self, whole: np.ndarray) -> np.ndarray:
        """Return the tile of pixels or of a mask."""
        return whole[self.top : self.top + self.size[0], self.left : self.left + self.size[1]]

    def pixels(self, size: tuple[int, int], policy: DecodePolicy) -> np.ndarray:
        """Read the tile, uint8 `(height, width, channels)`.

        Args:
            size: What a model takes.
            policy: How the photo is decoded.

        Raises:
            DataError: If a model takes another size, or the photo cannot be read.
        """
        if tuple(size) != self.size:
            height, width = self.size
            raise DataError(
                f"These tiles have {height} × {width} pixels, and the model takes {size[0]} × "
                f"{size[1]}. Cut tiles of its size, or pass image_size=({height}, {width})."
            )
        return self.cut(_whole(self.photo, self.of, policy)).copy()


@lru_cache(maxsize=2)
def _whole(photo: "Photo", size: tuple[int, int], policy: DecodePolicy) -> np.ndarray:
    """Decode a photo once for all its tiles, which are read one after the other."""
    return read_photo(photo, size, policy)


@dataclass(frozen=True, repr=False)
class PhotoTiles(PhotoSet):
    """Tiles of large photos, each an example of its own.

    Args:
        wholly: The photos that they were cut from.
    """

    noun: ClassVar[tuple[str, str]] = ("tile", "tiles")

    wholly: PhotoSet | None = field(default=None, compare=False)

    @property
    def wholes(self) -> list[str | None]:
        """The photo that each tile was cut from."""
        return [photo.key for photo in self.photos]

    def near_duplicates(self) -> list[tuple[int, int]]:
        """Return none: tiles of a plain surface all look the same, and tell of no leak."""
        return []

    def check(self, *others: PhotoSet) -> "CheckReport":
        """Look for damage and leaks among the photos that the tiles were cut from."""
        sets = [getattr(one, "wholly", None) or one for one in (self, *others)]
        return sets[0].check(*sets[1:])

    def shown(self, shape: tuple[int | None, ...]) -> "Iterator[np.ndarray | str]":
        """Yield the tiles for people, uint8 `(height, width, 3)`, in any size."""
        height, width = cast("tuple[int, int]", shape[:2])
        for photo in self.photos:
            tile = cast(Tile, photo.tile)
            picture = Image.fromarray(in_rgb(tile.pixels(tile.size, self.policy)))
            yield np.asarray(picture.resize((width, height)))

    def file_of(self, index: int) -> tuple[str, bytes]:
        """Return a tile as a PNG file, which a model decodes to the same pixels."""
        tile = cast(Tile, self.photos[index].tile)
        file = io.BytesIO()
        picture_of(tile.pixels(tile.size, self.policy)).save(file, "PNG")
        return "png", file.getvalue()


@named
def cut_tiles(
    photos: PhotoSet,
    photo_size: tuple[int, int],
    tile_size: tuple[int, int] = (224, 224),
    *,
    overlap: float = 0.25,
    good: str = "good",
    shown: Mapping[str, int] | None = None,
) -> PhotoTiles:
    """Cut large photos into tiles that overlap, for a model to learn what a defect looks like.

    Split the photos first. A tile of a good photo is good. Of other photos masks tell: a tile has
    the class of its photo if a quarter of what is marked there, or marks on 1 % of the tile, lie in
    it; it is good if nothing does, and otherwise left out. `join_tiles` then makes of a recipe
    that was fitted on tiles one that answers for whole photos; `fit_tiles` does all of it.

    Args:
        photos: Photos with one class each; defective ones with a `mask`, or in `shown`.
        photo_size: `(height, width)` that whole photos are fitted into before they are cut, at
            best their own.
        tile_size: `(height, width)` of a tile, what the backbone takes.
        overlap: Least share of a tile that it has in common with the next one, 0 to 0.9. Tiles are
            spread evenly, and none leaves the photo.
        good: The class of the good photos.
        shown: Of defective photos without a mask the number of the tile that shows the defect,
            counted row by row from 0, by the photo's `key`. Their other tiles are left out.

    Returns:
        The tiles, under the classes of the photos; each belongs to the group of its photo.

    Raises:
        DataError: If there is no such class, or of a photo of another class neither a mask nor
            `shown` tells where its defect is.
        ValueError: If a size or the overlap cannot be used.
    """
    check_tileable(photos, good)
    grid = tile_grid(photo_size, tile_size, overlap)
    shown = dict(shown or {})
    unmarked = [one for one in unmarked_photos(photos, good) if one.key not in shown]
    if unmarked:
        names = listed((printable(one.name) for one in unmarked), _NAMED)
        raise DataError(
            f"{len(unmarked)} defective photos have no mask, so nothing tells which of their tiles "
            f"show the defect: {names}. Name masks in a column `mask`, let `fit_tiles` search, or "
            "leave these photos out with `select`."
        )
    found: list[Photo] = []
    for photo in photos.photos:
        tiles = tiles_of(photo, photo_size, grid)
        if photo.label != good and photo.mask is None:
            number = shown[str(photo.key)]
            if not is_number(number, 0, len(tiles) - 1, whole=True):
                raise ValueError(
                    f"`shown` must be a tile from 0 to {len(tiles) - 1} of each photo, not "
                    f"{printable(repr(number))} of '{printable(photo.name)}'."
                )
            found.append(_as_example(photo, tiles[number], photo.label))
        else:
            found += _labelled(photo, tiles, good, photos.policy)
    return as_tiles(photos, found)


def check_tileable(photos: PhotoSet, good: str) -> None:
    """Refuse photos that cannot be cut, or of which none is good.

    Args:
        photos: Whole photos.
        good: The class of the good ones.

    Raises:
        DataError: If they are no pictures, or there is no such class.
    """
    photos.policy.check_picture("Tiles are cut of")
    if photos.target != CLASS or good not in photos.class_names:
        raise DataError(
            f"`good={good!r}` is none of the classes {listed(photos.class_names)}. Name the class "
            "of the good photos."
        )


def unmarked_photos(photos: PhotoSet, good: str) -> list["Photo"]:
    """Return defective photos of which no mask says where the defect is.

    Args:
        photos: Photos with one class each.
        good: The class of the good ones.
    """
    return [photo for photo in photos.photos if photo.label != good and photo.mask is None]


def tiles_of(photo: "Photo", size: tuple[int, int], grid: TileGrid) -> list[Tile]:
    """Return all tiles of a photo, row by row.

    Args:
        photo: The whole photo.
        size: `(height, width)` that it is fitted into.
        grid: Where the tiles lie.
    """
    whole = (int(size[0]), int(size[1]))
    return [Tile(photo, whole, top, left, grid.tile) for top in grid.tops for left in grid.lefts]


def as_tiles(photos: PhotoSet, found: Iterable["Photo"]) -> PhotoTiles:
    """Return tiles as examples, made alike.

    Args:
        photos: What they were cut from.
        found: A photo with a `tile` for each.
    """
    return PhotoTiles(
        tuple(found),
        photos.class_names,
        photos.root,
        policy=photos.policy,
        ordered=photos.ordered,
        split_by=photos.split_by,
        wholly=photos,
    )


def _as_example(photo: "Photo", tile: Tile, label: Any) -> "Photo":
    group = photo.group or photo.name
    return replace(photo, label=label, group=group, mask=None, tile=tile)


def _labelled(
    photo: "Photo", tiles: list[Tile], good: str, policy: DecodePolicy
) -> Iterable["Photo"]:
    """Yield those tiles of a photo of which it is known what they show."""
    marked = None if photo.label == good else marked_on(photo, tiles[0].of, policy)
    for tile in tiles:
        label = photo.label if marked is None else _label(photo, tile.cut(marked), marked, good)
        if label is not None:
            yield _as_example(photo, tile, label)


def _label(photo: "Photo", inside: np.ndarray, marked: np.ndarray, good: str) -> Any:
    count = int(inside.sum())
    if not count:
        return good
    enough = count >= _OF_MARK * marked.sum() or count >= _OF_TILE * inside.size
    return photo.label if enough else None


def marked_on(photo: "Photo", size: tuple[int, int], policy: DecodePolicy) -> np.ndarray:
    """Return what is marked on a photo, as it lies in what a model takes, bool `(height, width)`.

    Args:
        photo: A photo with a mask.
        size: `(height, width)` that the photo is fitted into.
        policy: How.

    Raises:
        DataError: If nothing is marked.
    """
    found: Any = read_mask(photo, size, policy)
    if not found.any():
        raise DataError(
            f"The mask '{printable(photo.mask)}' marks nothing, and its photo is of the class "
            f"{photo.label!r}. Draw it, or leave the photo out."
        )
    if found.shape != size:
        grey = Image.fromarray(found.astype(np.uint8) * 255)
        # Any share of area: a mark of less than a pixel is left.
        found = np.asarray(grey.resize(size[::-1], Image.Resampling.BOX)) > 0
    return np.asarray(found)
