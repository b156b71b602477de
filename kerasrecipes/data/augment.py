"""Augmentation presets: small, label-preserving changes, drawn from a seed per photo.

Every draw comes from a generator of its own: the same photo under the same seed gives the
same picture, in any order, on any number of threads. That makes cached views exact and runs
repeatable, which Keras's augmentation layers, with one state for all photos, cannot be.
"""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from kerasrecipes.errors import unknown_name


@dataclass(frozen=True, slots=True)
class Augmentation:
    """The strength of each change; zero or `False` leaves it out.

    Args:
        flip_horizontal: Mirror left and right for half of the views.
        flip_vertical: Mirror top and bottom for half of the views.
        rotation_degrees: Largest rotation, both ways; corners are filled by reflection.
        shift_fraction: Largest shift, as a fraction of the height and the width.
        brightness_fraction: Largest change of brightness, as a fraction of 255.
        contrast_fraction: Largest change of contrast about the photo's mean.
        cutout_fraction: Side of the erased square, as a fraction of the shorter side.
    """

    flip_horizontal: bool = False
    flip_vertical: bool = False
    rotation_degrees: float = 0.0
    shift_fraction: float = 0.0
    brightness_fraction: float = 0.0
    contrast_fraction: float = 0.0
    cutout_fraction: float = 0.0


AUGMENTATIONS = {
    "none": Augmentation(),
    "light": Augmentation(
        flip_horizontal=True, shift_fraction=0.03, brightness_fraction=0.1, contrast_fraction=0.1
    ),
    "factory": Augmentation(
        flip_horizontal=True,
        flip_vertical=True,
        rotation_degrees=2.0,
        shift_fraction=0.02,
        brightness_fraction=0.06,
        contrast_fraction=0.1,
        cutout_fraction=0.1,
    ),
}


def get_augmentation(name: str | Augmentation) -> Augmentation:
    """Return a preset by name, or the augmentation that was passed.

    Raises:
        ValueError: If no preset has this name.

    Example:
        >>> get_augmentation("factory").flip_vertical
        True
    """
    if isinstance(name, Augmentation):
        return name
    if name not in AUGMENTATIONS:
        raise unknown_name("augmentation", name, AUGMENTATIONS, "kerasrecipes.AUGMENTATIONS")
    return AUGMENTATIONS[name]


def augment_photo(
    photo: np.ndarray, rng: np.random.Generator, augmentation: Augmentation
) -> np.ndarray:
    """Draw one view of a photo.

    Args:
        photo: uint8, shape `(height, width, 3)`.
        rng: A generator; the same state gives the same view.
        augmentation: What may change, and how far.

    Returns:
        float32 of the same shape, 0…255.
    """
    draws = rng.uniform(-1.0, 1.0, size=9)
    if augmentation.flip_horizontal and draws[0] < 0:
        photo = photo[:, ::-1]
    if augmentation.flip_vertical and draws[1] < 0:
        photo = photo[::-1]
    photo = _move(photo, *draws[2:5], augmentation).astype(np.float32)
    mean = photo.mean()
    photo = (photo - mean) * np.float32(1.0 + draws[5] * augmentation.contrast_fraction) + mean
    photo += np.float32(draws[6] * augmentation.brightness_fraction * 255.0)
    if augmentation.cutout_fraction:
        _cut_out(photo, *draws[7:9], augmentation.cutout_fraction)
    return np.clip(photo, 0.0, 255.0, out=photo)


def _move(photo, turn: float, right: float, down: float, augmentation: Augmentation):
    """Rotate and shift; by whole pixels, so that a view without rotation is not blurred."""
    height, width = photo.shape[:2]
    angle = turn * math.radians(augmentation.rotation_degrees)
    x = round(right * augmentation.shift_fraction * width)
    y = round(down * augmentation.shift_fraction * height)
    if not (x or y or angle):
        return photo
    margin = max(abs(x), abs(y)) + math.ceil(abs(math.sin(angle)) * max(height, width) / 2)
    padded = np.pad(photo, ((margin, margin), (margin, margin), (0, 0)), mode="reflect")
    if not angle:
        return padded[margin - y : margin - y + height, margin - x : margin - x + width]
    # Pillow asks, for each new pixel, where in the padded picture to look.
    cos, sin = math.cos(angle), math.sin(angle)
    middle_x, middle_y = width / 2, height / 2
    from_x = margin + middle_x - x - cos * middle_x + sin * middle_y
    from_y = margin + middle_y - y - sin * middle_x - cos * middle_y
    matrix = (cos, -sin, from_x, sin, cos, from_y)
    picture = Image.fromarray(padded)
    return np.asarray(
        picture.transform(
            (width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
        )
    )


def _cut_out(photo: np.ndarray, x: float, y: float, fraction: float) -> None:
    """Fill one square with the photo's mean colour (DeVries & Taylor, 2017, arXiv 1708.04552)."""
    height, width = photo.shape[:2]
    half = fraction * min(height, width) / 2
    middle_x, middle_y = (x + 1) / 2 * width, (y + 1) / 2 * height
    rows = slice(max(0, round(middle_y - half)), round(middle_y + half))
    columns = slice(max(0, round(middle_x - half)), round(middle_x + half))
    photo[rows, columns] = photo.mean(axis=(0, 1))
