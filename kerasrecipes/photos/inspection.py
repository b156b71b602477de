"""The one pass over a photo's file that learns everything that scanning wants to know."""

import hashlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from kerasrecipes.errors import DataError
from kerasrecipes.photos.decoding.channels import GREY, RGB
from kerasrecipes.photos.decoding.decode import read_bytes
from kerasrecipes.photos.decoding.deep import has_deep_pixels
from kerasrecipes.photos.decoding.names import EXTENSIONS
from kerasrecipes.photos.decoding.pixels import open_photo, with_rgb
from kerasrecipes.photos.decoding.policy import DecodePolicy
from kerasrecipes.photos.likeness.prints import FINGERPRINT_SIDE, fingerprint
from kerasrecipes.photos.photo_set import PhotoFacts
from kerasrecipes.photos.planes.npy import NPY, bits_of, is_npy, mode_of
from kerasrecipes.photos.planes.planes import Planes, with_array
from kerasrecipes.photos.planes.tiff import TIFF, is_tiff, read_values

_BITS = {"1": 1, "I": 32, "I;16": 16, "I;16B": 16, "I;16L": 16}


def inspect_photo(path: Path, policy: DecodePolicy, content: bytes | None = None) -> PhotoFacts:
    """Read a file once: digest, header, a full decode as a check, and the fingerprint.

    Args:
        path: A regular file.
        policy: Decides which photos are refused.
        content: What the file would hold, if the photo lies in memory.

    Returns:
        The facts; no pixels are kept.

    Raises:
        DataError: With the bare reason, if the photo cannot be used.
    """
    data = read_bytes(path) if content is None else content
    if (values := read_values(data, policy)) is not None:
        return _inspect_array(values, data, policy)
    image = open_photo(data, policy)
    width, height, mode, bits = *image.size, image.mode, _bits(image)
    if image.format in {"JPEG", "MPO"} and mode in {"RGB", "L"}:
        # Decodes all data, so truncation is noticed, but in fewer pixels and grey only.
        image.draft("L", (4 * FINGERPRINT_SIDE, 4 * FINGERPRINT_SIDE))
    # A phone's MPO is a JPEG with a preview behind it, not an animation.
    phone = image.format == "MPO"

    def seen(rgb: Image.Image) -> tuple[bytes, int]:
        return fingerprint(rgb), 1 if phone else _frames(image, data)

    if policy.channels not in {GREY, RGB}:
        raise DataError(
            f"a {image.format} photo, where photos of {policy.channels} channels were asked for: "
            "save them as .npy arrays of shape (height, width, channels), or as TIFF"
        )
    (thumbnail, frames), peak = with_rgb(image, data, policy, seen)
    return PhotoFacts(
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        width=width,
        height=height,
        mode=mode,
        image_format="JPEG" if phone else str(image.format),
        bits=bits,
        frames=frames,
        fingerprint=thumbnail,
        max_value=peak,
    )


def _inspect_array(values: np.ndarray, data: bytes, policy: DecodePolicy) -> PhotoFacts:
    """Learn the same of an array; its fingerprint is that of the mean of its channels."""

    def seen(planes: Planes) -> bytes:
        whole = np.mean([np.asarray(one) for one in planes], axis=0, dtype=np.float32)
        return fingerprint(Image.fromarray(np.rint(whole).astype(np.uint8)))

    thumbnail, peak = with_array(values, policy, seen)
    return PhotoFacts(
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        width=values.shape[1],
        height=values.shape[0],
        mode=mode_of(values),
        image_format=NPY if is_npy(data) else TIFF,
        bits=bits_of(values),
        frames=1,
        fingerprint=thumbnail,
        max_value=peak if values.dtype == np.uint16 else None,
    )


def ending_of(content: bytes) -> str:
    """Return how the name of a photo's file ends, by what is in it.

    Args:
        content: The file.

    Raises:
        DataError: With the bare reason, if it is no photo.
    """
    if is_npy(content):
        return EXTENSIONS[NPY][0]
    if is_tiff(content):
        return EXTENSIONS[TIFF][0]
    kind = str(open_photo(content, DecodePolicy()).format)
    return EXTENSIONS["JPEG" if kind == "MPO" else kind][0]


def _bits(image: ImageFile.ImageFile) -> int:
    if image.mode in _BITS:
        return _BITS[image.mode]
    return 16 if has_deep_pixels(image) else 8


def _frames(image: ImageFile.ImageFile, data: bytes) -> int:
    """Tell whether there is a second frame; a million others would take minutes to count."""
    kind = str(image.format)
    try:
        if kind in {"GIF", "TIFF"}:  # a fresh handle: seeking would disturb the decoded picture
            fresh: Any = Image.OPEN[kind][0](BytesIO(data), "")
            if fresh.is_animated and kind == "TIFF":
                fresh.seek(1)
            return 2 if fresh.is_animated else 1
        return min(getattr(image, "n_frames", 1), 2)
    except Exception as error:  # the first frame decoded, the next is damaged
        raise DataError(f"damaged {kind}: a later frame cannot be read") from error
