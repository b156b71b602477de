"""The learning-rate range test: raise the rate step by step and watch the loss."""

from typing import Any

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.callbacks.base import require_used
from kerasrecipes.callbacks.batch_loss import BatchLoss
from kerasrecipes.callbacks.learning_rates.suggestion import (
    EXPLOSION,
    LearningRateSuggestion,
    Sweep,
    combine_sweeps,
    smooth,
)
from kerasrecipes.callbacks.state.model_state import (
    ModelState,
    RandomState,
    fresh_optimizer,
    synchronise,
)
from kerasrecipes.errors import is_number


@named
class LRFinder(BatchLoss):
    """Sweep the learning rate in a `fit`, stop it, and leave the model as it was.

    Each sweep starts from the same weights with a fresh copy of the optimizer, raises the
    rate geometrically, and ends when the loss explodes: four times the best smoothed one, or
    not finite. `suggestion` is the outcome. Weights, BatchNormalization statistics, the
    optimizer with its rate or schedule, and all random states are bit for bit what they were.

    `find_learning_rate` also keeps the data in order; prefer it where no `fit` is at hand.

    Args:
        lowest: First rate of a sweep.
        highest: Last rate of a sweep.
        steps: Steps of a sweep.
        sweeps: Number of sweeps; the data goes on from one to the next.
        fallback: The rate to suggest if the sweeps do not tell; 1e-5 suits a backbone.

    Raises:
        ValueError: If an argument is out of range, or, while training, if the model is not
            compiled with one optimizer, does not use it, or takes several steps at once.

    Example:
        >>> finder = LRFinder(steps=50)
        >>> finder.summary()["found"]
        False

    Reference:
        Smith, 2017, "Cyclical Learning Rates for Training Neural Networks", section 3.3.
    """

    def __init__(
        self,
        lowest: float = 1e-7,
        highest: float = 10.0,
        steps: int = 100,
        sweeps: int = 3,
        fallback: float = 1e-3,
    ):
        super().__init__()
        if not 0 < lowest < highest:
            raise ValueError(
                f"`lowest` and `highest` must be 0 < lowest < highest, not {lowest} and {highest}."
            )
        for name, value, least in (("steps", steps, 20), ("sweeps", sweeps, 1)):
            if not is_number(value, least, np.inf, whole=True):
                raise ValueError(
                    f"`{name}` must be a whole number of at least {least}, not {value!r}."
                )
        check_fallback(fallback)
        self.rates = np.geomspace(lowest, highest, steps)
        self.sweeps = sweeps
        self.fallback = fallback
        self._done: list[Sweep] = []
        self._fresh: ModelState | None = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        super().on_train_begin(logs)
        self._done = []
        self._optimizer, self._train_function = self.model.optimizer, self.model.train_function
        self._random = RandomState()
        optimizer = fresh_optimizer(self.model, float(self.rates[0]))
        optimizer.build(self.model.trainable_variables)
        self.model.optimizer = optimizer
        self.model.make_train_function(force=True)
        self._fresh = ModelState(self.model)

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        synchronise(self.model)
        self.model.optimizer.learning_rate = float(self.rates[len(self.losses)])

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        try:
            super().on_train_batch_end(batch, logs)
        except ValueError:
            self.restore()
            raise

    def judge(self, loss: float) -> None:
        """Take note of a step's loss; end the sweep if it explodes or is complete."""
        self.losses.append(loss)
        exploded = not np.isfinite(loss) or self._explodes()
        if not exploded and len(self.losses) < len(self.rates):
            return
        if not exploded:
            require_used(self, 0)
        rates = map(float, self.rates[: len(self.losses)])
        self._done.append(Sweep(tuple(rates), tuple(self.losses), exploded))
        if self._fresh is not None:
            self._fresh.restore()
        self.losses = []
        if len(self._done) == self.sweeps:
            self.model.stop_training = True
        else:
            # An exploded loss, or NaN, would stay in the running mean.
            self.model.reset_metrics()
            self.forget_mean()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.restore()

    def restore(self) -> None:
        """Put everything back; call it when `fit` was left by an exception."""
        if self._fresh is None:
            return
        self._fresh.restore()
        self._fresh = None
        self.model.optimizer = self._optimizer
        self.model.train_function = self._train_function
        self._random.restore()

    @property
    def suggestion(self) -> LearningRateSuggestion:
        """What the finished sweeps suggest."""
        return combine_sweeps(self._done, self.fallback)

    def summary(self) -> dict:
        """Return what a report should say."""
        return self.suggestion.to_dict()

    def _explodes(self) -> bool:
        # The first tenth is not judged: one batch there may be harder than another.
        smoothed = smooth(self.losses)[len(self.rates) // 10 :]
        if not len(smoothed):
            return False
        best = smoothed.min()
        return bool(best > 0 and smoothed[-1] > EXPLOSION * best)


def check_fallback(rate: float) -> None:
    """Refuse what is no learning rate to fall back on.

    Raises:
        ValueError: If it is not a finite number above 0.
    """
    if not is_number(rate, 0, np.inf, above=True, below=True):
        raise ValueError(f"`fallback` must be a learning rate above 0, e.g. 1e-3, not {rate!r}.")
