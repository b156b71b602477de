"""One label per photo, of classes that have an order."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Unpack

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.data.examples import CLASS, Examples
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.errors import DataError, listed
from kerasrecipes.evaluation.base import Result
from kerasrecipes.evaluation.ordinal import OrdinalEvaluation, evaluate_order
from kerasrecipes.evaluation.scores import median_classes
from kerasrecipes.evaluation.task import Answer, Conditions, Task
from kerasrecipes.heads.head import ClassHead
from kerasrecipes.heads.pooled import SmoothedHead
from kerasrecipes.losses import BINARY
from kerasrecipes.statistics.resampled import log_losses

if TYPE_CHECKING:
    import keras

    from kerasrecipes.heads.head import Features

RANK, STEPS = "rank", "steps"


class Ordinal(Task):
    """One class for each example, of classes in an order: the median of their probabilities.

    It is off by fewer classes on average than the class of the highest score, which, as long as
    the model is unsure, is often the first or the last one: these alone reach to infinity.
    """

    name: ClassVar[str] = "ordinal"
    target: ClassVar[str] = CLASS
    result: ClassVar[type[Result]] = OrdinalEvaluation
    quality_name: ClassVar[str] = "mean absolute error"
    cost_name: ClassVar[str | None] = "log-loss"
    is_error: ClassVar[bool] = True

    def targets(self, examples: Examples, output: OutputSpec) -> np.ndarray:
        """Return class indices in the order, int64, shape `(n,)`."""
        self.check_target(examples)
        return examples.labels_among(output.class_names)

    def evaluate(
        self,
        targets: np.ndarray,
        answers: np.ndarray,
        output: OutputSpec,
        **conditions: Unpack[Conditions],
    ) -> OrdinalEvaluation:
        """Judge class probabilities; see `kerasrecipes.evaluation.evaluate_order`."""
        return evaluate_order(targets, answers, output.class_names, **conditions)

    def quality(self, targets: np.ndarray, answers: np.ndarray, output: OutputSpec) -> np.ndarray:
        """Return by how many classes each answer is off, with a minus."""
        said = median_classes(answers)
        return -np.where(said < 0, len(output.class_names) - 1.0, np.abs(said - targets))

    def cost(self, targets: np.ndarray, answers: np.ndarray, output: OutputSpec) -> np.ndarray:
        """Return the log-loss."""
        return log_losses(targets, answers)

    def right(self, targets: np.ndarray, answers: np.ndarray, output: OutputSpec) -> np.ndarray:
        """Tell where the median class is the target."""
        return median_classes(answers) == targets

    def agree(self, reference: np.ndarray, answers: np.ndarray, output: OutputSpec) -> np.ndarray:
        """Tell where the median class is the same."""
        said = median_classes(answers)
        return (said >= 0) & (said == median_classes(reference))

    def decode(self, answer: np.ndarray, output: OutputSpec) -> Answer:
        """Name the median class."""
        scores = [float(score) for score in answer]
        said = int(median_classes(np.asarray(answer)[None])[0])
        order = sorted(range(len(scores)), key=lambda i: -scores[i])
        named = {output.class_names[i]: scores[i] for i in order}
        return Answer(output.class_names[said], scores[said], named)

    def unit(self, output: OutputSpec) -> str:
        """Return what errors are counted in: classes."""
        return "classes"

    def in_words(self, quality: float, output: OutputSpec) -> str:
        """Write by how many classes answers are off on average."""
        return f"{self.shown(quality):.2f} {self.unit(output)}"


ORDINAL = Ordinal()


@named
@dataclass(frozen=True, kw_only=True)
class OrdinalHead(ClassHead, SmoothedHead):
    """Global pooling, one direction that all classes share, and a step between any two of them.

    Each step asks whether a photo is of a higher class. All look at the same number and differ
    in where they lie on it, so that they cannot contradict each other (CORAL). The finished
    model answers with a probability for each class, like any classifier; their median is what
    it says.

    Args:
        loss_name: A name of `kerasrecipes.list_losses("binary")`.

    Reference:
        Cao et al., 2020, "Rank consistent ordinal regression for neural networks with application
        to age estimation", equations 4 and 5.
    """

    name: ClassVar[str] = "ordinal"
    task: ClassVar[Task] = ORDINAL
    trains: ClassVar[str] = STEPS
    predictions: ClassVar[str] = BINARY
    softened: ClassVar[str | None] = "sigmoid"
    loss_name: str = "binary_cross_entropy"

    def build(self, features: "Features", width: int, seed: int) -> "keras.KerasTensor":
        """Append the head; its answers are a probability for each class."""
        from keras import constraints, layers

        x = self.projected(features, 1, seed, use_bias=False, name=RANK)
        # Every step sees the rank as it is: weights of one number and length 1 stay 1.
        steps = layers.Dense(
            width - 1,
            kernel_initializer="ones",
            kernel_constraint=constraints.UnitNorm(axis=0),
            name=STEPS,
        )
        x = steps(x)
        # Where all classes are as likely.
        above = 1 - np.arange(1, width) / width
        steps.bias.assign(np.log(above / (1 - above)))
        return class_probabilities(x, width, self.output_name)

    def loss(self, class_counts: Sequence[int] | None = None) -> "keras.losses.Loss":
        """Return the loss on the logits of the steps, and on targets of zeros and ones.

        Args:
            class_counts: Training photos of each class; only their number counts.
        """
        return super().loss(None if class_counts is None else class_counts[1:])

    def metrics(self) -> list["keras.metrics.Metric"]:
        """Return the metrics shown while training: by how many classes answers are off."""
        from keras import metrics, ops

        def classes_off(
            y_true: "keras.KerasTensor", y_pred: "keras.KerasTensor"
        ) -> "keras.KerasTensor":
            above = ops.sum(ops.cast(y_pred > 0, y_true.dtype), axis=-1)
            return ops.abs(above - ops.sum(y_true, axis=-1))

        return [metrics.MeanMetricWrapper(classes_off, name="mean_absolute_error")]

    def targets(self, examples: Examples) -> np.ndarray:
        """Return 1 for each step that the class lies above, float32, shape `(n, classes − 1)`."""
        names = ordered_classes(examples)
        labels = examples.labels_among(names)
        return (labels[:, None] > np.arange(len(names) - 1)).astype(np.float32)

    def output(self, examples: Examples) -> OutputSpec:
        """Describe the answers of a model that learns from these examples."""
        names = ordered_classes(examples)
        return OutputSpec(name=self.output_name, task=self.task.name, class_names=names)

    def check(self, examples: Examples) -> None:
        """Refuse examples of classes whose order nobody said.

        Raises:
            DataError: If they are, or are labelled in another way.
        """
        super().check(examples)
        ordered_classes(examples)


def ordered_classes(examples: Examples) -> tuple[str, ...]:
    """Return classes in their order: as it was given, or by the numbers that names begin with.

    Args:
        examples: Examples of one class each.

    Raises:
        DataError: If it was not given, and not all names begin with different numbers.
    """
    names = examples.class_names
    if examples.ordered:
        return names
    found = [re.match(r"\s*[-+]?\d+(\.\d+)?", name) for name in names]
    numbers = [float(one[0]) for one in found if one]
    if len(set(numbers)) < len(names):
        raise DataError(
            f"Nobody said the order of the classes {listed(names)}, which `head='ordinal'` needs. "
            "Begin their names with numbers, e.g. '0_new', '1_worn', or pass them in their order: "
            "scan_photos(…, classes=('new', 'worn'))."
        )
    return tuple(name for _, name in sorted(zip(numbers, names, strict=True)))


def class_probabilities(steps: "keras.KerasTensor", width: int, name: str) -> "keras.KerasTensor":
    """Turn the logits of steps into probabilities of classes.

    Args:
        steps: Logits of lying above each class but the last, shape `(batch, width - 1)`.
        width: Number of classes.
        name: Name of the last layer.

    Returns:
        Tensor of shape `(batch, width)`, at least 0 and with sum 1, whatever the logits.
    """
    from keras import layers

    x = layers.Activation("sigmoid", name="above", dtype="float32")(steps)
    x = layers.Reshape((width - 1, 1), name="above_each", dtype="float32")(x)
    if width > 2:
        # To lie above a class is at least as likely as to lie above any later one.
        x = layers.ZeroPadding1D((0, width - 2), name="above_padded", dtype="float32")(x)
        x = layers.MaxPooling1D(width - 1, 1, name="above_ordered", dtype="float32")(x)
    from_lower = layers.ZeroPadding1D((1, 0), name="from_lower", dtype="float32")(x)
    to_higher = layers.ZeroPadding1D((0, 1), name="to_higher", dtype="float32")(x)
    x = layers.Subtract(name="class_shares", dtype="float32")([from_lower, to_higher])
    x = layers.Flatten(name="class_shares_flat", dtype="float32")(x)
    # To lie above nothing is certain: that 1 is still missing in the first class.
    first = [1.0] + [0.0] * (width - 1)
    x = layers.Rescaling(1.0, first, name="class_shares_whole", dtype="float32")(x)
    # A file in 8 bits may be a step below 0.
    return layers.ReLU(name=name, dtype="float32")(x)


HEADS = (OrdinalHead,)
TASKS = (ORDINAL,)
