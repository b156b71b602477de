"""Reading and scaling the learning rate of any optimizer, schedules included."""

from typing import Any, Self

import keras

from kerasrecipes.callbacks.state.model_state import optimizers_of
from kerasrecipes.keras_private import rate_or_schedule


@keras.saving.register_keras_serializable(package="kerasrecipes")
class ScaledSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A learning-rate schedule, times a constant.

    Args:
        schedule: The schedule to scale.
        factor: What each of its rates is multiplied by.
    """

    def __init__(self, schedule: keras.optimizers.schedules.LearningRateSchedule, factor: float):
        self.schedule = schedule
        self.factor = factor

    def __call__(self, step: Any) -> keras.KerasTensor:
        return self.schedule(step) * self.factor

    def get_config(self) -> dict[str, Any]:
        """Return the arguments as data that Keras can save."""
        schedule = keras.optimizers.schedules.serialize(self.schedule)
        return {"schedule": schedule, "factor": self.factor}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Build a schedule from what `get_config` returned."""
        schedule = keras.optimizers.schedules.deserialize(config["schedule"])
        return cls(schedule, config["factor"])


def current_rates(model: keras.Model) -> list[float]:
    """Return the present learning rate of each of a model's optimizers."""
    return [float(keras.ops.convert_to_numpy(one.learning_rate)) for one in _optimizers(model)]


def largest_rate(model: keras.Model) -> dict[str, float]:
    """Return the present learning rate for a log; with one optimizer per block, that of the head.

    Args:
        model: A compiled model.

    Returns:
        `{"learning_rate": …}`; nothing of a model that was compiled without an optimizer.
    """
    rates = current_rates(model)
    return {"learning_rate": max(rates)} if rates else {}


def scale_rates(model: keras.Model, rates: list[float], factor: float) -> None:
    """Multiply the learning rates of a model's optimizers, also while it trains.

    Args:
        model: A compiled model.
        rates: The rate of each optimizer before, as `current_rates` gave it.
        factor: What they are multiplied by; of a schedule, every rate is.
    """
    for optimizer, rate in zip(_optimizers(model), rates, strict=True):
        schedule = rate_or_schedule(optimizer)
        if isinstance(schedule, ScaledSchedule):
            optimizer.learning_rate = ScaledSchedule(schedule.schedule, schedule.factor * factor)
        elif isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
            optimizer.learning_rate = ScaledSchedule(schedule, factor)
        else:
            optimizer.learning_rate = rate * factor
    # A schedule is a part of the compiled step, which would keep the old one.
    model.make_train_function(force=True)


def schedule_factors(model: keras.Model) -> list[float]:
    """Return what the schedule of each of a model's optimizers is multiplied by."""
    rates = [rate_or_schedule(optimizer) for optimizer in _optimizers(model)]
    return [rate.factor if isinstance(rate, ScaledSchedule) else 1.0 for rate in rates]


def set_schedule_factors(model: keras.Model, factors: list[float]) -> None:
    """Multiply the schedules of a model's optimizers anew; a plain rate is left alone.

    Args:
        model: A compiled model.
        factors: What `schedule_factors` returned.
    """
    for optimizer, factor in zip(_optimizers(model), factors, strict=True):
        rate = rate_or_schedule(optimizer)
        if isinstance(rate, ScaledSchedule):
            rate = rate.schedule
        if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
            optimizer.learning_rate = rate if factor == 1 else ScaledSchedule(rate, factor)
    model.make_train_function(force=True)


def _optimizers(model: keras.Model) -> list[keras.optimizers.Optimizer]:
    # Loss scaling wraps the whole: Keras allows it around many optimizers, not inside.
    found = [getattr(one, "inner_optimizer", one) for one in optimizers_of(model)]
    return [part for one in found for part in getattr(one, "optimizers", None) or [one]]
