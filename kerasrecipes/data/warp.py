"""Turning, shearing and shifting a photo, with what comes into view filled by reflection."""

import math

import numpy as np
from PIL import Image


def warp_photo(
    photo: np.ndarray,
    matrix: tuple[tuple[float, float], tuple[float, float]],
    shift: tuple[int, int] = (0, 0),
) -> np.ndarray:
    """Move the pixels of a photo by an affine map about its middle.

    Args:
        photo: uint8, shape `(height, width, 3)`.
        matrix: Where a new pixel `(x, y)`, counted from the middle, is found in the photo.
        shift: Pixels to the right and down; whole, so that a shift alone blurs nothing.

    Returns:
        uint8 of the same shape.
    """
    height, width = photo.shape[:2]
    (xx, xy), (yx, yy) = matrix
    right, down = shift
    turned = matrix != ((1.0, 0.0), (0.0, 1.0))
    if not (right or down or turned):
        return photo
    reach_x = (abs(xx) - 1) * width / 2 + abs(xy) * height / 2 + abs(right)
    reach_y = (abs(yy) - 1) * height / 2 + abs(yx) * width / 2 + abs(down)
    margin = max(0, math.ceil(max(reach_x, reach_y)))
    padded = np.pad(photo, ((margin, margin), (margin, margin), (0, 0)), mode="reflect")
    if not turned:
        rows = slice(margin - down, margin - down + height)
        return padded[rows, margin - right : margin - right + width]
    # Pillow asks, for each new pixel, where in the padded picture to look.
    middle_x, middle_y = width / 2, height / 2
    from_x = margin + middle_x - right - xx * middle_x - xy * middle_y
    from_y = margin + middle_y - down - yx * middle_x - yy * middle_y
    found = Image.fromarray(padded).transform(
        (width, height),
        Image.Transform.AFFINE,
        (xx, xy, from_x, yx, yy, from_y),
        Image.Resampling.BILINEAR,
    )
    return np.asarray(found)
