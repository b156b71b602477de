"""How a photo of any shape is fitted into the size of a model: one arithmetic, for any decoder."""

from collections.abc import Callable
from typing import Any

from PIL import Image

STRETCH, LETTERBOX, CENTER_CROP = "stretch", "letterbox", "center_crop"
FITS = (STRETCH, LETTERBOX, CENTER_CROP)
# Height and width; numbers, or tensors of TensorFlow.
Sides = tuple[Any, Any]


def cut_and_spread(
    how: str,
    own: Sides,
    size: Sides,
    least: Callable[[Any, Any], Any] = min,
    most: Callable[[Any, Any], Any] = max,
) -> tuple[Sides, Sides]:
    """Say which part of a photo is kept, and to which size it is resized.

    Both lie in the middle: the part of the photo, and what becomes of it in the size of the model.

    Args:
        how: One of `FITS`.
        own: `(height, width)` of the photo, upright.
        size: `(height, width)` that the model takes.
        least: Returns the smaller of two; of tensors, `tf.minimum`.
        most: Returns the larger one; a number that it gets beside a tensor stands second.

    Returns:
        `(height, width)` of the part, and of what is made of it.

    Example:
        >>> cut_and_spread("letterbox", (100, 400), (224, 224))
        ((100, 400), (56, 224))
        >>> cut_and_spread("center_crop", (100, 400), (224, 224))
        ((100, 100), (224, 224))
    """
    (height, width), (tall, wide) = own, size
    if how == LETTERBOX:
        return own, (
            least(tall, most((height * wide + width // 2) // width, 1)),
            least(wide, most((width * tall + height // 2) // height, 1)),
        )
    if how == CENTER_CROP:
        return (
            least(height, most((width * tall + wide // 2) // wide, 1)),
            least(width, most((height * wide + tall // 2) // tall, 1)),
        ), size
    return own, size


def fitted(
    picture: Image.Image,
    size: tuple[int, int],
    how: str,
    resampling: Image.Resampling,
    fill: tuple[int, ...] | int,
) -> Image.Image:
    """Fit a picture into a size.

    Args:
        picture: The picture, upright.
        size: `(height, width)`.
        how: One of `FITS`.
        resampling: How Pillow resizes.
        fill: The colour of what a letterbox leaves free.
    """
    own = picture.height, picture.width
    cut, spread = cut_and_spread(how, own, size)
    if cut != own:
        top, left = (own[0] - cut[0]) // 2, (own[1] - cut[1]) // 2
        picture = picture.crop((left, top, left + cut[1], top + cut[0]))
    resized = picture.resize((spread[1], spread[0]), resampling)
    if spread == size:
        return resized
    whole = Image.new(picture.mode, (size[1], size[0]), fill)
    whole.paste(resized, ((size[1] - spread[1]) // 2, (size[0] - spread[0]) // 2))
    return whole
