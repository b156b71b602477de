"""Arrays of photos as files; what they might mean otherwise is refused."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from kerasrecipes.errors import DataError
from kerasrecipes.photos.decoding.channels import GREY, MOST_CHANNELS, RGB
from kerasrecipes.photos.decoding.pixels import flatten
from kerasrecipes.photos.decoding.policy import DecodePolicy
from kerasrecipes.photos.planes.npy import DTYPES, encode_npy
from kerasrecipes.photos.sources.png import encode_png

if TYPE_CHECKING:
    from PIL import Image

_DARKEST_WHITE = 16.0  # no set of photos in 0…255 is darker than this throughout


class Pixels:
    """Turns arrays into files, and remembers which range floats are in.

    Args:
        argument: What the photos are called in messages.
        policy: How they are decoded: those of other channels than RGB or grey, or whose range is
            declared, are kept as they are.
    """

    def __init__(self, argument: str, policy: DecodePolicy = DecodePolicy()):
        self._argument = argument
        self._policy = policy
        self._white: float | None = None

    @property
    def _as_they_are(self) -> bool:
        return self._policy.of_arrays or not self._policy.is_picture

    def is_single(self, photo: np.ndarray) -> bool:
        """Tell by its shape whether an array is one photo."""
        channels = {GREY, RGB, self._policy.channels}
        return photo.ndim == 2 or (photo.ndim == 3 and photo.shape[-1] in channels)

    def files(self, photos: object, first: int = 0) -> Iterator[bytes]:
        """Yield photos as files that decode to these pixels: PNG, or `.npy` as they are.

        Args:
            photos: As in `each`; with a policy of arrays, of its channels and of uint8, uint16 or
                float32.
            first: The number of the first photo, for messages.

        Raises:
            ValueError: If the shape, the type or the range is none of these.
        """
        if not self._as_they_are:
            yield from map(encode_png, self.each(photos, first))
            return
        several = photos if isinstance(photos, list | tuple) else np.asarray(photos)
        for number, photo in enumerate(several, first):
            array = np.asarray(photo)
            if not self.is_single(array):
                raise ValueError(
                    f"Each photo in `{self._argument}` must have the shape (height, width, "
                    f"{self._policy.channels}), as the policy says; number {number} has the shape "
                    f"{array.shape}."
                )
            if array.dtype.name not in DTYPES:
                raise ValueError(
                    f"`{self._argument}` must be of type {', '.join(DTYPES)}, not {array.dtype}. "
                    "Pass it e.g. as x.astype('float32'), and its range as value_range of the "
                    "policy."
                )
            yield encode_npy(array)

    def each(self, photos: object, first: int = 0) -> Iterator[np.ndarray]:
        """Yield photos as uint8, shape `(height, width)` or `(height, width, 3)`.

        Args:
            photos: An array of shape `(n, height, width, 3)`, `(n, height, width, 1)` or
                `(n, height, width)`, or a list of single ones; uint8, or floats in 0…1 or
                0…255. What lies in one array or list is in one range.
            first: The number of the first photo, for messages.

        Raises:
            ValueError: If the shape, the type or the range is none of these.
        """
        several: Sequence[np.ndarray]
        if isinstance(photos, list | tuple):
            several = [self._single(photo, first + i) for i, photo in enumerate(photos)]
        else:
            several = list(self._stack(photos))
        for i, photo in enumerate(several):
            self._check_type(photo, first + i)
        self._judge_range(several, first)
        for photo in several:
            yield self._bytes(photo)

    def _stack(self, photos: object) -> np.ndarray:
        array = np.asarray(photos)
        if array.ndim == 4 and array.shape[-1] == 1:
            array = array[..., 0]
        single = array.ndim == 3 and array.shape[-1] == 3
        if single or array.ndim not in {3, 4} or (array.ndim == 4 and array.shape[-1] != 3):
            hint = ""
            if single:
                hint = f" That looks like one photo: pass {self._argument}[None]."
            elif array.ndim == 4 and array.shape[1] in {1, 3}:
                hint = f" Move the channels to the end: np.moveaxis({self._argument}, 1, -1)."
            elif array.ndim == 4 and array.shape[-1] == 4:
                hint = (
                    f" Leave the opacity out: {self._argument}[..., :3]. Or, if it is none, pass "
                    "policy=DecodePolicy(channels=4)."
                )
            elif array.ndim == 4 and 1 < array.shape[-1] <= MOST_CHANNELS:
                hint = f" Pass policy=DecodePolicy(channels={array.shape[-1]})."
            raise ValueError(
                f"`{self._argument}` must be an array of shape (n, height, width, 3), or (n, "
                f"height, width) if grey, or a list of photos; got the shape {array.shape}.{hint}"
            )
        return array

    def _single(self, photo: object, number: int) -> np.ndarray:
        array = np.asarray(photo)
        if array.ndim == 3 and array.shape[-1] == 1:
            array = array[..., 0]
        if array.ndim not in {2, 3} or (array.ndim == 3 and array.shape[-1] != 3):
            raise ValueError(
                f"Each photo in `{self._argument}` must have the shape (height, width, 3), or "
                f"(height, width) if grey; number {number} has the shape {array.shape}."
            )
        return array

    def _check_type(self, photo: np.ndarray, number: int) -> None:
        if photo.dtype != np.uint8 and photo.dtype.kind != "f":
            raise ValueError(
                f"`{self._argument}` must be of type uint8 or float, not {photo.dtype}. Pass it "
                "in 0…255 with .astype('uint8')"
                + (
                    ", of 12-bit photos e.g. (x / 4095 * 255).round().astype('uint8'). Or keep all "
                    "of them with policy=DecodePolicy(dtype='float32', max_16bit=4095)."
                    if photo.dtype.itemsize > 1
                    else "."
                )
            )
        if photo.dtype.kind == "f" and not np.isfinite(photo).all():
            raise ValueError(
                f"Photo {number} of `{self._argument}` has pixels that are NaN or infinite. "
                "Leave it out, or find out where they come from."
            )

    def _judge_range(self, photos: Sequence[np.ndarray], first: int) -> None:
        floats = [photo for photo in photos if photo.dtype.kind == "f" and photo.size]
        if not floats:
            return
        low = min(float(photo.min()) for photo in floats)
        high = max(float(photo.max()) for photo in floats)
        means = f"`{self._argument}` has pixels from {low:g} to {high:g}"
        if low < 0 or high > 255:
            raise ValueError(
                f"{means}. Floats must be in 0…1 or 0…255: undo what was done to the photos, or "
                "pass them as uint8. A backbone scales its input itself."
            )
        if 1 < high < _DARKEST_WHITE:
            raise ValueError(
                f"{means}, which is neither 0…1 nor 0…255 for sure. Pass them as uint8, e.g. "
                "(x * 255).round().clip(0, 255).astype('uint8')."
            )
        white = 1.0 if high <= 1 else 255.0
        if self._white is None and high > 0:
            self._white = white
        if self._white == 1.0 and white == 255.0:
            raise ValueError(
                f"{means} from photo {first} on, while those before lie in 0…1. Pass all in one "
                "range, best as uint8."
            )

    def _bytes(self, photo: np.ndarray) -> np.ndarray:
        if photo.dtype == np.uint8:
            return photo
        scale = 255.0 if self._white == 1.0 else 1.0
        return np.rint(photo.astype(np.float64) * scale).astype(np.uint8)


def from_picture(picture: "Image.Image", policy: DecodePolicy) -> np.ndarray:
    """Return the pixels of a Pillow picture, upright and on the background.

    Args:
        picture: The picture.
        policy: Says on what transparent ones are laid.

    Raises:
        DataError: If it has more than 8 bits, or other colours.
    """
    if picture.mode.startswith(("I", "F")) or picture.mode in {"LAB", "HSV"}:
        raise DataError(
            f"A picture has the mode {picture.mode!r}, whose range is not known. Convert it to "
            "8-bit grey or RGB, or pass the bytes of its file."
        )
    return np.asarray(picture if picture.mode == "L" else flatten(picture, policy))
