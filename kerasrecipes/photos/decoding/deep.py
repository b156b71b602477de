"""Photos of more than 8 bits, which Pillow's `convert` clips, scaled by their declared range."""

import sys
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from kerasrecipes.errors import DataError
from kerasrecipes.photos.decoding.policy import DecodePolicy


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
    if image.mode.startswith("I"):
        image.load()
        values, alpha = np.asarray(image), None
    else:
        values, alpha = _two_bytes(image, data)
    low, peak = int(values.min()), int(values.max())
    if low < 0 or peak > white:
        raise DataError(
            f"a pixel of {low if low < 0 else peak} is outside the declared range 0 to {white}: "
            "pass the camera's range as max_16bit of the DecodePolicy"
        )
    scaled = np.empty(values.shape, np.uint8)
    for top in range(0, len(values), 256):  # in strips, since int64 is eight times the result
        strip = values[top : top + 256].astype(np.int64)
        scaled[top : top + 256] = (strip * 255 + white // 2) // white
    picture = Image.fromarray(scaled)
    if alpha is not None:
        picture.putalpha(Image.fromarray(alpha))
    return picture, peak


def _two_bytes(image: ImageFile.ImageFile, data: bytes) -> tuple[np.ndarray, np.ndarray | None]:
    """Read 16-bit colour, of which Pillow keeps the high byte only, by decoding it twice.

    The second time the layout is declared in the other byte order, so that Pillow keeps the
    low byte. Opacity is no matter of the camera's range; 8 bits of it do.
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
    image.load()
    low.load()
    high_byte, low_byte = np.asarray(image), np.asarray(low)
    values = (high_byte[..., :3].astype(np.uint16) << 8) | low_byte[..., :3]
    return values, high_byte[..., 3].copy() if high_byte.shape[2] == 4 else None


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
