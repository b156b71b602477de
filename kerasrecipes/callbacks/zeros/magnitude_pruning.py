"""Setting small weights to zero while training, and holding zeros at zero."""

import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.callbacks.base import Resumable, require_single_steps
from kerasrecipes.callbacks.state.model_state import synchronise
from kerasrecipes.callbacks.zeros.kernels import find_kernels
from kerasrecipes.errors import listed

MASKS_EVERY = 100
Schedule = Callable[[int], tuple[bool, float]]


@named
class MagnitudePruning(Resumable, keras.callbacks.Callback):
    """Set more and more of the smallest weights to zero while the model trains on.

    The file gets smaller once it is compressed; nothing gets faster, for which there is
    `prune_channels`. Kernels of convolutions and dense layers are pruned, each by itself; the
    small kernels of depthwise convolutions, biases and norms are not. Weights that are zero
    may come back until the last step of the schedule; from then on the zeros stay. Put this
    callback last in the list, so that it sees the weights that others put back.

    Args:
        sparsity: Fraction of zeros at the end, for all kernels, or by a regular expression on
            the names of layers: the first that matches counts, and what none matches stays
            dense. `None` if `pattern` says it.
        pattern: `(n, m)` to keep the `n` largest of each `m` consecutive weights along the
            input channels, from `begin_step` on, e.g. `(2, 4)`.
        begin_step: Step of the training at which pruning begins.
        end_step: Step at which `sparsity` is reached; `None` for three quarters of the way.
        frequency: Steps between two choices of what is zero.

    Raises:
        ValueError: If an argument is not usable, or, while training, if no kernel can be
            pruned, an expression matches none, the schedule does not end with the training, or
            the model takes several steps at once.

    Example:
        >>> round(MagnitudePruning(0.8, end_step=100).sparsity_at(50), 3)
        0.7

    Reference:
        Zhu and Gupta, 2017, "To Prune, or Not to Prune", equation 1, arXiv 1710.01878.
    """

    STATE = ("_step", "_masks")

    def __init__(
        self,
        sparsity: float | Mapping[str, float] | Schedule | None = 0.8,
        pattern: tuple[int, int] | None = None,
        begin_step: int = 0,
        end_step: int | None = None,
        frequency: int = MASKS_EVERY,
    ):
        super().__init__()
        self.schedule = sparsity if callable(sparsity) else None
        if self.schedule is not None:
            _refuse_beside_schedule(pattern, begin_step, end_step, frequency)
            begin_step = getattr(sparsity, "begin_step", 0)
            end_step = getattr(sparsity, "end_step", -1)
            # Only the end of the training ends what TFMOT says goes on forever.
            end_step = None if end_step < 0 else max(end_step, begin_step + 1)
        self.sparsity: dict[str, Any] = {"": None}
        if not callable(sparsity):
            self.sparsity = checked_sparsity(sparsity, pattern)
        self.pattern = pattern
        if begin_step < 0 or frequency < 1 or (end_step is not None and end_step <= begin_step):
            raise ValueError(
                "The steps must be `begin_step` ≥ 0, `end_step` > `begin_step` and `frequency` "
                f"≥ 1, not {begin_step}, {end_step} and {frequency}."
            )
        self.begin_step = begin_step
        self.end_step = end_step
        self.frequency = frequency
        self._end = end_step
        self._final: dict[str, float] = {}

    def sparsity_at(self, step: int, final: float | None = None) -> float:
        """Return the fraction of zeros that the schedule asks for at a step.

        Args:
            step: Steps since the training began.
            final: Fraction at the end; `None` for the one of all kernels.

        Raises:
            ValueError: If the end is not known yet, or differs between kernels.
        """
        if self.schedule is not None:
            return float(self.schedule(step)[1]) if step >= self.begin_step else 0.0
        final = self.sparsity.get("") if final is None else final
        if self._end is None or final is None:
            raise ValueError("Pass `end_step` to the callback, and one `sparsity` or `final`.")
        if step < self.begin_step:
            return 0.0
        left = max(0.0, 1 - (step - self.begin_step) / (self._end - self.begin_step))
        return final * (1 - left**3)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        require_single_steps(self)
        self._end = self._last = self._last_step()
        self._step = 0
        self._kernels = find_kernels(self.model)
        self._final = self._final_sparsity()
        self._masks: dict[str, np.ndarray] = {}
        if self._is_turn():
            self._choose_masks()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        synchronise(self.model)
        self._step += 1
        if self._step == self._last or (self._step < self._last and self._is_turn()):
            self._choose_masks()
        apply_masks(self._kernels, self._masks)

    def _is_turn(self) -> bool:
        if self.schedule is not None:
            return bool(self.schedule(self._step)[0])
        return (self._step - self.begin_step) % self.frequency == 0

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._step < self._last:
            warnings.warn(
                f"Training ended at step {self._step}, before `end_step={self._end}`: "
                f"{self.summary()['sparsity']:.0%} of the weights are zero, fewer than asked.",
                stacklevel=2,
            )
        elif self._masks:
            self._choose_masks()  # another callback may have put denser weights back
        apply_masks(self._kernels, self._masks)

    def summary(self) -> dict:
        """Return what a report should say."""
        kernels = [self._kernels[name].numpy() for name in self._final]
        zeros = sum(int((kernel == 0).sum()) for kernel in kernels)
        weights = sum(kernel.size for kernel in kernels)
        return {"kernels": len(kernels), "weights": weights, "sparsity": zeros / max(weights, 1)}

    def _last_step(self) -> int:
        steps, epochs = self.params.get("steps"), self.params.get("epochs", 1)
        planned: Any = steps * epochs if steps else None
        if planned is None and self.end_step is None:
            raise ValueError(
                "The number of steps is not known, so neither is when pruning ends. Pass "
                "`end_step` to the callback, or `steps_per_epoch` to `fit`."
            )
        share = 0.75 if self.schedule is None else 1.0
        end = self.end_step or max(self.begin_step + 1, round(share * planned))
        if planned is not None and end > planned:
            raise ValueError(
                f"Pruning would end at step {end}, and training after {planned}, so the asked "
                "sparsity would not be reached. Train longer, or lower `end_step`."
            )
        return end

    def _final_sparsity(self) -> dict[str, float]:
        """Return the sparsity at the end of each kernel to prune, by the layer's name."""
        final: dict[str, Any] = {}
        multiple = self.pattern[1] if self.pattern else 1
        for name, kernel in self._kernels.items():
            fits = kernel.shape[-2] % multiple == 0
            matching = [expression for expression in self.sparsity if re.search(expression, name)]
            if fits and matching:
                final[name] = self.sparsity[matching[0]]
        idle = [e for e in self.sparsity if not any(re.search(e, name) for name in self._kernels)]
        if final and not idle:
            return final
        if not self._kernels:
            why = "the model has no convolution and no dense layer"
        elif idle:
            why = f"no layer matches {listed(idle)}"
        else:
            why = f"no kernel has a multiple of {multiple} input channels"
        raise ValueError(
            f"`sparsity` would have no effect: {why}. Kernels that can be pruned: "
            f"{listed(self._kernels)}."
        )

    def _choose_masks(self) -> None:
        if self._step < self.begin_step:
            return
        for name, final in self._final.items():
            values = np.abs(self._kernels[name].numpy())
            if self.pattern:
                self._masks[name] = largest_of_each(values, *self.pattern)
            else:
                self._masks[name] = largest(values, self.sparsity_at(self._step, final))


@named
class HoldZeros(Resumable, keras.callbacks.Callback):
    """Keep the weights at zero that are zero when training begins.

    Args:
        match: Regular expression, searched in the names of layers.

    Raises:
        ValueError: While training, if no kernel of a matching layer has a zero.

    Example:
        >>> HoldZeros().summary()
        {'kernels': 0}
    """

    STATE = ("_masks",)

    def __init__(self, match: str = ""):
        super().__init__()
        self.match = match
        self._masks: dict[str, np.ndarray] = {}

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._kernels = find_kernels(self.model)
        matching = [name for name in self._kernels if re.search(self.match, name)]
        masks = {name: self._kernels[name].numpy() != 0 for name in matching}
        self._masks = {name: mask for name, mask in masks.items() if not mask.all()}
        if not self._masks:
            raise ValueError(
                f"HoldZeros finds no zero in the kernels of {listed(matching)}, so it would have "
                "no effect. Prune the model first, with MagnitudePruning."
            )

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        synchronise(self.model)
        apply_masks(self._kernels, self._masks)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        apply_masks(self._kernels, self._masks)

    def summary(self) -> dict:
        """Return what a report should say."""
        return {"kernels": len(self._masks)}


def apply_masks(kernels: Mapping[str, keras.Variable], masks: Mapping[str, np.ndarray]) -> None:
    """Set the weights of kernels to zero where their mask is false."""
    for name, mask in masks.items():
        kernel = kernels[name]
        kernel.assign(kernel * keras.ops.cast(mask, kernel.dtype))


def largest(values: np.ndarray, sparsity: float) -> np.ndarray:
    """Mark all but a fraction of the smallest values; among equals, the first go.

    Example:
        >>> largest(np.array([3.0, 1.0, 2.0, 4.0]), 0.5)
        array([ True, False, False,  True])
    """
    keep = np.ones(values.size, bool)
    keep[np.argsort(values, axis=None, kind="stable")[: round(sparsity * values.size)]] = False
    return keep.reshape(values.shape)


def largest_of_each(values: np.ndarray, n: int, m: int) -> np.ndarray:
    """Mark the `n` largest of each `m` consecutive values along the second last axis.

    Example:
        >>> largest_of_each(np.array([[3.0], [1.0], [2.0], [4.0]]), 1, 2)[:, 0]
        array([ True, False, False,  True])
    """
    rows = np.moveaxis(values, -2, -1)
    runs = rows.reshape(-1, m)
    keep = np.zeros(runs.shape, bool)
    np.put_along_axis(keep, np.argsort(runs, axis=1, kind="stable")[:, m - n :], True, axis=1)
    return np.moveaxis(keep.reshape(rows.shape), -1, -2)


def _refuse_beside_schedule(
    pattern: object, begin_step: int, end_step: int | None, frequency: int
) -> None:
    given = {
        "pattern": pattern is not None,
        "begin_step": begin_step != 0,
        "end_step": end_step is not None,
        "frequency": frequency != MASKS_EVERY,
    }
    for name, is_given in given.items():
        if is_given:
            raise ValueError(
                f"`{name}` would have no effect beside a schedule, which says it itself. Leave it "
                "out, or pass `sparsity` as a number."
            )


def checked_sparsity(
    sparsity: float | Mapping[str, float] | None, pattern: tuple[int, int] | None
) -> dict[str, float]:
    """Return the final sparsity by regular expression; `""` matches every name.

    Args:
        sparsity: A fraction, or fractions by expression; `None` with `pattern`.
        pattern: `(n, m)` to keep `n` of each `m` weights, or `None`.

    Raises:
        ValueError: If they are not usable.
    """
    if pattern is not None:
        if sparsity is not None:
            raise ValueError(
                "Pass `sparsity` or `pattern`, not both: 2 of 4 is a sparsity of 0.5. With "
                "`pattern`, pass sparsity=None."
            )
        whole = all(isinstance(number, int) for number in pattern)
        if len(pattern) != 2 or not whole or not 0 < pattern[0] < pattern[1]:
            raise ValueError(
                f"`pattern` must be two whole numbers with 0 < n < m, e.g. (2, 4), not {pattern!r}."
            )
        return {"": 1 - pattern[0] / pattern[1]}
    wanted: dict[str, Any] = dict(sparsity) if isinstance(sparsity, Mapping) else {"": sparsity}
    for value in wanted.values():
        if not isinstance(value, int | float) or not 0 < value < 1:
            raise ValueError(f"`sparsity` must lie between 0 and 1, not {value!r}.")
    if not wanted:
        raise ValueError("`sparsity` is empty: pass a number, or {expression: number}.")
    return wanted
