"""What to do when too few photos would decide."""

from collections.abc import Callable

from kerasrecipes.data.photos import PhotoSet
from kerasrecipes.errors import listed

FEW = 3


def too_few(photos: PhotoSet) -> list[str]:
    """Name the classes with so few photos that a loss on them is mostly chance.

    Args:
        photos: Photos to choose the weights by.
    """
    return [name for name, count in photos.counts().items() if count < FEW]


def warn_of_few_photos(val: PhotoSet, say: Callable[[str], None]) -> list[str]:
    """Say which classes have so few validation photos that chance would choose the weights.

    Args:
        val: Photos to choose the weights by.
        say: Prints one line for the user.

    Returns:
        What was said, for the report; nothing if there are enough.
    """
    few = too_few(val)
    if not few:
        return []
    warning = (
        f"`val` has fewer than {FEW} photos of {listed(few)}, by which chance would choose the "
        "weights. So each stage trains to its end, and its last weights are kept. With more "
        "photos in `val`, e.g. by a larger `val_fraction`, training stops when it should."
    )
    say(f"Warning: {warning}")
    return [warning]
