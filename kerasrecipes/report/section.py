"""A part of a page beyond a run's facts: text, tables, and small photos with captions."""

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kerasrecipes.report.threshold_slider import ThresholdSlider
from kerasrecipes.statistics.shown import Shown
from kerasrecipes.statistics.tables import Table

SIDE = 112
_QUALITY = 80


@dataclass(frozen=True)
class Thumbnail:
    """A small photo with a caption.

    Args:
        jpeg: The file.
        caption: Lines below it; the page escapes them.
        paired: Whether it is twice as wide, with a heatmap beside the photo.
    """

    jpeg: bytes
    caption: tuple[str, ...]
    paired: bool = False

    @classmethod
    def of(cls, pixels: np.ndarray, *caption: str, paired: bool = False) -> "Thumbnail":
        """Make one of pixels.

        Args:
            pixels: uint8, shape `(height, width, 3)`, as small as it is to be.
            *caption: Lines below it.
            paired: Whether a heatmap is beside the photo.
        """
        from PIL import Image

        file = io.BytesIO()
        Image.fromarray(np.asarray(pixels, np.uint8)).save(file, "JPEG", quality=_QUALITY)
        return cls(file.getvalue(), caption, paired)

    @property
    def source(self) -> str:
        """The file as an address that loads nothing."""
        return "data:image/jpeg;base64," + base64.b64encode(self.jpeg).decode("ascii")


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Args:
        title: Its heading.
        content: What it shows: `Shown`, texts and tables, in order.
        thumbnails: Small photos below.
        slider: Thresholds that a reader can move; one section of a page at most has them.
    """

    title: str
    content: tuple[Shown | Table | str, ...] = ()
    thumbnails: tuple[Thumbnail, ...] = ()
    slider: ThresholdSlider | None = None

    def blocks(self) -> Iterator[Table | str]:
        """Yield its texts and tables, those inside others, too; empty lines are left out."""
        for one in self.content:
            for part in _flat(one):
                if not isinstance(part, str) or part.strip():
                    yield part


def _flat(part: Shown | Table | str) -> Iterator[Table | str]:
    if not isinstance(part, Shown):
        yield part
        return
    for inner in part.parts():
        yield from _flat(inner)
