"""Measuring BatchNormalization statistics anew, for weights that no step has trained."""

from collections.abc import Iterable

import keras

from kerasrecipes.callbacks.model_state import RandomState


def trained_batch_norms(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    """Find the BatchNormalization layers whose statistics move in training."""
    # The traversal behind `Model.layers`, which stops at the first level.
    layers = model._flatten_layers()
    return [
        layer
        for layer in layers
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
    ]


def measure_batch_norms(model: keras.Model, dataset: Iterable) -> None:
    """Set the statistics of each trained BatchNormalization to the mean over batches.

    One pass in training mode; the mean of the batches' variances stands for the variance of
    all rows, as is usual. Random states are put back.

    Args:
        model: A built model.
        dataset: Batches `(x, …)`, or arrays of inputs.

    Raises:
        ValueError: If there is no batch.
    """
    norms = trained_batch_norms(model)
    momenta = [norm.momentum for norm in norms]
    random = RandomState()
    states = [v for v in model.variables if v.path.endswith("seed_generator_state")]
    seeds = [keras.ops.convert_to_numpy(state).copy() for state in states]
    count = 0
    try:
        for batch in dataset:
            for norm in norms:
                # Gives every batch the same weight; the first replaces what was there.
                norm.momentum = count / (count + 1)
            model(batch[0] if isinstance(batch, tuple) else batch, training=True)
            count += 1
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for state, seed in zip(states, seeds, strict=True):
            state.assign(seed)
        random.restore()
    if not count:
        raise ValueError("`dataset` is empty: BatchNormalization needs at least one batch.")
