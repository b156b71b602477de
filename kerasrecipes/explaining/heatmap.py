"""A heatmap, as numbers and as pictures."""

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from kerasrecipes.arguments import named

if TYPE_CHECKING:
    from PIL import Image

# Deep blue is hidden by the photo; what counts glows from orange to yellow for any colour vision.
_COLOURS = np.array([[0, 114, 178], [213, 94, 0], [255, 214, 64]], np.float32)
_STRONGEST = 0.65
_GAP = 8


@dataclass(frozen=True)
class Heatmap:
    """Where in a photo something was found.

    Args:
        values: float32 `(height, width)`, 0…1, 1 where most of it is; 0 everywhere if nothing
            speaks for it.
        label: What was looked for, e.g. a class.
        score: What the model says of it.
        method: How the map was made.
        photo: The photo as the model takes it, uint8 `(height, width, 3)`; a grey one in RGB.
    """

    values: np.ndarray
    label: str
    score: float
    method: str
    photo: np.ndarray = field(repr=False)

    @property
    @named
    def peak(self) -> tuple[int, int]:
        """The row and column where most of it is."""
        row, column = np.unravel_index(int(self.values.argmax()), self.values.shape)
        return int(row), int(column)

    @named
    def overlay(self, photo: "Image.Image | None" = None) -> "Image.Image":
        """Draw the map over the photo.

        Args:
            photo: The photo at another size, e.g. its own; `None` for as the model takes it.

        Returns:
            An RGB picture of the photo's size.
        """
        from PIL import Image

        below = (photo or Image.fromarray(self.photo)).convert("RGB")
        heat = Image.fromarray(self.values.astype(np.float32))
        values = np.asarray(heat.resize(below.size, Image.Resampling.BILINEAR)).clip(0, 1)
        grey = np.asarray(below.convert("L"), np.float32)[..., None].repeat(3, axis=-1)
        share = (values * _STRONGEST)[..., None]
        return Image.fromarray(((1 - share) * grey + share * _coloured(values)).astype(np.uint8))

    @named
    def png(self, photo: "Image.Image | None" = None) -> bytes:
        """Draw the photo, and beside it the map over it.

        Args:
            photo: The photo at another size, e.g. its own; `None` for as the model takes it.

        Returns:
            The bytes of a PNG file.
        """
        from PIL import Image

        photo = (photo or Image.fromarray(self.photo)).convert("RGB")
        both = Image.new("RGB", (2 * photo.width + _GAP, photo.height), "white")
        both.paste(photo, (0, 0))
        both.paste(self.overlay(photo), (photo.width + _GAP, 0))
        file = io.BytesIO()
        both.save(file, "PNG")
        return file.getvalue()


def _coloured(values: np.ndarray) -> np.ndarray:
    steps = np.linspace(0, 1, len(_COLOURS))
    return np.stack([np.interp(values, steps, channel) for channel in _COLOURS.T], axis=-1)
