"""How large photos are cut into tiles, and how the answers of tiles become one."""

from dataclasses import asdict, dataclass
from typing import Any

from kerasrecipes.arguments import named
from kerasrecipes.data.shapes import tile_grid
from kerasrecipes.errors import printable, unknown_name

# How the answers of tiles become one.
WAYS = ("max", "mean")


@named
@dataclass(frozen=True)
class Tiling:
    """How large photos are cut into tiles to learn from, and one answer is made of those of tiles.

    Args:
        photo_size: `(height, width)` that whole photos are fitted into before they are cut, at
            best their own.
        overlap: Least share of a tile that it has in common with the next one, 0 to 0.9.
        good: The class of the good photos.
        by: `"max"` for the highest score of each defect on any tile, `"mean"` for the mean of all;
            see `join_tiles`.

    Raises:
        ValueError: If one of them cannot be used.

    Example:
        >>> Tiling((3000, 4000)).overlap
        0.25
    """

    photo_size: tuple[int, int]
    overlap: float = 0.25
    good: str = "good"
    by: str = "max"

    def __post_init__(self) -> None:
        tile_grid(self.photo_size, (1, 1), self.overlap)
        object.__setattr__(self, "photo_size", tuple(self.photo_size))
        if not isinstance(self.good, str):
            raise ValueError(f"`good` must be a class, e.g. 'good', not {self.good!r}.")
        if self.by not in WAYS:
            raise unknown_name("way to join tiles", self.by, WAYS, "help(kerasrecipes.join_tiles)")

    def to_dict(self) -> dict[str, Any]:
        """Return the arguments as plain data."""
        return {**asdict(self), "photo_size": list(self.photo_size)}


def refuse_other(value: Any) -> None:
    """Raise a `ValueError` for what is no `Tiling`, where one is asked for as `tiles`.

    Args:
        value: Anything.
    """
    if not isinstance(value, Tiling):
        raise ValueError(
            f"`tiles` must be a Tiling or None, not {printable(repr(value))}. Pass e.g. "
            "Tiling((3000, 4000)), or on the command line 3000x4000, the height and the width that "
            "photos are cut at."
        )
