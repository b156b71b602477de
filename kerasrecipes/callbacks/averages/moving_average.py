"""A moving average of the weights that is what gets validated, stopped on, and returned."""

from typing import Any

import keras
import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.callbacks.base import Resumable, require_single_steps


@named
class MovingAverage(Resumable, keras.callbacks.Callback):
    """Validate, and leave in the model, a moving average of its weights over the steps.

    Keras's own average (`use_ema=True` with `SwapEMAWeights`) begins with a fixed momentum,
    and so consists of a short training's beginning; and `EarlyStopping` beside it returns the
    raw weights, unless each is told about the other. Here the momentum warms up, and the
    averages are in the model from each validation to the next epoch, so that every callback
    that looks at the end of an epoch sees, keeps and restores the weights that were measured,
    in any order. Without `validation_data`, put this callback first.

    BatchNormalization statistics that train are averaged, too. The averages lie in the
    computer's memory: they take as much as the weights, and a copy of these after each step.

    Args:
        momentum: Largest share of the average that a step leaves. In step `n` it is at most
            `(n - 1) / (n + 8)`, so that an average never consists of its beginning.

    Raises:
        ValueError: If `momentum` does not lie between 0 and 1, or, while training, if the
            optimizer keeps an average, too, or the model takes several steps at once.

    Example:
        >>> MovingAverage(momentum=0.99).summary()
        {'steps': 0, 'momentum': 0.0}

    Reference:
        Polyak & Juditsky, 1992, "Acceleration of Stochastic Approximation by Averaging". The
        warm-up is that of `tf.train.ExponentialMovingAverage(num_updates=…)`.
    """

    STATE = ("_steps", "_averages", "_raw")

    def __init__(self, momentum: float = 0.999):
        super().__init__()
        if not 0 < momentum < 1:
            raise ValueError(f"`momentum` must lie between 0 and 1, not {momentum!r}.")
        self.momentum = momentum
        self._steps = 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        require_single_steps(self)
        if keeps_average(self.model.optimizer):
            raise ValueError(
                "The optimizer keeps a moving average of its own (`use_ema=True`), which would "
                "replace this one at the end. Compile without it, or leave MovingAverage out."
            )
        self._steps = 0
        self._averages: list[np.ndarray] | None = None
        # The weights that train, while the averages are in the model.
        self._raw: list[np.ndarray] | None = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self._raw is not None:
            self.model.set_weights(self._raw)
            self._raw = None

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._steps += 1
        weights = self.model.weights
        if self._averages is None:
            self._averages = [np.array(_value(weight)) for weight in weights]
            return
        share = 1 - self._momentum_now()
        for average, weight in zip(self._averages, weights, strict=True):
            # What only counts has no average.
            part = share if keras.backend.is_float_dtype(weight.dtype) else 1
            average += (part * (_value(weight) - average)).astype(average.dtype)

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._show_averages()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._show_averages()

    def summary(self) -> dict:
        """Return what a report should say."""
        return {"steps": self._steps, "momentum": self._momentum_now()}

    def _momentum_now(self) -> float:
        warmed = max(self._steps - 1, 0)
        return min(self.momentum, warmed / (warmed + 9))

    def _show_averages(self) -> None:
        if self._raw is None and self._averages is not None:
            self._raw = [np.array(_value(weight)) for weight in self.model.weights]
            self.model.set_weights(self._averages)


def keeps_average(optimizer: keras.optimizers.Optimizer) -> bool:
    """Tell whether an optimizer, or one inside of it, keeps averages of the weights itself."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    several = getattr(optimizer, "optimizers", [optimizer])
    return any(getattr(one, "use_ema", False) for one in several)


def _value(weight: keras.Variable) -> np.ndarray:
    return keras.ops.convert_to_numpy(weight)
