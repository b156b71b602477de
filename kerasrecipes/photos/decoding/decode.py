"""From the bytes of a photo to pixels, by one policy that every part of the package shares.

Training, evaluation, export checks and prediction all call `decode_photo`. TensorFlow's own
decoders are not used for photos: they round JPEGs differently, ignore EXIF, cannot read TIFF,
and `tf.image.resize` aliases by default.
"""

import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.data.tables.inside import reader_inside
from kerasrecipes.errors import DataError, printable
from kerasrecipes.photos.decoding.channels import GREY, RGB, grey_of, pixels_of
from kerasrecipes.photos.decoding.fit import fitted
from kerasrecipes.photos.decoding.pixels import open_photo, with_rgb
from kerasrecipes.photos.decoding.policy import RESAMPLING, DecodePolicy
from kerasrecipes.photos.planes.npy import is_npy
from kerasrecipes.photos.planes.planes import as_picture, fitted_planes, with_channels

if TYPE_CHECKING:
    from PIL import Image

    from kerasrecipes.photos.photo_set import Photo

MAX_FILE_BYTES = 2**30
_T = TypeVar("_T")


@named
def decode_photo(
    photo: bytes | str | Path,
    image_size: tuple[int, int],
    policy: DecodePolicy = DecodePolicy(),
    name: str | None = None,
) -> np.ndarray:
    """Decode one photo, given as bytes or as a path, to pixels of one size.

    Args:
        photo: The bytes of the file, or its path.
        image_size: `(height, width)` of the result.
        policy: How to decode.
        name: What to call the photo in messages; the path if not given.

    Returns:
        Array of `policy.dtype` and shape `(height, width, policy.channels)`, 0…255.

    Raises:
        DataError: If the file is no photo, is damaged, or does not fit the policy.
    """
    size, resampling = _checked_size(image_size), RESAMPLING[policy.interpolation]

    def used(rgb: "Image.Image") -> np.ndarray:
        picture, fill = (
            (rgb.convert("L"), grey_of(policy.fill))
            if policy.channels == GREY
            else (rgb, policy.fill)
        )
        return pixels_of(fitted(picture, size, policy.resize, resampling, fill))

    if policy.is_picture:
        return _decoded(photo, policy, name, used)

    def of(data: bytes) -> np.ndarray:
        return with_channels(data, policy, lambda planes: fitted_planes(planes, size, policy))[0]

    return _read(photo, name, of)


def decode_upright(
    photo: bytes | str | Path, policy: DecodePolicy = DecodePolicy(), name: str | None = None
) -> "Image.Image":
    """Decode one photo like `decode_photo`, but leave it at its own size.

    Args:
        photo: The bytes of the file, or its path.
        policy: How to decode.
        name: What to call the photo in messages; the path if not given.

    Returns:
        The picture, upright, in RGB: of more channels the first three.

    Raises:
        DataError: If the file is no photo, is damaged, or does not fit the policy.
    """
    if policy.is_picture:
        return _decoded(photo, policy, name, lambda rgb: rgb)
    return _read(photo, name, lambda data: with_channels(data, policy, as_picture)[0])


def _decoded(
    photo: bytes | str | Path,
    policy: DecodePolicy,
    name: str | None,
    use: "Callable[[Image.Image], _T]",
) -> _T:
    """Use a photo as a picture in RGB of 8 bits; an array of one or three channels is one, too."""

    def of(data: bytes) -> _T:
        if is_npy(data):
            in_rgb = replace(policy, channels=RGB)
            return with_channels(data, in_rgb, lambda planes: use(as_picture(planes)))[0]
        return with_rgb(open_photo(data, policy), data, policy, use)[0]

    return _read(photo, name, of)


def _read(photo: bytes | str | Path, name: str | None, use: "Callable[[bytes], _T]") -> _T:
    name = name or ("the photo" if isinstance(photo, bytes) else str(photo))
    try:
        return use(photo if isinstance(photo, bytes) else read_bytes(Path(photo)))
    except DataError as error:
        raise DataError(f"Cannot use '{printable(name)}': {error}.") from error.__cause__


def read_photo(
    photo: "Photo", image_size: tuple[int, int], policy: DecodePolicy = DecodePolicy()
) -> np.ndarray:
    """Read and decode a scanned photo, and notice if its file has changed since.

    Args:
        photo: A photo of a `PhotoSet`.
        image_size: `(height, width)` of the result.
        policy: How to decode.

    Returns:
        Array of `policy.dtype` and shape `(height, width, policy.channels)`, 0…255.

    Raises:
        DataError: If the file is gone, differs from what was scanned, or cannot be decoded.
    """
    return decode_photo(read_unchanged(photo), image_size, policy, name=str(photo.path))


def read_unchanged(photo: "Photo") -> bytes:
    """Read the bytes of a scanned photo.

    Args:
        photo: A photo of a `PhotoSet`.

    Raises:
        DataError: If the file is gone, or differs from what was scanned.
    """
    if photo.content is not None:
        return photo.content
    try:
        data = read_bytes(photo.path)
    except DataError as error:
        raise DataError(f"Cannot use '{printable(photo.path)}': {error}.") from error.__cause__
    if hashlib.sha256(data).hexdigest() != photo.facts.sha256:
        raise DataError(
            f"'{printable(photo.path)}' has changed since it was scanned. "
            "Scan the photos again with scan_photos."
        )
    return data


def read_bytes(path: Path) -> bytes:
    """Read a regular file; pipes and devices, which could block for ever, are refused.

    Raises:
        DataError: With the bare reason, if the file cannot be read.
    """
    try:
        if (inside := reader_inside(path, MAX_FILE_BYTES)) is not None:
            return inside()
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe, socket or device"
            raise DataError(f"it is {kind}, not a file")
        if found.st_size > MAX_FILE_BYTES:
            raise DataError(f"too large: a file of {found.st_size / 1e9:.1f} GB")
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise DataError(f"cannot be read: {(error.strerror or str(error)).lower()}") from error
    except ValueError as error:  # a null character in the path
        if isinstance(error, DataError):
            raise
        raise DataError(f"cannot be read: {error}") from error


def _checked_size(image_size: tuple[int, int]) -> tuple[int, int]:
    """Return `(height, width)` as whole numbers."""
    try:
        height, width = (int(side) for side in image_size)
    except (TypeError, ValueError):
        height = width = 0
    if min(height, width) < 1:
        raise ValueError(
            f"`image_size` must be (height, width), two positive integers, got {image_size!r}."
        )
    return height, width
