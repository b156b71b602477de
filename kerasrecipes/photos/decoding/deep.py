"""Photos of more than 8 bits, which Pillow's `convert` clips, scaled by their declared range."""

import functools
import sys
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from kerasrecipes.errors import DataError
from kerasrecipes.photos.decoding.channels import grey_of
from kerasrecipes.photos.decoding.policy import DecodePolicy

_STRIP_PIXELS = 2**18


def has_deep_pixels(image: ImageFile.ImageFile) -> bool:
    """Tell whether an opened, not yet loaded photo has more than 8 bits per channel."""
    return image.mode.startswith("I") or any(";16" in raw for raw in _raw_modes(image))


def load_deep(
    image: ImageFile.ImageFile, data: bytes, policy: DecodePolicy
) -> tuple[Image.Image, int]:
    """Scale more than 8 bits to 8 by the declared range.

    Args:
        image: The opened, not yet loaded photo.
        data: The bytes of its file.
        policy: Declares the range.

    Returns:
        The picture as it lies in the file, and its largest value.

    Raises:
        DataError: With the bare reason, if a pixel is outside the range.
    """
    seen = _Opened(image, data, policy)
    picture = Image.new(f"{seen.colours}A" if seen.see_through else seen.colours, image.size)
    for box, values, alpha in seen.strips():
        part = Image.fromarray(_scaled(values, seen.white))
        if alpha is not None:
            part.putalpha(Image.fromarray(alpha))
        picture.paste(part, box)
    return picture, seen.peak


def load_exactly(
    image: ImageFile.ImageFile, data: bytes, policy: DecodePolicy
) -> tuple[np.ndarray, int]:
    """Bring more than 8 bits to 0…255 by the declared range, without rounding.

    Args:
        image: The opened, not yet loaded photo.
        data: The bytes of its file.
        policy: Declares the range, and on what a transparent photo is laid.

    Returns:
        float32, shape `(height, width, channels)`, as it lies in the file, and its largest value.

    Raises:
        DataError: With the bare reason, if a pixel is outside the range.
    """
    seen = _Opened(image, data, policy)
    below = np.array([grey_of(policy.background)] if seen.grey else policy.background, np.float32)
    found = np.empty((image.height, image.width, len(below)), np.float32)
    for (_, top, _, bottom), values, alpha in seen.strips():
        part: np.ndarray = values.reshape(*values.shape[:2], -1) * np.float32(255 / seen.white)
        if alpha is not None:
            share = alpha[..., None] / np.float32(255)
            part = part * share + below * (1 - share)
        found[top:bottom] = part
    return np.clip(found, 0, 255, out=found), seen.peak


class _Opened:
    """A loaded photo of more than 8 bits, whose values are judged as they are read.

    Args:
        image: The opened, not yet loaded photo.
        data: The bytes of its file.
        policy: Declares the range.
    """

    def __init__(self, image: ImageFile.ImageFile, data: bytes, policy: DecodePolicy):
        self.white, self.peak = policy.max_16bit, 0
        tags: Any = getattr(image, "tag_v2", {})  # of a TIFF
        if image.format == "PPM":
            self.white = 65535  # the file states its own range and Pillow has scaled by it
        elif image.format == "TIFF" and tags.get(262) == 0:
            raise DataError("a 16-bit TIFF in which 0 is white: save it with 0 as black")
        self.grey = image.mode.startswith("I")
        self._low = None if self.grey else _low_bytes(image, data)
        image.load()
        self._image, self._clear = image, image.info.get("transparency")
        self.colours = "L" if self.grey else "RGB"
        self.see_through = self._clear is not None or image.mode == "RGBA"

    def strips(self) -> Iterator[tuple[tuple[int, int, int, int], np.ndarray, np.ndarray | None]]:
        """Yield boxes, their values and their opacity, since what follows needs much memory.

        Raises:
            DataError: With the bare reason, at the end, if a pixel was outside the range.
        """
        smallest = 0
        for box in strips(self._image.size):
            low = self._low and self._low.crop(box)
            values, alpha = _values(self._image.crop(box), low, self._clear)
            smallest, self.peak = (
                min(smallest, int(values.min())),
                max(self.peak, int(values.max())),
            )
            yield box, values, alpha
        if smallest < 0 or self.peak > self.white:
            raise DataError(
                f"a pixel of {smallest or self.peak} is outside the declared range 0 to "
                f"{self.white}: pass the camera's range as max_16bit of the DecodePolicy"
            )


def strips(size: tuple[int, int]) -> Iterator[tuple[int, int, int, int]]:
    """Yield the boxes of a picture's strips, from the top, for work that needs much memory."""
    width, height = size
    rows = max(_STRIP_PIXELS // width, 1)
    for top in range(0, height, rows):
        yield 0, top, width, min(top + rows, height)


def _scaled(values: np.ndarray, white: int) -> np.ndarray:
    if values.dtype == np.uint16:
        return _scale_table(white)[values]
    return ((values.astype(np.int64) * 255 + white // 2) // white).astype(np.uint8)


@functools.lru_cache(maxsize=4)
def _scale_table(white: int) -> np.ndarray:
    """Tell for each value of 16 bits what it is in 8."""
    values = np.arange(2**16, dtype=np.int64)
    return ((values * 255 + white // 2) // white).astype(np.uint8)


def _values(
    image: Image.Image, low: Image.Image | None, clear: Any
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the values, and the opacity in 8 bits if some are see-through.

    Opacity is no matter of the camera's range.
    """
    values = np.asarray(image)
    alpha = values[..., 3].copy() if image.mode == "RGBA" else None
    if low is not None:
        values = (values[..., :3].astype(np.uint16) << 8) | np.asarray(low)[..., :3]
    if clear is not None:
        same = values == np.asarray(clear)
        same = same.all(axis=2) if same.ndim == 3 else same
        alpha = np.where(same, 0, 255).astype(np.uint8)
    return values, alpha


def _low_bytes(image: ImageFile.ImageFile, data: bytes) -> Image.Image:
    """Read the low bytes of 16-bit colour, of which Pillow keeps the high ones only.

    The photo is decoded a second time, with its layout declared in the other byte order.
    """
    native = "16L" if sys.byteorder == "little" else "16B"
    layouts = {f"{mode};16{order}" for mode in ("RGB", "RGBA") for order in "BLN"}
    if not image.tile or not set(_raw_modes(image)) <= layouts:
        raise DataError(
            f"a 16-bit layout that cannot be read exactly ({', '.join(_raw_modes(image))}): "
            "save it as 16-bit grey or RGB"
        )
    low = Image.OPEN[str(image.format)][0](BytesIO(data), "")
    low.tile = [tile._replace(args=_swapped(tile.args, native)) for tile in low.tile]
    low.load()
    return low


def _swapped(layout: Any, native: str) -> Any:
    if isinstance(layout, tuple):
        return (_swapped(layout[0], native), *layout[1:])
    mode, order = layout.split(";")
    order = native if order == "16N" else order
    return f"{mode};{'16B' if order == '16L' else '16L'}"


def _raw_modes(image: ImageFile.ImageFile) -> list[str]:
    """Names of the pixel layouts in the file, e.g. `["RGB;16B"]`."""
    layouts = (tile[3] for tile in image.tile)
    return [
        raw
        for raw in (a[0] if isinstance(a, tuple) and a else a for a in layouts)
        if isinstance(raw, str)
    ]
