"""Averaging the weights of the last epochs: one model that generalises like many."""

import math
import warnings
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.callbacks.base import Resumable
from kerasrecipes.callbacks.state.model_state import RandomState
from kerasrecipes.keras_private import parts_of


def trained_batch_norms(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    """Find the BatchNormalization layers whose statistics move in training."""
    return [
        layer
        for layer in parts_of(model)
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


@named
class StochasticWeightAveraging(Resumable, keras.callbacks.Callback):
    """Give the model, at the end, the equal average of its weights from some epoch on.

    Keep the learning rate high over these epochs, constant or cyclical: the average replaces
    its decay. The model is averaged after the last epoch, so that no logged value is that of
    the average; evaluate it afterwards. Where other callbacks put weights back at the end,
    such as `EarlyStopping`, the last one in the list wins.

    Args:
        start_epoch: Epochs to train before averaging begins, counted from the first that
            `fit` runs.
        dataset: Batches `(x, …)` of training data, which can be read again, to measure
            BatchNormalization statistics with; `None` if no such layer trains.

    Raises:
        ValueError: If `start_epoch` is negative, or, while training, if BatchNormalization
            trains without `dataset`, or the training is too short for an average.

    Example:
        >>> StochasticWeightAveraging(start_epoch=5).summary()
        {'start_epoch': 5, 'averaged': 0}

    Reference:
        Izmailov et al., 2018, "Averaging Weights Leads to Wider Optima and Better
        Generalization", algorithm 1, arXiv 1803.05407.
    """

    STATE = ("averaged", "_epochs_run", "_mean")

    def __init__(self, start_epoch: int, dataset: Iterable | None = None):
        super().__init__()
        if start_epoch < 0:
            raise ValueError(f"`start_epoch` must be at least 0, not {start_epoch}.")
        self.start_epoch = start_epoch
        self.dataset = dataset
        self.averaged = 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.averaged = 0
        self._epochs_run = 0
        self._mean: list[np.ndarray] = []
        self._norms = len(trained_batch_norms(self.model))
        if self._norms and self.dataset is None:
            raise ValueError(
                f"{self._norms} BatchNormalization layers train; their statistics have to be "
                "measured for the averaged weights. Pass `dataset`, or freeze them."
            )

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        # Only now it is known whether `fit` has left epochs out, by its `initial_epoch`.
        planned = self._epochs_run + self.params.get("epochs", math.inf) - epoch
        if planned <= self.start_epoch:
            raise ValueError(
                f"`start_epoch={self.start_epoch}` leaves nothing to average in {planned} epochs. "
                "Train longer, or begin earlier."
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epochs_run += 1
        if self._epochs_run <= self.start_epoch:
            return
        weights = [keras.ops.convert_to_numpy(w) for w in self.model.trainable_variables]
        self.averaged += 1
        if self.averaged == 1:
            # In float64, so that the average does not depend on the number of epochs.
            self._mean = [weight.astype("float64") for weight in weights]
        for mean, weight in zip(self._mean, weights, strict=True):
            mean += (weight - mean) / self.averaged

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if not self.averaged:
            if self._epochs_run:
                warnings.warn(
                    f"Training ended after {self._epochs_run} epochs, before the first one to "
                    f"average (`start_epoch={self.start_epoch}`): the weights are those of the "
                    "training, not an average.",
                    stacklevel=2,
                )
            return
        for variable, mean in zip(self.model.trainable_variables, self._mean, strict=True):
            variable.assign(mean.astype(str(variable.dtype)))
        if self._norms and self.dataset is not None:
            measure_batch_norms(self.model, self.dataset)

    def summary(self) -> dict:
        """Return what a report should say."""
        return {"start_epoch": self.start_epoch, "averaged": self.averaged}
