"""Defects as pixels: a real one pasted by its mask, a scratch, a blob. All draw from one generator.

CutPaste (Li et al., 2021) pastes patches and thin scars of good photos, and DRAEM (Zavrtanik et
al., 2021) fills blobs of thresholded noise with foreign textures, both to tell anything odd from
good. Here a drawing stands for one class, so it keeps to the light of the place that it is drawn
at: what a real defect has in common with others of its class is its shape and its contrast.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

# Lines are drawn larger and scaled down, which smooths their edges.
_FINER = 3
# A darker or lighter place of another exposure is not made to fit at any price.
_GAINS = (0.4, 2.5)
_RING = 4


@dataclass(frozen=True)
class Patch:
    """A defect that was cut out of a photo.

    Args:
        pixels: uint8 `(height, width, channels)`.
        opacity: float32 `(height, width)`, 0…1: 1 on the defect.
    """

    pixels: np.ndarray
    opacity: np.ndarray

    @classmethod
    def of(cls, photo: np.ndarray, mask: np.ndarray) -> "Patch":
        """Cut out what was marked, with a few pixels around it.

        Args:
            photo: uint8 `(height, width, channels)`.
            mask: bool, of any size, with something marked.
        """
        height, width = photo.shape[:2]
        grey = Image.fromarray(mask.astype(np.uint8) * 255)
        # Shares of area: a mark of less than a pixel is left.
        soft = np.asarray(grey.resize((width, height), Image.Resampling.BOX), np.float32) / 255
        rows, columns = np.flatnonzero(soft.any(axis=1)), np.flatnonzero(soft.any(axis=0))
        box = (
            slice(max(0, rows[0] - _RING), rows[-1] + 1 + _RING),
            slice(max(0, columns[0] - _RING), columns[-1] + 1 + _RING),
        )
        return cls(photo[box], soft[box])

    def turned(self, rng: np.random.Generator, most: tuple[int, int]) -> "Patch":
        """Mirror and turn by right angles, at random, as far as it then fits.

        Args:
            rng: What draws.
            most: `(height, width)` of where it goes.
        """
        pixels, opacity = self.pixels, self.opacity
        across, down, turn = rng.uniform(size=3) < 0.5
        if turn and opacity.shape[0] <= most[1] and opacity.shape[1] <= most[0]:
            pixels, opacity = pixels.swapaxes(0, 1), opacity.swapaxes(0, 1)
        step = (slice(None, None, -1 if down else 1), slice(None, None, -1 if across else 1))
        return Patch(pixels[step], opacity[step])


def paste(photo: np.ndarray, patch: Patch, rng: np.random.Generator) -> np.ndarray:
    """Paste a defect at any place and either way round, in the light of that place.

    Args:
        photo: uint8 `(height, width, channels)`.
        patch: What is pasted, no larger than the photo.
        rng: What draws.

    Returns:
        uint8 of the photo's shape.
    """
    patch = patch.turned(rng, (photo.shape[0], photo.shape[1]))
    height, width = patch.opacity.shape
    y = rng.integers(photo.shape[0] - height + 1)
    x = rng.integers(photo.shape[1] - width + 1)
    box = (slice(y, y + height), slice(x, x + width))
    under = photo[box].astype(np.float32)
    around = patch.opacity == 0
    bright = patch.pixels[around].mean() if around.any() else patch.pixels.mean()
    gain = float(np.clip(under.mean() / max(float(bright), 1.0), *_GAINS))
    found = photo.copy()
    found[box] = _laid(under, patch.pixels.astype(np.float32) * gain, patch.opacity)
    return found


def scratch(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a thin line that bends a little, darker or lighter than what it crosses.

    Args:
        photo: uint8 `(height, width, channels)`.
        rng: What draws.

    Returns:
        uint8 of the photo's shape.
    """
    height, width = photo.shape[:2]
    short = min(height, width)
    count = int(rng.integers(4, 9))
    length = short * rng.uniform(0.15, 0.8) / count
    way = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.35, count))
    steps = np.stack([np.cos(way), np.sin(way)], axis=1) * length
    middle = rng.uniform(0.2, 0.8, 2) * (width, height)
    points = np.vstack([np.zeros((1, 2)), np.cumsum(steps, axis=0)])
    points = (points - points.mean(axis=0) + middle) * _FINER
    thick = round(max(1.5, short * rng.uniform(0.006, 0.015)) * _FINER)
    drawn = Image.new("L", (width * _FINER, height * _FINER))
    line = [(float(x), float(y)) for x, y in points]
    ImageDraw.Draw(drawn).line(line, fill=255, width=thick, joint="curve")
    return _shaded(photo, drawn.resize((width, height), Image.Resampling.BOX), rng)


def blob(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a patch of an irregular outline, darker or lighter than what it covers.

    Args:
        photo: uint8 `(height, width, channels)`.
        rng: What draws.

    Returns:
        uint8 of the photo's shape.
    """
    height, width = photo.shape[:2]
    side = max(4, round(min(height, width) * rng.uniform(0.04, 0.22)))
    shape = (max(3, round(side * rng.uniform(0.6, 1.6))), side)
    rows, columns = (min(shape[0], height), min(shape[1], width))
    noise = rng.normal(0, 255, (5, 5)).astype(np.float32)
    rough = Image.fromarray(noise).resize((columns, rows), Image.Resampling.BICUBIC)
    y, x = (np.linspace(-1, 1, n)[(...,) + (None,) * axis] for n, axis in ((rows, 1), (columns, 0)))
    # Noise bends the outline of an ellipse; its middle is always in.
    inside = 1 - np.hypot(y, x) + 0.25 * np.tanh(np.asarray(rough) / 255)
    drawn = np.zeros((height, width), np.uint8)
    top, left = rng.integers(height - rows + 1), rng.integers(width - columns + 1)
    drawn[top : top + rows, left : left + columns] = np.clip(inside * 4, 0, 1) * 255
    return _shaded(photo, Image.fromarray(drawn), rng)


def _shaded(photo: np.ndarray, drawn: Image.Image, rng: np.random.Generator) -> np.ndarray:
    """Darken or lighten what was drawn, by a factor, and roughen it a little."""
    soft = np.asarray(drawn.filter(ImageFilter.GaussianBlur(0.6)), np.float32) / 255
    factor = rng.uniform(0.15, 0.6) if rng.uniform() < 0.7 else rng.uniform(1.4, 1.9)
    under = photo.astype(np.float32)
    rough = rng.normal(0, 6, photo.shape[:2]).astype(np.float32)[..., None]
    return _laid(under, under * factor + rough, soft)


def _laid(under: np.ndarray, over: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    found = under + (over - under) * opacity[..., None]
    rounded: np.ndarray = np.rint(np.clip(found, 0, 255)).astype(np.uint8)
    return rounded


PASTE = "paste"
# What needs nothing but the photo.
DRAWN: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "scratch": scratch,
    "blob": blob,
}
KINDS: Sequence[str] = (PASTE, *DRAWN)
