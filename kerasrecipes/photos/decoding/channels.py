"""Photos of one channel, and of more than three, beside those of three."""

from typing import TYPE_CHECKING

import numpy as np

from kerasrecipes.data.shapes import GREY as GREY, MOST_CHANNELS as MOST_CHANNELS, RGB as RGB
from kerasrecipes.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

# Of red, green and blue in grey, and what rounds it, in 2**-16 (ITU-R BT.601; Pillow's numbers).
LUMA, HALF, BITS = (19595, 38470, 7471), 1 << 15, 16


def grey_of(colour: tuple[int, int, int]) -> int:
    """Return what a colour is in grey.

    Args:
        colour: RGB, 0 to 255.

    Example:
        >>> grey_of((255, 0, 0)), grey_of((7, 7, 7))
        (76, 7)
    """
    return (sum(one * part for one, part in zip(colour, LUMA, strict=True)) + HALF) >> BITS


def as_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """Return pixels in as many channels as somebody reads: grey ones also as RGB.

    Args:
        pixels: Shape `(…, own channels)`.
        channels: How many are wanted.

    Raises:
        DataError: If they cannot be had, since there are others.
    """
    own = pixels.shape[-1]
    if own == channels:
        return pixels
    if own == GREY:
        return np.repeat(pixels, channels, axis=-1)
    raise DataError(
        f"The model reads photos of {channels} channel{'s' * (channels > 1)}, and these have "
        f"{own}. Scan them with channels={channels}."
    )


def shown(pixels: np.ndarray) -> np.ndarray:
    """Return pixels in RGB for people: of more channels the first three, of two their mean.

    Args:
        pixels: Shape `(…, height, width, channels)`, 0…255.

    Returns:
        uint8, shape `(…, height, width, 3)`.
    """
    if pixels.shape[-1] > RGB:
        pixels = pixels[..., :RGB]
    elif pixels.shape[-1] < RGB:
        pixels = pixels.mean(axis=-1, keepdims=True, dtype=np.float32).repeat(RGB, axis=-1)
    return pixels if pixels.dtype == np.uint8 else np.rint(pixels).clip(0, 255).astype(np.uint8)


def is_picture(pixels: np.ndarray) -> bool:
    """Tell whether pixels are those of a picture: 8 bits, in RGB or grey."""
    return pixels.dtype == np.uint8 and pixels.shape[-1] in {GREY, RGB}


def picture_of(pixels: np.ndarray) -> "Image.Image":
    """Return pixels as a picture, in grey or in RGB.

    Args:
        pixels: uint8, shape `(height, width, 1)` or `(height, width, 3)`.
    """
    from PIL import Image

    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == GREY else pixels)


def pixels_of(picture: "Image.Image") -> np.ndarray:
    """Return the pixels of a picture in grey or in RGB, uint8 `(height, width, channels)`."""
    pixels = np.array(picture)
    return pixels[..., None] if pixels.ndim == 2 else pixels
