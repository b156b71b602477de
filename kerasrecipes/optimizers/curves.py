"""Learning rates over a stage: a rise, and one of several ways to fall."""

import math
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kerasrecipes")
class StageCurve(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate of one block over the updates of one stage.

    Args:
        shape: `"constant"`, `"linear"`, `"step"`, `"one_cycle"`, `"warmup_stable_decay"` or
            `"inverse_sqrt"`.
        peak: The largest rate.
        updates: Updates of the stage.
        warmup: Those over which the rate rises from a hundredth of the peak; 0 for none. One cycle
            rises along a cosine from its own start.
        begin: Updates that the optimizer had made before the stage.
        options: What else the shape takes.

    Example:
        >>> curve = StageCurve("linear", 1.0, 10)
        >>> round(float(curve(5)), 3)
        0.5
    """

    def __init__(
        self,
        shape: str,
        peak: float,
        updates: int,
        warmup: int = 0,
        begin: int = 0,
        options: dict[str, float] | None = None,
    ):
        self.shape, self.peak, self.updates = shape, peak, updates
        self.warmup, self.begin = warmup, begin
        self.options = dict(options or {})

    def __call__(self, step: Any) -> keras.KerasTensor:
        """Return the rate of an update.

        Args:
            step: How many updates the optimizer has made.
        """
        done = ops.maximum(ops.cast(step, "float32") - self.begin, 0.0)
        falls = max(1, self.updates - self.warmup)
        after = ops.maximum(done - self.warmup, 0.0)
        fallen = self.peak * self._fall(ops.minimum(after / falls, 1.0), after)
        if not self.warmup:
            return fallen
        return ops.where(done < self.warmup, self.peak * self._rise(done / self.warmup), fallen)

    def _rise(self, share: keras.KerasTensor) -> keras.KerasTensor:
        if self.shape == "one_cycle":
            start = self.options["start_fraction"]
            return start + (1 - start) * (1 - ops.cos(math.pi * share)) / 2
        return 0.01 + 0.99 * share

    def _fall(self, share: keras.KerasTensor, after: keras.KerasTensor) -> keras.KerasTensor:
        """Return the rate over the peak, at a share of what follows the rise."""
        options = self.options
        if self.shape == "linear":
            return 1 - share
        if self.shape == "step":
            drops = ops.minimum(ops.floor(share * (options["drops"] + 1)), options["drops"])
            return ops.power(ops.cast(options["factor"], "float32"), drops)
        if self.shape == "one_cycle":
            end = options["end_fraction"]
            return end + (1 - end) * (1 + ops.cos(math.pi * share)) / 2
        if self.shape == "warmup_stable_decay":
            return ops.minimum(1.0, (1 - share) / options["decay_fraction"])
        if self.shape == "inverse_sqrt":
            scale = max(1, self.warmup or round(0.1 * self.updates))
            return ops.sqrt(scale / (scale + after))
        return ops.ones_like(share)  # constant, and until a plateau is found

    def get_config(self) -> dict[str, Any]:
        """Return the arguments as data that Keras can save."""
        names = ("shape", "peak", "updates", "warmup", "begin", "options")
        return {name: getattr(self, name) for name in names}


def stage_curve(
    shape: str, peak: float, updates: int, warmup: int, begin: int, options: dict[str, float]
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Make the curve of a stage.

    Args:
        shape: A name of `kerasrecipes.engine.rates.CURVES`.
        peak: The largest rate.
        updates: Updates of the stage.
        warmup: Updates of its rise, where the weights begin to train.
        begin: Updates that the optimizer had made before; these weights are past their rise.
        options: Of the shape.
    """
    if shape == "cosine":
        return keras.optimizers.schedules.CosineDecay(
            # What went on training is past its warm-up: its count stands at its end.
            initial_learning_rate=peak if begin else peak / 100,
            warmup_target=peak,
            warmup_steps=begin or warmup,
            decay_steps=updates if begin else max(1, updates - warmup),
        )
    # A cycle rises in each stage: that is what it is.
    rise = warmup if shape == "one_cycle" or not begin else 0
    return StageCurve(shape, peak, updates, rise, begin, options)
