"""Masks: pictures that are white where somebody marked a photo."""

from typing import TYPE_CHECKING

import numpy as np

from kerasrecipes.errors import DataError, printable
from kerasrecipes.photos.decoding.decode import decode_upright

if TYPE_CHECKING:
    from kerasrecipes.photos.photo_set import Photo


def read_mask(photo: "Photo") -> np.ndarray | None:
    """Read what was marked on a photo.

    Args:
        photo: A photo; its `mask` names the picture.

    Returns:
        bool `(height, width)`, `True` where the picture is brighter than a middle grey; `None` if
        the photo has no mask.

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
    return np.asarray(mask.convert("L")) > 127
