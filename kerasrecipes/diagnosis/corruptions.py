"""What light, lens, sensor and transport do to photos, at stated strengths."""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from kerasrecipes.photos.decoding.channels import picture_of, pixels_of
from kerasrecipes.photos.operations import turn_photo

# A seed of its own for each photo makes noise the same whatever is corrupted beside it.
Corrupt = Callable[[np.ndarray, float, int], np.ndarray]


@dataclass(frozen=True)
class Corruption:
    """One way in which a photo gets worse.

    Args:
        unit: What its strengths are counted in.
        strengths: From mild to strong.
        apply: From a uint8 photo `(height, width, channels)`, a strength and a seed to one like it.
    """

    unit: str
    strengths: tuple[float, ...]
    apply: Corrupt


def _rounded(pixels: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def _brighten(photo: np.ndarray, levels: float, seed: int) -> np.ndarray:
    return _rounded(photo.astype(np.float32) + levels)


def _expose(photo: np.ndarray, stops: float, seed: int) -> np.ndarray:
    """Let in more or less light: linear light is multiplied, what is too bright is lost."""
    encoded = np.arange(256) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    light = np.clip(linear * 2.0**stops, 0, 1)
    back = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(_rounded(back * 255)[photo])


def _contrast(photo: np.ndarray, factor: float, seed: int) -> np.ndarray:
    middle = photo.mean(dtype=np.float64)
    return _rounded(middle + factor * (photo - middle))


def _blur(photo: np.ndarray, radius: float, seed: int) -> np.ndarray:
    return pixels_of(picture_of(photo).filter(ImageFilter.GaussianBlur(radius)))


def _noise(photo: np.ndarray, levels: float, seed: int) -> np.ndarray:
    return _rounded(photo + np.random.default_rng(seed).normal(0, levels, photo.shape))


def _rotate(photo: np.ndarray, degrees: float, seed: int) -> np.ndarray:
    return turn_photo(photo, degrees)


def _jpeg(photo: np.ndarray, quality: float, seed: int) -> np.ndarray:
    file = io.BytesIO()
    picture_of(photo).save(file, "JPEG", quality=round(quality))
    return pixels_of(Image.open(file))


# Strengths are of the photo as a model takes it, at its size. Exposure follows the sRGB curve
# (IEC 61966-2-1).
CORRUPTIONS: dict[str, Corruption] = {
    "darker": Corruption("grey levels", (-16, -32, -64, -96), _brighten),
    "brighter": Corruption("grey levels", (16, 32, 64, 96), _brighten),
    "underexposed": Corruption("stops", (-0.5, -1, -2, -3), _expose),
    "overexposed": Corruption("stops", (0.5, 1, 2, 3), _expose),
    "less contrast": Corruption("of the contrast", (0.8, 0.6, 0.4, 0.2), _contrast),
    "blur": Corruption("px (sd)", (0.5, 1, 2, 4), _blur),
    "noise": Corruption("grey levels (sd)", (4, 8, 16, 32), _noise),
    "rotation": Corruption("degrees", (5, 10, 20, 45), _rotate),
    "JPEG": Corruption("quality", (90, 60, 30, 10), _jpeg),
}
