"""Masks: pictures that are white where somebody marked a photo."""

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from kerasrecipes.errors import DataError, printable
from kerasrecipes.photos.decoding.decode import decode_upright
from kerasrecipes.photos.decoding.fit import STRETCH, fitted
from kerasrecipes.photos.decoding.policy import DecodePolicy

if TYPE_CHECKING:
    from kerasrecipes.photos.photo_set import Photo


def read_mask(photo: "Photo", size: tuple[int, int], policy: DecodePolicy) -> np.ndarray | None:
    """Read what was marked on a photo.

    Args:
        photo: A photo; its `mask` names the picture.
        size: `(height, width)` that the photo is fitted into.
        policy: How; nothing is marked outside the photo.

    Returns:
        bool `(height, width)`, as it lies in what the model takes, where a photo that is stretched
        keeps its own size; `True` where the picture is brighter than a middle grey; `None` if the
        photo has no mask.

    Raises:
        DataError: If the mask is no picture, or not of the photo's size.
    """
    if photo.mask is None:
        return None
    mask = decode_upright(photo.mask)
    own = {photo.facts.width, photo.facts.height}
    if {mask.width, mask.height} != own:
        raise DataError(
            f"The mask '{printable(photo.mask)}' has {mask.width} × {mask.height} pixels, and its "
            f"photo {photo.facts.width} × {photo.facts.height}. Draw it at the photo's size."
        )
    grey = mask.convert("L")
    if policy.resize != STRETCH:
        grey = fitted(grey, size, policy.resize, Image.Resampling.NEAREST, 0)
    return np.asarray(grey) > 127
