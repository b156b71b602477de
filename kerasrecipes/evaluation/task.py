"""What a task is: how answers are read, judged and compared. Without keras."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypedDict, Unpack

import numpy as np

from kerasrecipes.data.examples import Examples
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.errors import DataError
from kerasrecipes.evaluation.base import Result
from kerasrecipes.statistics.estimate import Estimate


@dataclass(frozen=True)
class Answer:
    """The answer to one example, in words.

    Args:
        label: The class, or the labels joined by a comma; empty where it is a number.
        score: The score of the class, 0…1; of several labels the lowest; or the number.
        scores: Every class to its score, highest first; empty where it is a number.
        labels: The labels that were given, where there may be several; else `None`.
        abstained: Whether the answer is left to a person, where that can be; else `None`. There
            is no label then.
    """

    label: str
    score: float
    scores: Mapping[str, float]
    labels: tuple[str, ...] | None = None
    abstained: bool | None = None


class Conditions(TypedDict, total=False):
    """What may be known of a test, besides its targets and answers.

    Args:
        groups: The part that each example belongs to; intervals then go by parts.
        latency_ms: Milliseconds that each answer took.
        seed: Seed of the resampling.
    """

    groups: Sequence[str | None] | None
    latency_ms: Sequence[float] | None
    seed: int


class Task(ABC):
    """One kind of question. Arrays of answers have one row per example.

    Answers are what a file gives under the name of the output, float32 `(n, width)`; targets are
    what they are compared with, as `targets` returns them.
    """

    name: ClassVar[str]
    # What examples must be labelled with: "class", "labels" or "number".
    target: ClassVar[str]
    # What `evaluate` returns.
    result: ClassVar[type[Result]]
    # What the mean of `quality` is called, e.g. "accuracy".
    quality_name: ClassVar[str]
    # Whether that is an error, which `quality` has with a minus, and people read without.
    is_error: ClassVar[bool] = False

    @abstractmethod
    def targets(self, examples: Examples, output: OutputSpec) -> np.ndarray:
        """Return what the answers to labelled examples should be, one row or number each.

        Raises:
            DataError: If they are labelled in another way, or with classes that are unknown.
        """

    @abstractmethod
    def evaluate(
        self,
        targets: np.ndarray,
        answers: np.ndarray,
        output: OutputSpec,
        **conditions: Unpack[Conditions],
    ) -> Result:
        """Judge answers, with intervals.

        Args:
            targets: What they should be.
            answers: What the model said.
            output: Names of the columns, and what else is known of them.
            **conditions: What else is known of the test; see `Conditions`.

        Raises:
            DataError: If the arrays do not fit together, or hold NaN.
        """

    def read(self, found: Mapping[str, Any]) -> Result:
        """Build an evaluation from what its `to_dict` returned.

        Raises:
            DataError: If a part is missing.
        """
        return self.result.from_dict(found)

    @abstractmethod
    def quality(self, targets: np.ndarray, answers: np.ndarray, output: OutputSpec) -> np.ndarray:
        """Return how good each answer is, higher is better; its mean compares models.

        Returns:
            float64, shape `(n,)`; an answer of NaN counts as bad as one can be.
        """

    # What `cost` is called; `None` where it is `quality` with its sign turned.
    cost_name: ClassVar[str | None] = None

    def cost(self, targets: np.ndarray, answers: np.ndarray, output: OutputSpec) -> np.ndarray:
        """Return what each answer costs, lower is better, by which like models are told apart.

        Returns:
            float64, shape `(n,)`.
        """
        return -self.quality(targets, answers, output)

    @abstractmethod
    def agree(self, reference: np.ndarray, answers: np.ndarray, output: OutputSpec) -> np.ndarray:
        """Tell where two models decide alike.

        Returns:
            bool, shape `(n,)`; never for an answer of NaN.
        """

    @abstractmethod
    def decode(self, answer: np.ndarray, output: OutputSpec) -> Answer:
        """Put the answer to one example into words.

        Args:
            answer: One row.
            output: Names of the columns.
        """

    def decided(self, output: OutputSpec, targets: np.ndarray, answers: np.ndarray) -> OutputSpec:
        """Choose by validation examples from where on an answer counts, if the task has such.

        Args:
            output: What is known of the answers so far.
            targets: What they should be.
            answers: What the model said.

        Returns:
            What is known of them then.
        """
        return output

    def shown(self, quality: float) -> float:
        """Return a mean of `quality` as the number that people read: of an error, its size."""
        return -quality if self.is_error else quality

    def shown_estimate(self, quality: Estimate) -> Estimate:
        """Return an estimate of the mean of `quality` as people read it."""
        low, high = sorted(self.shown(end) for end in (quality.low, quality.high))
        return Estimate(self.shown(quality.value), low, high)

    def unit(self, output: OutputSpec) -> str:
        """Return the unit of that number, e.g. `"mm"`; `""` where it is a share."""
        return output.unit

    def in_words(self, quality: float, output: OutputSpec) -> str:
        """Write a mean of `quality` as people read it, e.g. `"95.0%"` or `"0.21 mm"`."""
        return f"{self.shown(quality):.1%}"

    def estimate_in_words(self, quality: Estimate, output: OutputSpec) -> str:
        """Write an estimate of the mean of `quality` as people read it, with its interval."""
        if self.quality_name.endswith("accuracy"):
            return quality.percent(1)
        shown, mean = self.shown_estimate(quality), self.in_words(quality.value, output)
        if math.isnan(shown.low):
            return mean
        return f"{mean} [{shown.low:.3g}, {shown.high:.3g}]"

    def check_target(self, examples: Examples) -> None:
        """Refuse examples that say something else than what is answered.

        Raises:
            DataError: If they do.
        """
        if examples.target != self.target:
            noun = examples.noun[1]
            raise DataError(
                f"The model answers with {_SAID[self.target]}, and these {noun} have "
                f"{_SAID[examples.target]}. Pass {noun} with what it should answer."
            )

    def right(
        self, targets: np.ndarray, answers: np.ndarray, output: OutputSpec
    ) -> np.ndarray | None:
        """Tell where the class is right, if examples have one each.

        Args:
            targets: What they should be.
            answers: What the model said.
            output: Names of the columns.

        Returns:
            bool, shape `(n,)`, never for an answer of NaN; `None` for other tasks.
        """
        return None

    def classes(self, answers: np.ndarray, output: OutputSpec) -> np.ndarray | None:
        """Return the class that is answered, by the rule for that if there is one.

        Returns:
            int64 `(n,)`, −1 where it is left to a person; `None` where there is not one class.
        """
        return None

    def given(self, answers: np.ndarray, output: OutputSpec) -> np.ndarray | None:
        """Tell which labels are given, if examples may have several.

        Returns:
            bool, shape `(n, labels)`; `None` for other tasks.
        """
        return None

    def gap_unit(self, reference: np.ndarray) -> float:
        """Return what a gap between two answers is measured by.

        Args:
            reference: The answers of the original model.

        Returns:
            1.0 for scores; for numbers, whose unit may be any, how far these spread.
        """
        return 1.0


_SAID = {"class": "one class each", "labels": "several labels each", "number": "a number each"}
