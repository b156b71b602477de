"""A photo as pictures of one channel each, in 8 bits or as floats, which Pillow resizes alike."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from PIL import Image

from kerasrecipes.errors import DataError
from kerasrecipes.photos.decoding.budget import room_for
from kerasrecipes.photos.decoding.channels import BITS, GREY, LUMA, RGB, grey_of, shown
from kerasrecipes.photos.decoding.fit import fitted
from kerasrecipes.photos.decoding.pixels import open_photo, with_planes
from kerasrecipes.photos.decoding.policy import BYTES, RESAMPLING, DecodePolicy
from kerasrecipes.photos.planes.npy import memory_of, scaled
from kerasrecipes.photos.planes.tiff import read_values

_T = TypeVar("_T")
Planes = Sequence[Image.Image]


def with_channels(
    data: bytes, policy: DecodePolicy, use: Callable[[Planes], _T]
) -> tuple[_T, int | None]:
    """Decode a photo into the channels of a policy, and use them while there is memory for them.

    Args:
        data: An `.npy` file, or a photo of any other format.
        policy: How to decode.
        use: What the planes are for, pictures of one size, 0…255; it should keep less.

    Returns:
        What `use` returned, and the largest value if it has more than 8 bits, else `None`.

    Raises:
        DataError: With the bare reason.
    """
    if (values := read_values(data, policy)) is not None:
        return with_array(values, policy, use)
    return with_planes(
        open_photo(data, policy), data, policy, lambda planes: use(_wanted(planes, policy))
    )


def with_array(
    values: np.ndarray, policy: DecodePolicy, use: Callable[[Planes], _T]
) -> tuple[_T, int | None]:
    """Do the same with what `read_values` has read.

    Args:
        values: Shape `(height, width, channels)`.
        policy: How to decode.
        use: As in `with_channels`.

    Raises:
        DataError: With the bare reason.
    """
    with room_for(memory_of(values)):
        found = scaled(values, policy)
        planes = [
            Image.fromarray(np.ascontiguousarray(found[..., i])) for i in range(found.shape[-1])
        ]
        peak = None if values.dtype == np.uint8 else int(values.max())
        return use(_wanted(planes, policy)), peak


def _wanted(planes: Planes, policy: DecodePolicy) -> Planes:
    """Return the channels that a policy wants, of those that a photo has.

    Raises:
        DataError: If it has others.
    """
    own, wanted = len(planes), policy.channels
    if own == wanted:
        return planes
    if own == GREY and wanted == RGB:
        return [*planes] * RGB
    if own == RGB and wanted == GREY:
        parts = [
            np.asarray(one, np.float32) * np.float32(part / 2**BITS)
            for one, part in zip(planes, LUMA, strict=True)
        ]
        return [Image.fromarray(parts[0] + parts[1] + parts[2])]
    raise DataError(
        f"a photo of {own} channel{'s' * (own > 1)}, where {wanted} were asked for: say what it "
        "has by `channels`"
    )


def fitted_planes(planes: Planes, size: tuple[int, int], policy: DecodePolicy) -> np.ndarray:
    """Fit planes into the size of a model.

    Args:
        planes: The channels of a photo.
        size: `(height, width)`.
        policy: How.

    Returns:
        `policy.dtype`, shape `(height, width, channels)`, 0…255.
    """
    how, resampling = policy.resize, RESAMPLING[policy.interpolation]
    fills = policy.fill if len(planes) == RGB else (grey_of(policy.fill),) * len(planes)
    several = [
        np.asarray(fitted(one, size, how, resampling, fill))
        for one, fill in zip(planes, fills, strict=True)
    ]
    return _as_type(np.stack(several, axis=-1), policy.dtype)


def as_picture(planes: Planes) -> Image.Image:
    """Return planes as a picture in RGB, for people."""
    pixels = np.stack([np.asarray(one) for one in planes[:RGB]], axis=-1)
    return Image.fromarray(shown(pixels))


def _as_type(pixels: np.ndarray, dtype: str) -> np.ndarray:
    if pixels.dtype == dtype:
        return pixels
    if dtype == BYTES:
        return np.rint(pixels).clip(0, 255).astype(np.uint8)
    # A bicubic kernel overshoots, and Pillow clips that of 8 bits alone.
    return pixels.astype(np.float32).clip(0, 255)
