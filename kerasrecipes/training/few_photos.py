"""Saying when too few photos decide."""

from collections.abc import Callable

from kerasrecipes.data.photos import PhotoSet
from kerasrecipes.errors import listed

FEW = 3


def warn_of_few_photos(val: PhotoSet, say: Callable[[str], None]) -> list[str]:
    """Say which classes have so few validation photos that chance chooses the weights.

    Args:
        val: Photos to choose the weights by.
        say: Prints one line for the user.

    Returns:
        What was said, for the report; nothing if there are enough.
    """
    few = [name for name, count in val.counts().items() if count < FEW]
    if not few:
        return []
    warning = (
        f"`val` has fewer than {FEW} photos of {listed(few)}: which weights are kept, and when "
        "training stops, is mostly chance. Move photos from `train` to `val`, e.g. with a larger "
        "`val_fraction`."
    )
    say(f"Warning: {warning}")
    return [warning]
