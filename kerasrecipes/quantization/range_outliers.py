"""Activations whose 8-bit range is stretched by a few values, which makes all others coarse."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.quantization.activation_ranges import answers_by_batch, probe_behind, tensors_of
from kerasrecipes.quantization.batch_norm_folding import fold_batch_norm
from kerasrecipes.quantization.plan import plan_quantization
from kerasrecipes.surgery.rebuilding import is_functional

if TYPE_CHECKING:
    import keras

# Usual is what lies between these quantiles: 999 of 1000 values.
USUAL = (0.0005, 0.9995)
# Below it, two of the eight bits serve one value in a thousand.
SMALLEST_SHARE = 0.25
LEVELS = 256
# Enough of a photo's values to find the quantiles; sorting all would take longer than the model.
VALUES = 4096


@dataclass(frozen=True)
class RangeOutlier:
    """Values between two layers that few of them stretch.

    Args:
        layer: The layer that gives them.
        low: End of the range that 8 bits must cover.
        high: Its other end.
        usual_low: Where the middle 99.9 % of the values begin.
        usual_high: Where they end.
    """

    layer: str
    low: float
    high: float
    usual_low: float
    usual_high: float

    @property
    def share(self) -> float:
        """Share of the range that the usual values take."""
        return (self.usual_high - self.usual_low) / (self.high - self.low)

    def __str__(self) -> str:
        levels = max(1, round(LEVELS * self.share))
        return (
            f"{self.layer}: 99.9% of the values lie from {self.usual_low:.3g} to "
            f"{self.usual_high:.3g} and share {levels} of {LEVELS} levels, since a few reach from "
            f"{self.low:.3g} to {self.high:.3g}"
        )


@named
def find_range_outliers(model: "keras.Model", calibration: np.ndarray) -> tuple[RangeOutlier, ...]:
    """Find the values that an int8 file rounds far more coarsely than most of them need.

    Args:
        model: A classifier of photos with values 0…255.
        calibration: Training photos, shape `(n, height, width, 3)`, values 0…255.

    Returns:
        The worst first; none if the model's graph cannot be read.
    """

    if not is_functional(model) or len(model.inputs) != 1:
        return ()
    folded = fold_batch_norm(model)
    plan = plan_quantization(folded)
    # Pixels have the range that they have.
    tensors = tensors_of(folded, plan.ranged - plan.pixels)
    if not tensors:
        return ()
    probe = probe_behind(folded, [*tensors.values()], lambda found: [*map(_ends, found)])
    batches = answers_by_batch(probe, calibration)
    found = []
    for name, ends in zip(tensors, map(np.stack, batches), strict=True):
        # Zero is in every range, for the sake of padding.
        low, high = min(ends[:, 0].min(), 0.0), max(ends[:, 3].max(), 0.0)
        usual = min(np.median(ends[:, 1]), 0.0), max(np.median(ends[:, 2]), 0.0)
        if high > low:
            found.append(RangeOutlier(name, *map(float, (low, high, *usual))))
    return tuple(sorted((o for o in found if o.share < SMALLEST_SHARE), key=lambda o: o.share))


def _ends(tensor: Any) -> Any:
    """Return the smallest value, the ends of the usual ones, and the largest."""
    from keras import ops

    places = tensor.shape[1:-1]
    step = math.ceil((math.prod(tensor.shape[1:]) / VALUES) ** (1 / max(len(places), 1)))
    some = tensor[(slice(None), *[slice(None, None, step)] * len(places))]
    low, high = ops.min(tensor), ops.max(tensor)
    usual = ops.quantile(ops.reshape(some, (-1,)), ops.array(USUAL, some.dtype))
    return ops.stack([low, usual[0], usual[1], high])
