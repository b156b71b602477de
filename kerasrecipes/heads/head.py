"""What every head has: layers, a loss, metrics, targets, and the task that it learns."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Self, TypeAlias

import numpy as np

from kerasrecipes.data.batches import one_hot
from kerasrecipes.data.examples import Examples
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.errors import DataError
from kerasrecipes.evaluation.task import Task

if TYPE_CHECKING:
    import keras

    # One depth of a backbone, or several, the last one last.
    Features: TypeAlias = keras.KerasTensor | list[keras.KerasTensor]

# How people get what a head wants to learn from.
SOURCES = {
    "class": "one class each: a folder per class, or a table with a column label",
    "labels": "several labels each: a table with a column labels, e.g. 'scratch|dent', or one "
    "column of 0 and 1 per label",
    "number": "a number each: a table with a column value",
}


class Head(ABC):
    """What stands between pooled features and answers, and how it is trained.

    A head is a frozen dataclass; its fields are what a recipe may choose, `loss_name` among them.

    Args:
        loss_name: A name of `kerasrecipes.losses.list_losses()`.
    """

    name: ClassVar[str]
    # Layer whose output the loss is computed on; the finished model may go on behind it.
    trains: ClassVar[str]
    task: ClassVar[Task]
    output_name: ClassVar[str] = "scores"
    # Whether `finish` has something to do.
    finishes: ClassVar[bool] = False
    # What a teacher passes on of such answers; see `training.distillation.SOFTENED`. `None` if
    # nothing but labels can teach them.
    softened: ClassVar[str | None] = None

    loss_name: str

    @abstractmethod
    def build(self, features: "Features", width: int, seed: int) -> "keras.KerasTensor":
        """Append the head to a feature map.

        Args:
            features: Tensor of shape `(batch, height, width, channels)`; or, of a recipe that has
                `depths`, a list of such, the last depth last.
            width: How many numbers an answer has, e.g. the number of classes.
            seed: Seed of the initial weights and of the dropout masks.

        Returns:
            The answers, shape `(batch, width)`, of the layer `output_name`.
        """

    @abstractmethod
    def loss(self, class_counts: Sequence[int] | None = None) -> "keras.losses.Loss":
        """Return the loss on the output of the layer `trains` and on `targets`.

        Args:
            class_counts: Training examples of each class, for a loss that weighs rarity.
        """

    @abstractmethod
    def metrics(self) -> list["keras.metrics.Metric"]:
        """Return the metrics shown while training."""

    @abstractmethod
    def targets(self, examples: Examples) -> np.ndarray:
        """Return what the loss compares with, float32, one row per example."""

    def weights(self, examples: Examples, wish: str | None) -> np.ndarray:
        """Return how much each example counts in training, float32, shape `(n,)`.

        Args:
            examples: What is trained on.
            wish: A recipe's `class_weights`.

        Raises:
            ValueError: If the wish would have no effect.
        """
        if wish not in {None, "auto"}:
            raise ValueError(
                f"`class_weights={wish!r}` would have no effect: the head {self.name!r} learns "
                f"{self.task.target}, not one class each. Leave it out."
            )
        return np.ones(len(examples), np.float32)

    def suited(self, examples: Examples, model: "keras.Model | None" = None) -> Self:
        """Return the head as it learns from these examples, whose scale it may have to know.

        Args:
            examples: What is trained on.
            model: A model with this head that is trained on; `None` for a new one.
        """
        return self

    def taught(self, answers: np.ndarray) -> np.ndarray:
        """Return what a teacher's answers are on the scale of what the head trains."""
        return answers

    def output(self, examples: Examples) -> OutputSpec:
        """Describe the answers of a model that learns from these examples."""
        names = examples.class_names
        return OutputSpec(name=self.output_name, task=self.task.name, class_names=names)

    def finish(  # noqa: B027 (most heads have nothing to finish)
        self, model: "keras.Model", features: np.ndarray, targets: np.ndarray
    ) -> None:
        """Set what is not trained, after the training, if `finishes`.

        Args:
            model: The trained model, changed in place.
            features: Output of its layer `trains` for the training examples.
            targets: Their targets.
        """

    def check(self, examples: Examples) -> None:
        """Refuse examples that say something else than what the head learns.

        Raises:
            DataError: If they are labelled in another way.
        """
        wanted, found = self.task.target, examples.target
        if wanted != found:
            noun = examples.noun[1]
            raise DataError(
                f"`head={self.name!r}` learns from {noun} with {SOURCES[wanted]}. These {noun} "
                f"have {SOURCES[found].partition(':')[0]}. Give other labels, or choose the head "
                f"{HEAD_OF[found]!r}."
            )


# The head that learns what examples are answered with, where nobody named another.
HEAD_OF = {"class": "classification", "labels": "multi_label", "number": "regression"}


class ClassHead(Head):
    """A head that learns one class for each example."""

    softened: ClassVar[str | None] = "softmax"

    def targets(self, examples: Examples) -> np.ndarray:
        """Return one-hot rows, float32, shape `(n, classes)`."""
        return one_hot(examples)

    def weights(self, examples: Examples, wish: str | None) -> np.ndarray:
        """Return the weight of each example's class; see `class_weights`."""
        from kerasrecipes.losses.class_weights import class_weights

        counts = list(examples.counts().values())
        return one_hot(examples) @ class_weights(counts, wish, self.loss_name)
