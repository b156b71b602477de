"""Changes of one photo by a level, and two ways to draw from them: RandAugment and AugMix.

The ranges are AutoAugment's. Solarize and invert are left out: no camera sends a negative,
and in it a dark defect is a bright one.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from kerasrecipes.photos.decoding.channels import RGB, is_picture, picture_of, pixels_of


def warp_photo(
    photo: np.ndarray,
    matrix: tuple[tuple[float, float], tuple[float, float]],
    shift: tuple[int, int] = (0, 0),
) -> np.ndarray:
    """Move the pixels of a photo by an affine map about its middle.

    Args:
        photo: uint8 or float32, shape `(height, width, channels)`.
        matrix: Where a new pixel `(x, y)`, counted from the middle, is found in the photo.
        shift: Pixels to the right and down; whole, so that a shift alone blurs nothing.

    Returns:
        The same type and shape.
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
    found = [
        picture.transform(
            (width, height),
            Image.Transform.AFFINE,
            (xx, xy, from_x, yx, yy, from_y),
            Image.Resampling.BILINEAR,
        )
        for picture in _pictures(padded)
    ]
    return (
        pixels_of(found[0])
        if len(found) == 1
        else np.stack([np.asarray(one) for one in found], axis=-1)
    )


def _pictures(photo: np.ndarray) -> list[Image.Image]:
    """Return a photo as one picture, or as one for each channel where Pillow has no such."""
    if is_picture(photo):
        return [picture_of(photo)]
    planes = np.moveaxis(np.ascontiguousarray(photo), -1, 0)
    return [Image.fromarray(np.ascontiguousarray(plane)) for plane in planes]


LONGEST_CHAIN = 3
COLOUR = "colour"


def turn_photo(photo: np.ndarray, degrees: float) -> np.ndarray:
    """Turn a photo about its middle; what it lacks at the corners is mirrored.

    Args:
        photo: uint8, shape `(height, width, channels)`.
        degrees: How far.

    Returns:
        uint8 of the same shape.
    """
    angle = math.radians(degrees)
    cos, sin = math.cos(angle), math.sin(angle)
    return warp_photo(photo, ((cos, -sin), (sin, cos)))


def _rotate(photo: np.ndarray, level: float) -> np.ndarray:
    return turn_photo(photo, level * 30)


def _shear_x(photo: np.ndarray, level: float) -> np.ndarray:
    return warp_photo(photo, ((1.0, 0.3 * level), (0.0, 1.0)))


def _shear_y(photo: np.ndarray, level: float) -> np.ndarray:
    return warp_photo(photo, ((1.0, 0.0), (0.3 * level, 1.0)))


def _shift_x(photo: np.ndarray, level: float) -> np.ndarray:
    return warp_photo(photo, ((1.0, 0.0), (0.0, 1.0)), (round(0.3 * level * photo.shape[1]), 0))


def _shift_y(photo: np.ndarray, level: float) -> np.ndarray:
    return warp_photo(photo, ((1.0, 0.0), (0.0, 1.0)), (0, round(0.3 * level * photo.shape[0])))


def _posterize(photo: np.ndarray, level: float) -> np.ndarray:
    return pixels_of(ImageOps.posterize(picture_of(photo), 8 - round(4 * abs(level))))


def _blended(change: Callable[[Image.Image], Image.Image]) -> Callable[..., Any]:
    """Give a change that knows no levels one: how much of it is mixed with the photo."""

    def operation(photo: np.ndarray, level: float) -> np.ndarray:
        picture = picture_of(photo)
        return pixels_of(Image.blend(picture, change(picture), abs(level)))

    return operation


def _enhanced(enhancer: type) -> Callable[..., Any]:
    """Make an operation of one of Pillow's enhancers, for which 1 is the photo itself."""

    def operation(photo: np.ndarray, level: float) -> np.ndarray:
        return pixels_of(enhancer(picture_of(photo)).enhance(1 + 0.9 * level))

    return operation


_MOVES = ("rotate", "shear_x", "shear_y", "shift_x", "shift_y")
# Each takes a uint8 photo, shape `(height, width, channels)`, and a level from -1 to 1, and returns
# a photo like it; level 0 changes nothing.
OPERATIONS: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "autocontrast": _blended(ImageOps.autocontrast),
    "brightness": _enhanced(ImageEnhance.Brightness),
    COLOUR: _enhanced(ImageEnhance.Color),
    "contrast": _enhanced(ImageEnhance.Contrast),
    "equalize": _blended(ImageOps.equalize),
    "posterize": _posterize,
    "rotate": _rotate,
    "sharpness": _enhanced(ImageEnhance.Sharpness),
    "shear_x": _shear_x,
    "shear_y": _shear_y,
    "shift_x": _shift_x,
    "shift_y": _shift_y,
}


def _operations(photo: np.ndarray) -> list[str]:
    """Name the operations that change a photo: a grey one has no colours to change, and of other
    channels or floats, whose values mean more than light, only places are changed."""
    if not is_picture(photo):
        return [*_MOVES]
    return [name for name in OPERATIONS if name != COLOUR or photo.shape[-1] == RGB]


def apply_random_operations(
    photo: np.ndarray, rng: np.random.Generator, count: int, strength: float
) -> np.ndarray:
    """Apply operations drawn with replacement, one after the other, all at one strength.

    Args:
        photo: uint8, shape `(height, width, channels)`.
        rng: A generator; the same state gives the same result.
        count: Number of operations.
        strength: Level of each, 0…1; its sign is drawn.

    Returns:
        uint8 of the same shape.

    Reference:
        Cubuk et al., 2020, "RandAugment", arXiv 1909.13719, section 3; without its identity,
        which view 0 is.
    """
    for name in rng.choice(_operations(photo), size=count):
        photo = OPERATIONS[name](photo, strength * rng.choice((-1.0, 1.0)))
    return photo


def mix_chains(
    photo: np.ndarray, rng: np.random.Generator, chains: int, strength: float
) -> np.ndarray:
    """Mix a photo with the results of several short chains of operations.

    The photo's share is drawn evenly from 0…1, the chains share the rest by a flat Dirichlet
    draw. The paper's consistency loss, which compares two such views, is not part of it.

    Args:
        photo: uint8, shape `(height, width, channels)`.
        rng: A generator; the same state gives the same result.
        chains: Number of chains, each of 1 to 3 operations.
        strength: Largest level of an operation, 0…1; each level is drawn.

    Returns:
        float32 of the same shape, 0…255.

    Reference:
        Hendrycks et al., 2020, "AugMix", arXiv 1912.02781, algorithm 1.
    """
    share = rng.uniform()
    mixture = (1 - share) * photo
    for weight in rng.dirichlet(np.ones(chains)):
        chained = photo
        for name in rng.choice(_operations(photo), size=rng.integers(1, LONGEST_CHAIN + 1)):
            chained = OPERATIONS[name](chained, rng.uniform(-strength, strength))
        mixture += share * weight * chained
    return np.clip(mixture, 0, 255).astype(np.float32)
