"""What happens to values of 0 to 255 before a backbone's first layer, declared or inside it."""

from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.errors import listed
from kerasrecipes.keras_private import nodes_in_order
from kerasrecipes.surgery.graph import find_cuts

if TYPE_CHECKING:
    import keras

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PLAIN = (1 / 127.5, -1.0)
IMAGENET = (
    tuple(1 / (255 * deviation) for deviation in DEVIATION),
    tuple(-mean / deviation for mean, deviation in zip(MEAN, DEVIATION, strict=True)),
)
# `(scale, offset)`, or nothing.
SCALINGS = {"none": None, "0..1": (1 / 255, 0.0), "-1..1": PLAIN, "imagenet": IMAGENET}
# What a first layer can learn from: darkest and lightest so far apart, and around zero.
LEAST_SPAN, MOST_SHIFT = 0.1, 5.0


def check_scaled_once(flat: "keras.Model", name: str) -> None:
    """Refuse a model that scales photos itself, behind a layer that has scaled them already.

    Grey photos from 0 to 255 go through what comes before the first layer with a kernel. If that
    leaves next to nothing of the differences between scaled ones, but not between photos as they
    are, it was made for these, in whatever way it computes.

    Args:
        flat: A flat model from `photo` by a layer `scale`.
        name: What the user calls the model.

    Raises:
        ValueError: If photos would be scaled twice.
    """
    import keras

    scaled = flat.get_layer("scale").output
    own, found = _own_beginning(flat)
    if not own or found is None:
        return
    grey = np.linspace(0, 255, 5, dtype=np.float32).reshape(-1, 1, 1, 1)
    photos = np.broadcast_to(grey, (5, *flat.inputs[0].shape[1:]))
    declared, bare = (
        _middles(keras.Model(first, found), photos) for first in (flat.inputs[0], scaled)
    )
    twice = _can_be_told_apart(bare) & ~_can_be_told_apart(declared)
    if twice.any():
        values = declared[:, twice.argmax()]
        raise ValueError(
            f"The model {name!r} scales photos of 0 to 255 itself, in {listed(own, 3)}, so they "
            f"would be scaled twice: what its first layer saw of black and of white would be "
            f"{values[0]:.3g} and {values[-1]:.3g}. Pass scaling='none'."
        )


def _own_beginning(flat: "keras.Model") -> tuple[list[str], "keras.KerasTensor | None"]:
    """Find the last map, of any channels, that no kernel has touched, and what makes it."""
    nodes = nodes_in_order(flat)
    cuts = dict(find_cuts(flat, nodes))
    passed: list[str] = []
    own: list[str] = []
    found = None
    for index, node in enumerate(nodes):
        operation = node.operation
        if any(_is_kernel(weight) for weight in getattr(operation, "weights", ())):
            break
        if not node.is_input and operation.name != "scale":
            passed.append(operation.name)
        tensor = cuts.get(index)
        if tensor is not None and len(tensor.shape) == 4:
            own, found = list(passed), tensor
    return own, found


def _is_kernel(weight: Any) -> bool:
    """Say whether a weight is more than a number for each of three channels."""
    size = int(np.prod(weight.shape))
    return size > 3 or (len(weight.shape) > 0 and size > weight.shape[-1])


def _middles(model: "keras.Model", photos: np.ndarray) -> np.ndarray:
    """Return what becomes of the pixel in the middle of each photo."""
    answers = np.asarray(model(photos, training=False), np.float32)
    return answers[:, answers.shape[1] // 2, answers.shape[2] // 2]


def _can_be_told_apart(values: np.ndarray) -> np.ndarray:
    """Judge each channel of what became of grey photos."""
    low, high = values.min(axis=0), values.max(axis=0)
    span = high - low
    return np.asarray((span >= LEAST_SPAN) & (np.abs(high + low) / 2 <= MOST_SHIFT * span))
