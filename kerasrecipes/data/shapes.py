"""Shapes of examples, of which a side may be free. Without pydantic, for small processes."""

from collections.abc import Sequence

import numpy as np

# Channels of photos.
GREY, RGB = 1, 3
# How long an example is that stands for all, where its length is free.
USUAL_LENGTH = 64


def is_of_shape(told: Sequence[int | None], found: Sequence[int | None]) -> bool:
    """Tell whether a shape is the one that was told, as far as that says it."""
    return len(told) == len(found) and all(
        size in {None, other} for size, other in zip(told, found, strict=True)
    )


def stand_in(shape: Sequence[int | None], dtype: str = "uint8") -> np.ndarray:
    """Make an example without meaning, to time a model with: grey pixels, or tokens.

    Args:
        shape: Of one example; a free side gets a usual length.
        dtype: Type of its numbers.
    """
    value = 1 if dtype == "int32" else 127
    return np.full([USUAL_LENGTH if side is None else side for side in shape], value, dtype)
