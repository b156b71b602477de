"""Undoing a training that has left the rails, and going on more slowly."""

import warnings
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.callbacks.batch_loss import BatchLoss
from kerasrecipes.callbacks.learning_rates.rates import (
    current_rates,
    scale_rates,
    schedule_factors,
    set_schedule_factors,
)
from kerasrecipes.callbacks.state.model_state import ModelState, build_optimizers, synchronise
from kerasrecipes.console import say
from kerasrecipes.errors import TrainingError

# Ratios of tiny losses mean nothing: 0.001 after 0.0001 is no explosion.
FLOOR = 0.05
WINDOW = 10


@named
class DivergenceGuard(BatchLoss):
    """Roll back when the loss is not finite or explodes, lower the learning rate, and go on.

    The weights, the BatchNormalization statistics and the optimizer go back to the last state
    that the following steps have shown to be good; steps since then are lost, also for a
    learning-rate schedule. The epoch's running mean and metrics begin anew after a rollback.
    It replaces `BatchLoss`: `losses` has one number per step. The rate stays lowered after
    the training. A `LearningRateScheduler` callback that sets the rate wins over it.

    Args:
        factor: How many times the best loss is an explosion; both are means over `window`
            steps. The best is never taken for less than a twentieth of the first one.
        window: Number of steps that the loss is averaged over. In a training of no more steps
            only a loss that is not finite is seen; a larger window than usual is warned of.
        rate_factor: What the learning rate, or every rate of a schedule, is multiplied by
            after a rollback.
        max_rollbacks: How often to go back before giving up; 0 gives up at once.
        snapshot_steps: Steps between snapshots; `None` for one per epoch. Up to two copies
            of the weights and of the optimizer's variables are kept in memory.
        describe: Names the files of a step for the message, given the number of the step
            since the training began, from 0.

    Raises:
        ValueError: If an argument is out of range, or, while training, if the model takes
            several steps at once.
        TrainingError: While training, when it has to give up; the model is rolled back.

    Example:
        >>> DivergenceGuard(max_rollbacks=1).summary()
        {'rollbacks': []}
    """

    STATE: ClassVar[tuple[str, ...]] = (
        *BatchLoss.STATE, "rollbacks", "_recent", "_first", "_best", "_healthy", "_best_then",
    )  # fmt: skip

    def __init__(
        self,
        factor: float = 4.0,
        window: int = WINDOW,
        rate_factor: float = 0.3,
        max_rollbacks: int = 2,
        snapshot_steps: int | None = None,
        describe: Callable[[int], str] | None = None,
    ):
        super().__init__()
        for name, value, right, range_ in (
            ("factor", factor, factor > 1, "above 1"),
            ("window", window, window >= 1, "at least 1"),
            ("rate_factor", rate_factor, 0 < rate_factor < 1, "between 0 and 1"),
            ("max_rollbacks", max_rollbacks, max_rollbacks >= 0, "at least 0"),
            ("snapshot_steps", snapshot_steps, (snapshot_steps or 1) >= 1, "at least 1"),
        ):
            if not right:
                raise ValueError(f"`{name}` must be {range_}, not {value}.")
        self.factor = factor
        self.window = window
        self.rate_factor = rate_factor
        self.max_rollbacks = max_rollbacks
        self.snapshot_steps = snapshot_steps
        self.describe = describe
        self.rollbacks: list[dict] = []

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        super().on_train_begin(logs)
        self.rollbacks = []
        self._recent: list[float] = []
        self._first: float | None = None
        self._best: float | None = None
        self._healthy = 0
        self._candidate: tuple[ModelState, float | None] | None = None
        build_optimizers(self.model)
        self._good: ModelState | None = ModelState(self.model)
        self._best_then: float | None = None
        self._check_window()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._good = self._candidate = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        super().on_epoch_begin(epoch, logs)
        self._steps_kept = 0
        if self.snapshot_steps is None:
            self._take_snapshot()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is not None and not self._steps_kept:
            # Metrics that have seen nothing say 0, which others would take for the best loss.
            logs["loss"] = float("nan")

    def judge(self, loss: float) -> None:
        """Take note of a step's loss; roll back if it diverges."""
        self.losses.append(loss)
        if problem := self._problem(loss):
            self._roll_back(loss, problem)
            return
        self._steps_kept += 1
        self._healthy += 1
        if self._candidate and self._healthy >= self.window:
            (self._good, self._best_then), self._candidate = self._candidate, None
        if self.snapshot_steps and len(self.losses) % self.snapshot_steps == 0:
            self._take_snapshot()

    def summary(self) -> dict:
        """Return what a report should say."""
        return {"rollbacks": self.rollbacks}

    def get_state(self) -> dict:
        """Return what the callback remembers, its snapshots included."""
        state = super().get_state()
        if (good := getattr(self, "_good", None)) is not None:
            candidate = self._candidate and (self._candidate[0].values, self._candidate[1])
            state |= {"good": good.values, "candidate": candidate}
            state["factors"] = schedule_factors(self.model)
        return state

    def set_state(self, state: dict) -> None:
        """Put back what `get_state` returned.

        Args:
            state: The state; call this after `on_train_begin`, which forgets everything.
        """
        plain = {name: value for name, value in state.items() if name in self.STATE}
        super().set_state(plain)
        if "good" not in state:
            return
        self._good, candidate = ModelState(self.model), state["candidate"]
        self._good.replace(state["good"])
        self._candidate = None
        if candidate:
            self._candidate = (ModelState(self.model), candidate[1])
            self._candidate[0].replace(candidate[0])
        set_schedule_factors(self.model, state["factors"])

    def _check_window(self) -> None:
        planned = (self.params.get("steps") or np.inf) * self.params.get("epochs", 1)
        # Tiny trainings with the usual window have nothing to lower it to.
        if WINDOW < self.window >= planned:
            warnings.warn(
                f"`window={self.window}` is never left in a training of {planned} steps, so that "
                "DivergenceGuard sees no explosion, only a loss that is not finite. Lower it.",
                stacklevel=2,
            )

    def _problem(self, loss: float) -> str:
        if not np.isfinite(loss):
            return f"the loss is {loss}"
        self._recent = [*self._recent, loss][-self.window :]
        if len(self._recent) < self.window:
            return ""
        mean = float(np.mean(self._recent))
        if self._first is None:
            self._first = mean
        if self._best is None:
            self._best = mean
        limit = self.factor * max(self._best, FLOOR * self._first)
        self._best = min(self._best, mean)
        # Of a loss that may be negative, no multiple is an explosion.
        if self._first <= 0 or mean <= limit:
            return ""
        return f"the loss has risen to {mean:.3g}, from {self._best:.3g} at best,"

    def _take_snapshot(self) -> None:
        """Keep the present state, until the next steps show whether it is a good one.

        A step's loss is measured before it changes the weights: they may be ruined already.
        """
        if self._candidate is None:
            state = ModelState(self.model)
            if state.is_finite():
                self._candidate, self._healthy = (state, self._best), 0

    def _roll_back(self, loss: float, problem: str) -> None:
        step = len(self.losses) - 1
        place = f"step {self._step} of epoch {self._epoch}"
        if self.describe is not None:
            place += f" ({self.describe(step)})"
        synchronise(self.model)
        rates = current_rates(self.model)
        if self._good is not None:
            self._good.restore()
        # From here the loss may be far above a best one that was reached later.
        self._best, self._candidate, self._recent, self._healthy = self._best_then, None, [], 0
        if len(self.rollbacks) == self.max_rollbacks:
            tried = f" after {self.max_rollbacks} rollbacks" if self.max_rollbacks else ""
            raise TrainingError(
                f"The training diverges{tried}: {problem} at {place}. The weights are those of "
                "the last good state. Lower the learning rate, or look at the data of this step."
            )
        scale_rates(self.model, rates, self.rate_factor)
        lowered = current_rates(self.model)
        self.model.reset_metrics()
        self.forget_mean()
        self._steps_kept = 0
        self.rollbacks.append(
            {"step": step, "epoch": self._epoch, "loss": loss, "learning_rates": lowered}
        )
        say(
            f"Rolled back: {problem} at {place}. The learning rate falls from {_joined(rates)} "
            f"to {_joined(lowered)}."
        )


def _joined(rates: list[float]) -> str:
    return ", ".join(f"{rate:.2g}" for rate in rates)
