"""Shapes of examples, of which a side may be free. Without pydantic, for small processes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kerasrecipes.errors import is_number

# Channels of photos.
GREY, RGB, MOST_CHANNELS = 1, 3, 16
# How long an example is that stands for all, where its length is free.
USUAL_LENGTH = 64
_LONGEST, _MOST_OVERLAP = 16384, 0.9


def is_of_shape(told: Sequence[int | None], found: Sequence[int | None]) -> bool:
    """Tell whether a shape is the one that was told, as far as that says it."""
    return len(told) == len(found) and all(
        size in {None, other} for size, other in zip(told, found, strict=True)
    )


def stand_in(shape: Sequence[int | None], dtype: str = "uint8") -> np.ndarray:
    """Make an example without meaning, to time a model with: grey pixels, or tokens.

    Args:
        shape: Of one example; a free side gets a usual length.
        dtype: Type of its numbers.
    """
    value = 1 if dtype == "int32" else 127
    return np.full([USUAL_LENGTH if side is None else side for side in shape], value, dtype)


def count_within(numbers: int, shape: Sequence[int | None]) -> int:
    """Return how many examples of a shape hold no more numbers together, at least one.

    Args:
        numbers: The most numbers.
        shape: Of an example; a free axis counts as one place.
    """
    return max(1, numbers // math.prod(side or 1 for side in shape))


@dataclass(frozen=True)
class TileGrid:
    """Where tiles lie that a large example is cut into.

    Args:
        tops: First row of each row of tiles, rising from 0.
        lefts: First column of each column of tiles, rising from 0.
        tile: `(height, width)` of a tile.
    """

    tops: tuple[int, ...]
    lefts: tuple[int, ...]
    tile: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of tiles."""
        return len(self.tops), len(self.lefts)

    def box(self, number: int) -> tuple[int, int, int, int]:
        """Return where a tile lies, counted row by row: top, left, bottom and right in pixels."""
        row, column = divmod(number, len(self.lefts))
        top, left = self.tops[row], self.lefts[column]
        return top, left, top + self.tile[0], left + self.tile[1]


def tile_grid(whole: Sequence[int], tile: Sequence[int], overlap: float) -> TileGrid:
    """Spread tiles evenly over a large example, so that none leaves it and all of it is covered.

    Args:
        whole: Its `(height, width)`.
        tile: `(height, width)` of a tile.
        overlap: Least share of a tile that it has in common with the next one, 0 to 0.9.

    Raises:
        ValueError: If one of them cannot be used.

    Example:
        >>> tile_grid((300, 500), (224, 224), 0.25).lefts
        (0, 138, 276)
    """
    for name, size in (("photo_size", whole), ("tile_size", tile)):
        sides = size if isinstance(size, tuple | list) and len(size) == 2 else (0,)
        if not all(is_number(side, 1, _LONGEST, whole=True) for side in sides):
            raise ValueError(
                f"`{name}` must be (height, width), each from 1 to {_LONGEST} pixels, not {size!r}."
            )
    if not is_number(overlap, 0, _MOST_OVERLAP):
        raise ValueError(f"`overlap` must be from 0 to {_MOST_OVERLAP}, not {overlap!r}.")
    if whole[0] < tile[0] or whole[1] < tile[1] or tuple(whole) == tuple(tile):
        raise ValueError(
            f"`photo_size` {tuple(whole)} must be larger than a tile, {tuple(tile)}. Photos of "
            "that size need no tiles."
        )
    counts = [
        math.ceil((long - short) / max(1, short * (1 - overlap))) + 1
        for long, short in zip(whole, tile, strict=True)
    ]
    return even_grid(whole, tile, (counts[0], counts[1]))


def even_grid(whole: Sequence[int], tile: Sequence[int], shape: tuple[int, int]) -> TileGrid:
    """Spread so many rows and columns of tiles evenly.

    Args:
        whole: `(height, width)` of what is cut.
        tile: `(height, width)` of a tile.
        shape: Rows and columns.
    """
    tops, lefts = (
        tuple(round(place * (long - short) / max(1, count - 1)) for place in range(count))
        for long, short, count in zip(whole, tile, shape, strict=True)
    )
    return TileGrid(tops, lefts, (int(tile[0]), int(tile[1])))
