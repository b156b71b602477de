"""How good is a model that answers with a number?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.evaluation.base import Result, Tile, latency_summary, notes_on_size
from kerasrecipes.evaluation.scores import check_rows, checked_numbers, group_numbers
from kerasrecipes.statistics import resampled
from kerasrecipes.statistics.bootstrap import bootstrap_estimates
from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.statistics.intervals import ANYWHERE, SIZE
from kerasrecipes.statistics.tables import Table


@dataclass(frozen=True)
class RegressionEvaluation(Result):
    """The result of a test. Every number has a 95 % interval; undefined ones are NaN.

    An error is answer − truth.

    Args:
        mean_absolute_error: Mean size of the errors.
        baseline: What it would be if the answer were always the mean of these targets.
        root_mean_squared_error: Square root of the mean squared error.
        median_absolute_error: What half of the errors are smaller than.
        absolute_error_90: What nine of ten errors are smaller than.
        bias: Mean error; above 0 where answers are too high.
        r_squared: Share of the targets' variance that the answers explain: 1 if they are right,
            0 if always the mean is as good, less if it is better.
        rank_correlation: Spearman's correlation of targets and answers.
        unit: Unit of the targets, e.g. `"mm"`; `""` if there is none.
    """

    task: ClassVar[str] = "regression"
    headline_name: ClassVar[str] = "mean absolute error"
    higher_is_better: ClassVar[bool] = False

    mean_absolute_error: Estimate
    baseline: Estimate
    root_mean_squared_error: Estimate
    median_absolute_error: Estimate
    absolute_error_90: Estimate
    bias: Estimate
    r_squared: Estimate
    rank_correlation: Estimate
    unit: str = ""

    @property
    def headline(self) -> Estimate:
        """Mean absolute error, in the unit of the targets."""
        return self.mean_absolute_error

    def summary(self) -> list[str]:
        return [
            f"off by {self._written(self.mean_absolute_error)} on average over {self.n:,} "
            f"examples; always answering their mean: {self._written(self.baseline)}"
        ]

    def tiles(self) -> list[Tile]:
        how = {"form": f".{self._digits}f", "unit": self.unit}
        without = f"always the mean: {self.baseline.value:.{self._digits}f}"
        large = "large errors count more"
        return [
            Tile.of("Mean absolute error", self.mean_absolute_error, without, **how),
            Tile.of("Root mean squared error", self.root_mean_squared_error, large, **how),
            Tile.of("R²", self.r_squared, "1 is perfect, 0 no better than the mean"),
            Tile.of("Bias", self.bias, "mean of answer − truth", **how),
        ]

    def tables(self) -> list[Table]:
        errors = (
            ("mean absolute error", self.mean_absolute_error, "how far off on average"),
            ("of always the mean", self.baseline, "the same, without a model"),
            ("root mean squared error", self.root_mean_squared_error, "large errors count more"),
            ("median absolute error", self.median_absolute_error, "half of the errors are smaller"),
            ("90% quantile of it", self.absolute_error_90, "nine of ten are smaller"),
            ("bias", self.bias, "mean of answer − truth"),
        )
        shares = (
            ("R²", self.r_squared, "1: always right, 0: no better than the mean"),
            ("rank correlation", self.rank_correlation, "Spearman's; 1: all in the right order"),
        )
        rows = [(name, self._written(value), meaning) for name, value, meaning in errors]
        rows += [(name, value.number(), meaning) for name, value, meaning in shares]
        return [Table("Errors", ("number", "value", "meaning"), tuple(rows))]

    def _written(self, estimate: Estimate) -> str:
        """Write a number in the unit, to three digits of the mean absolute error."""
        return f"{estimate.number(self._digits)} {self.unit}".strip()

    @property
    def _digits(self) -> int:
        scale = self.mean_absolute_error.value or self.baseline.value or 1.0
        return min(max(2 - math.floor(math.log10(scale)), 0), 12)


@named
def evaluate_numbers(
    targets: np.ndarray,
    answers: np.ndarray,
    *,
    unit: str = "",
    groups: Sequence[object] | None = None,
    latency_ms: Sequence[float] | None = None,
    seed: int = 0,
) -> RegressionEvaluation:
    """Judge a model by its numbers for examples that it did not train on.

    All intervals are bootstrapped.

    Args:
        targets: True numbers, shape `(n,)`.
        answers: What the model says, shape `(n,)`.
        unit: Unit of both, e.g. `"mm"`.
        groups: What each example belongs to, shape `(n,)`, e.g. the part that it shows; examples
            of one group are then resampled together. `None` for one that stands alone.
        latency_ms: Milliseconds that each prediction took.
        seed: Seed of the resampling.

    Returns:
        The result.

    Raises:
        DataError: If targets and answers are not finite numbers, or do not fit together.

    Example:
        >>> found = evaluate_numbers([1.0, 2.0, 3.0], [1.5, 2.0, 2.5], unit="mm")
        >>> round(found.mean_absolute_error.value, 3), round(found.r_squared.value, 3)
        (0.333, 0.75)
    """
    targets, answers = checked_numbers("targets", targets), checked_numbers("answers", answers)
    check_rows("answers", answers, len(targets), "target")
    places = group_numbers(groups, len(targets))
    measure = partial(_measure, targets, answers)
    lies = [*[SIZE] * 5, ANYWHERE, (-math.inf, 1.0), (-1.0, 1.0)]
    estimates = bootstrap_estimates(measure, len(targets), groups=places, seed=seed, lies=lies)
    mae, baseline, rmse, median, error_90, bias, r_squared, rank_correlation = estimates
    return RegressionEvaluation(
        len(targets),
        mae,
        baseline,
        rmse,
        median,
        error_90,
        bias,
        r_squared,
        rank_correlation,
        unit=unit,
        latency_ms=latency_summary(latency_ms),
        notes=_notes(targets, answers, places, r_squared),
    )


def _measure(targets: np.ndarray, answers: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the numbers of `RegressionEvaluation`, in the order of its fields, as columns."""
    total, errors = counts.sum(axis=1), answers - targets
    size = np.abs(errors)
    # From the first one: equal targets are then 0, and their variance exactly 0.
    centred = targets - targets[0]
    means = counts @ centred / total
    away = centred - means[:, None]
    variance = (counts * away**2).sum(axis=1)
    variance[variance <= 1e-24 * (counts @ centred**2)] = np.nan
    squares = counts @ errors**2
    return np.column_stack(
        [
            counts @ size / total,
            (counts * np.abs(away)).sum(axis=1) / total,
            np.sqrt(squares / total),
            resampled.quantiles(size, counts, 0.5),
            resampled.quantiles(size, counts, 0.9),
            counts @ errors / total,
            1 - squares / variance,
            resampled.rank_correlations(targets, answers, counts),
        ]
    )


def _notes(
    targets: np.ndarray, answers: np.ndarray, places: np.ndarray | None, r_squared: Estimate
) -> tuple[str, ...]:
    notes = notes_on_size(len(targets), RegressionEvaluation.item, places)
    if np.ptp(targets) == 0:
        notes.append("All targets are equal, so R² and the rank correlation are undefined.")
    elif np.ptp(answers) == 0:
        notes.append("All answers are equal, so the rank correlation is undefined.")
    elif not r_squared.low > 0:
        notes.append("It is not shown that this is better than always answering the mean.")
    return tuple(notes)
