"""Between which values the activations of a model lie, measured on photos."""

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.keras_private import nodes_in_order
from kerasrecipes.quantization.plan import QuantizationPlan

if TYPE_CHECKING:
    import keras

Probe = Callable[[np.ndarray], list[Any]]

# More photos hardly move a mean, and each costs a forward pass.
PHOTOS = 64
BATCH = 8


@named
def measure_ranges(
    folded: "keras.Model", plan: QuantizationPlan, calibration: np.ndarray
) -> dict[str, tuple[float, float]]:
    """Measure between which values the outputs of layers lie.

    Args:
        folded: A flat functional model without BatchNormalization.
        plan: Names the layers.
        calibration: Photos with values 0…255.

    Returns:
        For each layer the mean over batches of the smallest and of the largest value, as a
        moving average in training would find them; for scaled pixels those of black and white.
    """
    import keras

    if not plan.ranged:
        return {}
    tensors = tensors_of(folded, plan.ranged)

    def ends(found: list[Any]) -> list[Any]:
        return [keras.ops.stack([keras.ops.min(t), keras.ops.max(t)]) for t in found]

    probe = probe_behind(folded, [*tensors.values()], ends)
    batches = mean_answers(probe, calibration)
    extremes = np.zeros((1, *calibration.shape[1:]), np.float32)
    extremes[:, ::2] = 255
    pixels = mean_answers(probe, extremes)
    chosen = [pixels[i] if name in plan.pixels else batches[i] for i, name in enumerate(tensors)]
    return {
        name: (float(low), float(high)) for name, (low, high) in zip(tensors, chosen, strict=True)
    }


def tensors_of(model: "keras.Model", names: Collection[str]) -> dict[str, Any]:
    """Return the outputs of some layers of a flat model, in the order of its graph."""
    return {
        node.operation.name: node.outputs[0]
        for node in nodes_in_order(model)
        if node.operation.name in names
    }


def probe_behind(
    model: "keras.Model", tensors: Sequence[Any], measure: Callable[[list[Any]], list[Any]]
) -> Probe:
    """Make a probe that measures behind a model, not in its graph.

    There the names of new operations could be those of old ones, where a model was loaded.

    Args:
        model: A functional model.
        tensors: Some of its tensors.
        measure: Makes of their values for a batch what is asked for.
    """
    import keras

    inner = keras.Model(model.input, list(tensors))
    return lambda batch: measure(keras.tree.flatten(inner(batch)))


def mean_answers(probe: Probe, photos: np.ndarray) -> list[np.ndarray]:
    """Average what is said about batches of photos; see `answers_by_batch`."""
    return [np.mean(values, axis=0) for values in answers_by_batch(probe, photos)]


def answers_by_batch(probe: Probe, photos: np.ndarray) -> list[tuple[np.ndarray, ...]]:
    """Ask about batches of photos, some of them spread over all.

    Args:
        probe: Gives any number of arrays without an axis for the photo; see `probe_behind`.
        photos: Values 0…255, shape `(n, height, width, 3)`.

    Returns:
        For each output, what it was for each batch.
    """
    some = photos[:: -(-len(photos) // PHOTOS)]
    answers = [
        [np.asarray(output) for output in probe(batch)]
        for batch in np.array_split(np.asarray(some, np.float32), -(-len(some) // BATCH))
    ]
    return list(zip(*answers, strict=True))
