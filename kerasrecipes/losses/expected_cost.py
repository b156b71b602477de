"""What a mistake costs, as a loss."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kerasrecipes.arguments import named
from kerasrecipes.losses.checks import check_targets
from kerasrecipes.losses.costs import checked_costs


@keras.saving.register_keras_serializable(package="kerasrecipes")
@named
class ExpectedCost(keras.losses.Loss):
    """The mean cost of a decision drawn from the softmax, in the unit of the costs.

    With costs of 0 and 1 it is `1 − p` of the true class. Like every loss that is linear in
    the probabilities it hardly moves a model that is wrong and sure, so it suits fine-tuning
    of a model that knows something; often cross entropy with `cheapest_decisions`
    afterwards does as well.

    Args:
        costs: Row by row, what each decision costs if that class is the true one; see
            `cost_matrix`.
        **options: `name`, `reduction` and `dtype` of `keras.losses.Loss`.

    Raises:
        ValueError: If `costs` is no square of finite numbers of at least 0, or charges
            nothing, or, when called, if the logits have another number of classes.

    Example:
        >>> loss = ExpectedCost([[0, 1], [50, 0]])  # a missed crack costs 50 false alarms
        >>> float(loss(np.array([[0.0, 1.0]]), np.zeros((1, 2))))
        25.0

    Reference:
        Elkan, 2001, "The Foundations of Cost-Sensitive Learning", equation 1.
    """

    def __init__(self, costs: Sequence[Sequence[float]], **options: Any):
        super().__init__(**options)
        self.costs = checked_costs(costs).tolist()

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return one loss for each prediction."""
        check_targets(y_true, y_pred, len(self.costs))
        costs = ops.matmul(y_true, ops.convert_to_tensor(self.costs, dtype=y_pred.dtype))
        return ops.sum(costs * ops.softmax(y_pred), axis=-1)

    def get_config(self) -> dict:
        """Return the arguments that make the same loss again."""
        return {**super().get_config(), "costs": self.costs}


LOSSES = {
    "expected_cost": {
        "make": "ExpectedCost",
        "on": "logits",
        "options": ("costs",),
        "needs": ("costs",),
    }
}
