"""Augmentation presets: small, label-preserving changes, drawn from a seed per photo.

Every draw comes from a generator of its own: the same photo under the same seed gives the
same picture, in any order, on any number of threads. That makes cached views exact and runs
repeatable, which Keras's augmentation layers (`RandAugment`, `AugMix`, `RandomErasing`, …),
with one state for all photos, cannot be.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.errors import NoEffectError, printable, unknown_name
from kerasrecipes.photos.decoding.channels import GREY, RGB
from kerasrecipes.photos.operations import apply_random_operations, mix_chains, warp_photo
from kerasrecipes.photos.own_views import LAYERS, OwnViews, is_own, own_views, try_views

# What each strength may be; those of whole numbers are counts.
_LIMITS = {
    "rotation_degrees": 180.0,
    "shift_fraction": 1.0,
    "brightness_fraction": 1.0,
    "contrast_fraction": 1.0,
    "cutout_fraction": 1.0,
    "random_operations": 10,
    "mixed_chains": 10,
    "operation_strength": 1.0,
}


@named
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
        cutout_random: Whether to erase as Random Erasing does (Zhong et al., 2020, arXiv
            1708.04896): in half of the views, a box of any place and shape, up to the area of
            that square, filled with noise instead of the mean colour.
        random_operations: Number of operations drawn for a view, as in RandAugment; see
            `kerasrecipes.photos.operations`; of photos other than RGB or grey ones of 8 bits, only
            those that move pixels.
        mixed_chains: Number of chains of operations mixed into a view, as in AugMix.
        operation_strength: How far an operation goes, as a fraction of AutoAugment's ranges:
            always as far in RandAugment, at most in AugMix.

    Raises:
        ValueError: If a strength is out of range, or has no effect without another one.
    """

    flip_horizontal: bool = False
    flip_vertical: bool = False
    rotation_degrees: float = 0.0
    shift_fraction: float = 0.0
    brightness_fraction: float = 0.0
    contrast_fraction: float = 0.0
    cutout_fraction: float = 0.0
    cutout_random: bool = False
    random_operations: int = 0
    mixed_chains: int = 0
    operation_strength: float = 0.0

    def __post_init__(self) -> None:
        for name, high in _LIMITS.items():
            value = getattr(self, name)
            kind = int if isinstance(high, int) else int | float
            if isinstance(value, bool) or not isinstance(value, kind) or not 0 <= value <= high:
                whole = "a whole number " if kind is int else ""
                raise ValueError(f"`{name}` must be {whole}from 0 to {high:g}, not {value!r}.")
        for name in ("flip_horizontal", "flip_vertical", "cutout_random"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"`{name}` must be True or False, not {getattr(self, name)!r}.")
        if self.cutout_random and not self.cutout_fraction:
            raise ValueError(
                "`cutout_random` would have no effect without `cutout_fraction`, the side of the "
                "largest square. Pass e.g. cutout_fraction=0.4."
            )
        if bool(self.operation_strength) != bool(self.random_operations or self.mixed_chains):
            raise ValueError(
                "`operation_strength` and a number of operations only have an effect together. "
                "Pass e.g. operation_strength=0.5 with random_operations=2 or mixed_chains=3."
            )


# What stands for views: a name, an `Augmentation`, a function of (photo, seed), layers of Keras.
Augment: TypeAlias = str | Augmentation | Callable[..., Any] | Sequence[Any]
AUGMENTATIONS: dict[str, Augmentation | OwnViews] = {
    "none": Augmentation(),
    # For surfaces that have no up, down, left or right, under light that does not change.
    "flips": Augmentation(flip_horizontal=True, flip_vertical=True),
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
    # About half of what RandAugment's paper uses to train on ImageNet: a part that is moved
    # or bleached that far can lose its defect, and its label with it.
    "randaugment": Augmentation(flip_horizontal=True, random_operations=2, operation_strength=0.5),
    "augmix": Augmentation(flip_horizontal=True, mixed_chains=3, operation_strength=0.3),
}
_OURS = frozenset(AUGMENTATIONS)


@named
def register_augmentation(name: str, augmentation: Augment, replace: bool = False) -> None:
    """Add a preset to `AUGMENTATIONS`, for this process, so that saved recipes find it by name.

    Args:
        name: What to call it.
        augmentation: What it may change, and how far: an `Augmentation`, a function of a photo and
            a seed, or layers of Keras; see `ImageClassifier`.
        replace: Whether it may take the place of one that was registered before.

    Raises:
        ValueError: If it is no augmentation, or the name is taken.
    """
    if not isinstance(augmentation, Augmentation) and not is_own(augmentation):
        raise ValueError(
            "`augmentation` must be an Augmentation, a function of (photo, seed), or layers of "
            f"keras.layers, not {augmentation!r}."
        )
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w.-]*", name):
        raise ValueError(
            "The `name` of an augmentation must be a word of letters, digits, '_', '-' and '.', "
            f"not {name!r}."
        )
    if name in _OURS or (name in AUGMENTATIONS and not replace):
        raise ValueError(
            f"The name {name!r} of an augmentation is taken. Choose another name, or, for one "
            "that you registered yourself, pass replace=True."
        )
    AUGMENTATIONS[name] = get_augmentation(augmentation)


def get_augmentation(name: Augment | OwnViews) -> Augmentation | OwnViews:
    """Return a preset by name, or the augmentation that was passed.

    Args:
        name: A preset, an `Augmentation`, a function or layers; or a text in a file for the latter.

    Raises:
        ValueError: If no preset has this name, or what was passed cannot make views.

    Example:
        >>> get_augmentation("factory").flip_vertical
        True
    """
    if isinstance(name, Augmentation | OwnViews):
        return name
    if is_own(name) or (isinstance(name, str) and name.startswith(LAYERS)):
        return own_views(name)
    if isinstance(name, str) and ":" in name:
        raise ValueError(
            f"`augment` is {printable(name)!r}, what somebody's own Python made: a file keeps no "
            "more of it than where it was. Set it again, or give it a name with "
            "register_augmentation."
        )
    if not isinstance(name, str) or name not in AUGMENTATIONS:
        raise unknown_name("augmentation", name, AUGMENTATIONS, "kerasrecipes.AUGMENTATIONS")
    return AUGMENTATIONS[name]


def tried_augmentation(
    name: Augment, size: tuple[int, int], channels: int | None = RGB
) -> Augmentation | OwnViews:
    """Return an augmentation; one that is somebody's own is tried on a drawn photo.

    Args:
        name: See `get_augmentation`.
        size: `(height, width)` of photos, as the model takes them.
        channels: Theirs; `None` where they are not known, so that RGB or grey will do.

    Raises:
        ValueError: If it cannot be had, or its views are no photos that repeat.
    """
    found = get_augmentation(name)
    if isinstance(found, OwnViews):
        try:
            try_views(found, (*size, channels or RGB))
        except ValueError as error:
            if channels is not None or isinstance(error, NoEffectError):
                raise
            try:
                try_views(found, (*size, GREY))
            except ValueError:
                raise error from None
    return found


@named
def augment_photo(
    photo: np.ndarray, rng: np.random.Generator, augmentation: Augmentation
) -> np.ndarray:
    """Draw one view of a photo.

    Args:
        photo: uint8, or float32 of 0…255, shape `(height, width, channels)`.
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
    turn, right, down = draws[2:5]
    photo = _move(photo, turn, right, down, augmentation)
    strength = augmentation.operation_strength
    if augmentation.random_operations:
        photo = apply_random_operations(photo, rng, augmentation.random_operations, strength)
    if augmentation.mixed_chains:
        photo = mix_chains(photo, rng, augmentation.mixed_chains, strength)
    photo = photo.astype(np.float32)
    mean = photo.mean()
    photo = (photo - mean) * np.float32(1.0 + draws[5] * augmentation.contrast_fraction) + mean
    photo += np.float32(draws[6] * augmentation.brightness_fraction * 255.0)
    if augmentation.cutout_random:
        _erase(photo, rng, augmentation.cutout_fraction)
    elif augmentation.cutout_fraction:
        _cut_out(photo, draws[7], draws[8], augmentation.cutout_fraction)
    return np.clip(photo, 0.0, 255.0, out=photo)


def _move(
    photo: np.ndarray, turn: float, right: float, down: float, augmentation: Augmentation
) -> np.ndarray:
    """Rotate and shift; by whole pixels, so that a view without rotation is not blurred."""
    height, width = photo.shape[:2]
    angle = turn * math.radians(augmentation.rotation_degrees)
    cos, sin = math.cos(angle), math.sin(angle)
    x = round(right * augmentation.shift_fraction * width)
    y = round(down * augmentation.shift_fraction * height)
    return warp_photo(photo, ((cos, -sin), (sin, cos)), (x, y))


def _cut_out(photo: np.ndarray, x: float, y: float, fraction: float) -> None:
    """Fill one square with the photo's mean colour (DeVries & Taylor, 2017, arXiv 1708.04552)."""
    height, width = photo.shape[:2]
    half = fraction * min(height, width) / 2
    middle_x, middle_y = (x + 1) / 2 * width, (y + 1) / 2 * height
    rows = slice(max(0, round(middle_y - half)), round(middle_y + half))
    columns = slice(max(0, round(middle_x - half)), round(middle_x + half))
    photo[rows, columns] = photo.mean(axis=(0, 1))


def _erase(photo: np.ndarray, rng: np.random.Generator, fraction: float) -> None:
    """Fill a box of 2 % of the photo up to a square's area with noise, or leave it be."""
    if rng.uniform() < 0.5:
        return
    height, width = photo.shape[:2]
    most = (fraction * min(height, width)) ** 2
    area = rng.uniform(min(0.02 * height * width, most), most)
    shape = math.exp(rng.uniform(-1, 1) * math.log(10 / 3))
    box_height = min(height, max(1, round(math.sqrt(area * shape))))
    box_width = min(width, max(1, round(math.sqrt(area / shape))))
    y = rng.integers(height - box_height + 1)
    x = rng.integers(width - box_width + 1)
    noise = rng.uniform(0, 255, (box_height, box_width, photo.shape[2]))
    photo[y : y + box_height, x : x + box_width] = noise
