"""Photos that are arrays: `.npy` files of any number of channels."""

import io
import math

import numpy as np

from kerasrecipes.errors import DataError, printable
from kerasrecipes.file_budget import read_array
from kerasrecipes.photos.decoding.channels import GREY, MOST_CHANNELS
from kerasrecipes.photos.decoding.policy import DecodePolicy

NPY = "NPY"
_MAGIC = b"\x93NUMPY"
DTYPES = ("uint8", "uint16", "float32")
_WHITE = 255.0


def is_npy(data: bytes) -> bool:
    """Tell by its first bytes whether a file is an array."""
    return data.startswith(_MAGIC)


def read_npy(data: bytes, policy: DecodePolicy) -> np.ndarray:
    """Read a photo from an `.npy` file, after its header was judged.

    Args:
        data: The file.
        policy: Judges its size.

    Returns:
        Values as they lie in the file, shape `(height, width, channels)`; uint8, uint16 or float32.

    Raises:
        DataError: With the bare reason: it declares more or less than it holds, holds objects or
            another type of numbers, is no photo by its shape, is too small or too large, or has
            pixels that are NaN or infinite.
    """
    try:
        array = read_array(data)
    except ValueError as error:
        raise DataError(f"an array that cannot be read: {printable(error)}") from None
    if array.dtype.name not in DTYPES:
        raise DataError(
            f"an array of {printable(array.dtype)}: save it as uint8, uint16 or float32"
        )
    array = array[..., None] if array.ndim == 2 else array
    if array.ndim != 3 or not 1 <= array.shape[-1] <= MOST_CHANNELS:
        moved = array.ndim == 3 and array.shape[0] <= MOST_CHANNELS
        raise DataError(
            f"an array of shape {array.shape}, not (height, width, channels)"
            + (": move its channels to the end with np.moveaxis(x, 0, -1)" if moved else "")
        )
    judge_size(array.shape[0], array.shape[1], policy)
    judge_finite(array)
    return array


def judge_size(height: int, width: int, policy: DecodePolicy) -> None:
    """Refuse what is too small or too large for a photo.

    Args:
        height: Pixels.
        width: Pixels.
        policy: Says what is.

    Raises:
        DataError: With the bare reason.
    """
    if min(height, width) < policy.min_side:
        raise DataError(
            f"too small: {width}x{height} pixels, the shorter side must have {policy.min_side}"
        )
    if height * width > policy.max_pixels:
        raise DataError(
            f"too large: {width}x{height} is {height * width / 1e6:.0f} megapixels, "
            f"the limit is {policy.max_pixels / 1e6:g}"
        )


def judge_finite(array: np.ndarray) -> None:
    """Refuse values that are NaN or infinite.

    Raises:
        DataError: With the bare reason.
    """
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise DataError("pixels that are NaN or infinite: fill them, or leave the photo out")


def scaled(values: np.ndarray, policy: DecodePolicy) -> np.ndarray:
    """Bring the values of an array to 0…255 by the declared range.

    Args:
        values: As `read_npy` returns them.
        policy: Declares the range.

    Returns:
        uint8 as they are, where no other range is declared; else float32, not rounded.

    Raises:
        DataError: With the bare reason, if no range is known, or a value is outside.
    """
    declared = policy.value_range
    if declared is None and values.dtype == np.uint8:
        return values
    if declared is None and values.dtype.kind == "f":
        raise DataError(
            "an array of floats, whose range is not known: declare it as value_range of the "
            "DecodePolicy, e.g. (0, 1)"
        )
    low, high = declared or (0.0, float(policy.max_16bit))
    least, most = float(values.min()), float(values.max())
    if least < low or most > high:
        raise DataError(
            f"a value of {least if least < low else most:g} is outside the declared range {low:g} "
            f"to {high:g}: pass the right one as value_range of the DecodePolicy"
        )
    found = (values.astype(np.float32) - np.float32(low)) * np.float32(_WHITE / (high - low))
    return np.clip(found, 0, _WHITE, out=found)


def encode_npy(pixels: np.ndarray) -> bytes:
    """Write a photo as an `.npy` file, the same bytes for the same pixels.

    Args:
        pixels: uint8, uint16 or float32, shape `(height, width)` or `(height, width, channels)`.
    """
    file = io.BytesIO()
    little = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)
    np.lib.format.write_array(file, np.ascontiguousarray(little), (1, 0), allow_pickle=False)
    return file.getvalue()


def bits_of(values: np.ndarray) -> int:
    """Return how many bits a value has."""
    return 8 * values.dtype.itemsize


def memory_of(values: np.ndarray) -> int:
    """Return how many bytes it takes to scale values and cut them into planes."""
    return math.prod(values.shape) * (values.dtype.itemsize + 3 * np.float32().itemsize)


def mode_of(values: np.ndarray) -> str:
    """Say what kind of values they are, as facts about a photo do."""
    channels = values.shape[-1]
    return values.dtype.name if channels == GREY else f"{values.dtype.name} x {channels}"
