"""Photos of more than 8 bits, which Pillow's `convert` clips, scaled by their declared range."""

import functools
import sys
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from kerasrecipes.errors import DataError
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
    white = policy.max_16bit
    tags: Any = getattr(image, "tag_v2", {})  # of a TIFF
    if image.format == "PPM":
        white = 65535  # the file states its own range and Pillow has scaled by it
    elif image.format == "TIFF" and tags.get(262) == 0:
        raise DataError("a 16-bit TIFF in which 0 is white: save it with 0 as black")
    low = None if image.mode.startswith("I") else _low_bytes(image, data)
    image.load()
    clear = image.info.get("transparency")
    colours = "L" if low is None else "RGB"
    see_through = clear is not None or image.mode == "RGBA"
    picture = Image.new(f"{colours}A" if see_through else colours, image.size)
    smallest, peak = white, 0
    for box in strips(image.size):  # since the steps between need several times the result
        values, alpha = _values(image.crop(box), low and low.crop(box), clear)
        smallest, peak = min(smallest, int(values.min())), max(peak, int(values.max()))
        part = Image.fromarray(_scaled(values, white))
        if alpha is not None:
            part.putalpha(Image.fromarray(alpha))
        picture.paste(part, box)
    if smallest < 0 or peak > white:
        raise DataError(
            f"a pixel of {smallest if smallest < 0 else peak} is outside the declared range 0 to "
            f"{white}: pass the camera's range as max_16bit of the DecodePolicy"
        )
    return picture, peak


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
