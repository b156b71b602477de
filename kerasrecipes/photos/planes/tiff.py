"""Photos of several channels in TIFF files, which picture libraries do not know; see `npy`."""

import math
from io import BytesIO
from typing import Any

import numpy as np

from kerasrecipes.errors import DataError, first_line, require
from kerasrecipes.photos.decoding.budget import MEMORY_BYTES, room_for
from kerasrecipes.photos.decoding.channels import GREY, MOST_CHANNELS, RGB
from kerasrecipes.photos.decoding.parts import judge_parts
from kerasrecipes.photos.decoding.policy import DecodePolicy
from kerasrecipes.photos.planes.npy import DTYPES, is_npy, judge_finite, judge_size, read_npy

TIFF = "TIFF"
_MAGIC = (b"II*\0", b"MM\0*")
# None, and deflate by its two numbers: the others need codecs of another package.
_COMPRESSIONS = {1, 8, 32946}
_UPRIGHT = 1
_WHITE_IS_ZERO = 0


def is_tiff(data: bytes) -> bool:
    """Tell by its first bytes whether a file is a TIFF."""
    return data.startswith(_MAGIC)


def read_values(data: bytes, policy: DecodePolicy) -> np.ndarray | None:
    """Read the values of a photo that is an array, or has channels as no picture has.

    Args:
        data: The file.
        policy: Judges its size, and says how many channels are wanted.

    Returns:
        As `read_npy` does; `None` for what is read as a picture.

    Raises:
        DataError: With the bare reason.
        MissingDependencyError: If a TIFF needs the extra `tiff`, and it is not installed.
    """
    if is_npy(data):
        return read_npy(data, policy)
    wanted = policy.channels not in {GREY, RGB}
    return _read_tiff(data, policy) if wanted and is_tiff(data) else None


def _read_tiff(data: bytes, policy: DecodePolicy) -> np.ndarray:
    tifffile = require("tifffile", "tiff", f"A TIFF of {policy.channels} channels")
    judge_parts(TIFF, data, policy.max_pixels)
    try:
        with tifffile.TiffFile(BytesIO(data)) as file:
            page = file.pages[0]
            shape = page.imagelength, page.imagewidth, page.samplesperpixel
            _judge(page, shape)
            judge_size(shape[0], shape[1], policy)
            size = math.prod(shape) * page.dtype.itemsize
            if size > MEMORY_BYTES:
                raise DataError(f"too large: a TIFF of {size / 1e9:.1f} GB of values")
            with room_for(2 * size):
                found = np.asarray(page.asarray())
            if page.axes == "SYX":
                found = np.moveaxis(found, 0, -1)
            found = np.ascontiguousarray(found.reshape(shape))
    except (DataError, MemoryError):
        raise
    except Exception as error:  # whatever it raises on hostile bytes
        raise DataError(f"damaged or truncated TIFF: {first_line(error)}") from error
    judge_finite(found)
    return found


def _judge(page: Any, shape: tuple[int, int, int]) -> None:
    if shape[-1] > MOST_CHANNELS:
        raise DataError(f"a TIFF of {shape[-1]} channels, more than {MOST_CHANNELS}")
    if page.dtype is None or page.dtype.name not in DTYPES:
        raise DataError("a TIFF of other numbers than uint8, uint16 and float32: save it as these")
    if int(page.compression) not in _COMPRESSIONS:
        raise DataError(
            f"a TIFF of several channels that is compressed by {page.compression.name}: save it "
            "without, or by deflate, or as an .npy array"
        )
    turned = page.tags.get("Orientation")
    if turned is not None and turned.value != _UPRIGHT:
        raise DataError("a TIFF of several channels that lies on its side: save it upright")
    if int(page.photometric) == _WHITE_IS_ZERO:
        raise DataError("a TIFF in which 0 is white: save it with 0 as black")
