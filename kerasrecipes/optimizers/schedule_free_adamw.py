"""AdamW without a schedule: an average of the steps takes the place of a rate that falls."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kerasrecipes.arguments import named
from kerasrecipes.keras_private import averages_of, decays, trained_by
from kerasrecipes.optimizers.fine_tuning_adamw import start_of

OPTIMIZERS = {"schedule_free_adamw": {"make": "AveragedAdamW", "averages": True}}


@keras.saving.register_keras_serializable(package="kerasrecipes")
@named
class AveragedAdamW(keras.optimizers.Optimizer):
    """Schedule-free AdamW whose average is measured, and is what a fit returns.

    While it trains, the weights stand between where the steps lead and their average. The average
    is the moving average that Keras's `SwapEMAWeights` puts in place for validation, and that
    `fit` ends with. (`keras.optimizers.ScheduleFreeAdamW` measures the weights in between.)

    Args:
        learning_rate: The rate; a schedule should warm up and then stay.
        beta_1: How much nearer the weights are to the average than to where the steps lead.
        beta_2: How slowly the squares of the gradients are forgotten.
        epsilon: What keeps the division by their root from exploding.
        **options: Those of every Keras optimizer. `use_ema` must be on; `ema_momentum` has no use.

    Raises:
        ValueError: If `use_ema` is off, or `beta_1` not between 0 and 1.

    Example:
        >>> AveragedAdamW(1e-3).beta_1
        0.9

    Reference:
        Defazio et al., 2024, "The Road Less Scheduled", arXiv 2405.15682, algorithm 1: steps count
        in the average by the square of their rate.
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 1e-3,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        **options: Any,
    ):
        options.setdefault("name", "schedule_free_adamw")
        options.setdefault("use_ema", True)
        # Keras's own averaging then leaves the average to the steps.
        super().__init__(learning_rate, **{**options, "ema_momentum": 1.0})
        if not self.use_ema:
            raise ValueError(
                "AveragedAdamW answers with its average, which `use_ema=False` would lose. "
                "Leave it out, and pass keras.callbacks.SwapEMAWeights() to `fit`."
            )
        if not 0 < beta_1 < 1:
            raise ValueError(f"`beta_1` must be between 0 and 1, not {beta_1!r}.")
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def build(self, variables: list[keras.Variable]) -> None:
        """Make the slots; where the steps lead begins at the weights.

        Args:
            variables: The weights to train.
        """
        if self.built:
            return
        super().build(variables)
        self._rates = self.add_variable(shape=(), name="sum_of_squared_rates")
        self._leads = [
            self.add_variable_from_reference(one, "lead", start_of(one)) for one in variables
        ]
        self._squares = self.add_optimizer_variables(variables, "square")

    def begin_anew(self) -> None:
        """Go on from the weights as they now are, with an average of these alone."""
        self._rates.assign(0.0)
        for one, lead, average in zip(
            trained_by(self), self._leads, averages_of(self), strict=True
        ):
            # Copies: with JAX, they would hold one array, which a step may use up once.
            value = ops.convert_to_numpy(one)
            lead.assign(value.copy())
            average.assign(value.copy())

    def apply(self, grads: Sequence[keras.KerasTensor], trainable_variables: Any = None) -> None:
        """Take one step; Keras calls it.

        Args:
            grads: The gradients.
            trainable_variables: Their weights.
        """
        if not self.built and trainable_variables is not None:
            self.build(list(trainable_variables))
        rate = ops.cast(self.learning_rate, self._rates.dtype)
        each = self.gradient_accumulation_steps or 1
        counts = ops.equal((self._iterations + 1) % each, 0)
        self._rates.assign_add(ops.square(rate) * ops.cast(counts, self._rates.dtype))
        super().apply(grads, trainable_variables)

    def update_step(
        self,
        gradient: keras.KerasTensor,
        variable: keras.Variable,
        learning_rate: keras.KerasTensor,
    ) -> None:
        """Change one weight; Keras calls it.

        Args:
            gradient: Its gradient.
            variable: The weight.
            learning_rate: The rate of this step.
        """
        index = self._get_variable_index(variable)
        lead, square = self._leads[index], self._squares[index]
        average = averages_of(self)[index]
        rate = ops.cast(learning_rate, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype)
        step = ops.cast(self.iterations + 1, variable.dtype)
        self.assign_add(square, (ops.square(gradient) - square) * (1 - self.beta_2))
        unbiased = square / (1 - ops.power(ops.cast(self.beta_2, variable.dtype), step))
        direction = gradient / (ops.sqrt(unbiased) + self.epsilon)
        if self.weight_decay and decays(self, variable):
            direction = direction + self.weight_decay * variable
        self.assign_sub(lead, rate * direction)
        share = ops.square(rate) / ops.maximum(ops.cast(self._rates, variable.dtype), 1e-30)
        self.assign_add(average, (lead - average) * share)
        # What Keras has taken off the weight for decay is put in anew: `direction` has it.
        self.assign(variable, lead + (average - lead) * self.beta_1)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments as data that Keras can save."""
        own = {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}
        return {**super().get_config(), **own}
