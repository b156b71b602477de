"""A number per photo."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Unpack

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.data.batches import numbers
from kerasrecipes.data.examples import NUMBER, Examples
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.errors import DataError, listed
from kerasrecipes.evaluation.base import Result
from kerasrecipes.evaluation.regression import RegressionEvaluation, evaluate_numbers
from kerasrecipes.evaluation.task import Answer, Conditions, Task
from kerasrecipes.heads.pooled import PooledHead
from kerasrecipes.losses import NUMBERS

if TYPE_CHECKING:
    import keras

    from kerasrecipes.heads.head import Features

STANDARD, VALUE = "standard_value", "value"
# Answers agree that differ by at most this share of how far answers spread: an int8 file, which
# has 256 steps for all of them, differs by about half as much.
ALIKE = 0.05


class Regression(Task):
    """One number for each example."""

    name: ClassVar[str] = "regression"
    target: ClassVar[str] = NUMBER
    result: ClassVar[type[Result]] = RegressionEvaluation
    quality_name: ClassVar[str] = "mean absolute error"
    is_error: ClassVar[bool] = True

    def targets(self, examples: Examples, output: OutputSpec) -> np.ndarray:
        """Return the numbers, float64, shape `(n,)`."""
        self.check_target(examples)
        return numbers(examples)

    def evaluate(
        self,
        targets: np.ndarray,
        answers: np.ndarray,
        output: OutputSpec,
        **conditions: Unpack[Conditions],
    ) -> RegressionEvaluation:
        """Judge numbers; see `kerasrecipes.evaluation.evaluate_numbers`."""
        return evaluate_numbers(targets, answers[:, 0], unit=output.unit, **conditions)

    def quality(self, targets: np.ndarray, answers: np.ndarray, output: OutputSpec) -> np.ndarray:
        """Return by how much each answer is off, with a minus."""
        errors = np.abs(answers[:, 0].astype(np.float64) - targets)
        return -np.where(np.isnan(errors), np.inf, errors)

    def agree(self, reference: np.ndarray, answers: np.ndarray, output: OutputSpec) -> np.ndarray:
        """Tell where the numbers differ by little, beside how far the reference spreads."""
        apart = np.abs(answers[:, 0].astype(np.float64) - reference[:, 0])
        return apart <= ALIKE * self.gap_unit(reference)

    def gap_unit(self, reference: np.ndarray) -> float:
        """Return how far the numbers spread; where all are alike, hardly anything."""
        size = float(np.abs(reference).max(initial=0.0))
        return max(float(reference.std()), 1e-6 * size / ALIKE) or 1.0

    def decode(self, answer: np.ndarray, output: OutputSpec) -> Answer:
        """Return the number as the score."""
        return Answer("", float(answer[0]), {})

    def in_words(self, quality: float, output: OutputSpec) -> str:
        """Write a mean absolute error, in the unit."""
        return f"{self.shown(quality):.3g} {output.unit}".strip()


REGRESSION = Regression()


@named
@dataclass(frozen=True, kw_only=True)
class RegressionHead(PooledHead):
    """Global pooling and one linear unit, whose answer is in the unit of the data.

    Training works on numbers with mean 0 and spread 1, whatever the unit, so that learning rates
    and losses mean the same for all data; a last layer scales them back.

    Args:
        loss_name: A name of `kerasrecipes.list_losses("numbers")`. It sees errors in spreads of
            the training numbers, and so does an option like `{"delta": 0.5}` of `"huber"`.
        unit: Unit of the numbers, e.g. `"mm"`, for reports and files.
        mean: Mean of the training numbers, which `suited` finds.
        spread: Their standard deviation, which `suited` finds.

    Raises:
        ValueError: If there is no such loss or norm, or the loss lacks an option.
    """

    name: ClassVar[str] = "regression"
    task: ClassVar[Task] = REGRESSION
    trains: ClassVar[str] = STANDARD
    output_name: ClassVar[str] = VALUE
    predictions: ClassVar[str] = NUMBERS
    softened: ClassVar[str | None] = "number"
    loss_name: str = "mean_squared_error"
    unit: str = ""
    mean: float = 0.0
    spread: float = 1.0

    def suited(self, examples: Examples, model: "keras.Model | None" = None) -> "RegressionHead":
        """Return the head with the mean and the spread of these numbers, or those of a model.

        Args:
            examples: What is trained on.
            model: A model with this head that is trained on; `None` for a new one.
        """
        if model is not None:
            layer = model.get_layer(VALUE)
            return replace(self, mean=float(layer.offset), spread=float(layer.scale))
        values = numbers(examples)
        return replace(self, mean=float(values.mean()), spread=float(values.std()))

    def build(self, features: "Features", width: int, seed: int) -> "keras.KerasTensor":
        """Append the head; its answer is a number in the unit of the data."""
        from keras import layers

        x = self.projected(features, width, seed, name=STANDARD)
        # Half precision has too few digits for numbers like 4000.5.
        return layers.Rescaling(self.spread, self.mean, name=VALUE, dtype="float32")(x)

    def metrics(self) -> list["keras.metrics.Metric"]:
        """Return the metrics shown while training: the mean absolute error in the unit."""
        from keras import metrics, ops

        def size(y_true: "keras.KerasTensor", y_pred: "keras.KerasTensor") -> "keras.KerasTensor":
            return self.spread * ops.abs(y_true - y_pred)

        return [metrics.MeanMetricWrapper(size, name="mean_absolute_error")]

    def targets(self, examples: Examples) -> np.ndarray:
        """Return the numbers, less the mean and in spreads, float32, shape `(n, 1)`."""
        return self.taught(numbers(examples)[:, None]).astype(np.float32)

    def taught(self, answers: np.ndarray) -> np.ndarray:
        """Return numbers, less the mean and in spreads."""
        return (answers - self.mean) / self.spread

    def output(self, examples: Examples) -> OutputSpec:
        """Describe the answers of a model that learns from these examples."""
        return OutputSpec(name=VALUE, task=self.task.name, unit=self.unit)

    def check(self, examples: Examples) -> None:
        """Refuse examples without a number, or with one that is not finite.

        Raises:
            DataError: If there are such.
        """
        super().check(examples)
        broken = [one.name for one in examples.items if not np.isfinite(one.label)]
        if broken:
            raise DataError(
                f"{len(broken)} {examples.noun[1]} have no finite number: {listed(broken)}. "
                "Correct them or leave them out."
            )


HEADS = (RegressionHead,)
TASKS = (REGRESSION,)
