"""One label per photo."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kerasrecipes.data.examples import CLASS, Examples
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.errors import unknown_name
from kerasrecipes.evaluation.classification import evaluate_scores
from kerasrecipes.evaluation.result import Evaluation
from kerasrecipes.evaluation.scores import top_classes
from kerasrecipes.evaluation.task import Answer, Task
from kerasrecipes.heads.head import ClassHead

if TYPE_CHECKING:
    import keras

POOL, LOGITS = "pool", "logits"
SMOOTHING = 0.1
NORM = "head_norm"
NORMS = ("layer", "group")
GROUPS = 32


class Classification(Task):
    """One class for each example, that with the highest score."""

    name: ClassVar[str] = "classification"
    target: ClassVar[str] = CLASS
    quality_name: ClassVar[str] = "accuracy"

    def targets(self, examples: Examples, output: OutputSpec) -> np.ndarray:
        """Return class indices, int64, shape `(n,)`."""
        return examples.labels_among(output.class_names)

    def evaluate(
        self,
        targets: np.ndarray,
        answers: np.ndarray,
        output: OutputSpec,
        *,
        groups: Sequence[str | None] | None = None,
        latency_ms: Sequence[float] | None = None,
        seed: int = 0,
    ) -> Evaluation:
        """Judge class probabilities; see `kerasrecipes.evaluate_scores`."""
        names = output.class_names
        return evaluate_scores(targets, answers, names, latency_ms=latency_ms, seed=seed)

    def read(self, found: Mapping[str, Any]) -> Evaluation:
        """Build an evaluation from what its `to_dict` returned."""
        return Evaluation.from_dict(found)

    def quality(self, targets: np.ndarray, answers: np.ndarray, output: OutputSpec) -> np.ndarray:
        """Return 1 where the class is right, else 0."""
        return self.right(targets, answers, output).astype(np.float64)

    def right(self, targets: np.ndarray, answers: np.ndarray, output: OutputSpec) -> np.ndarray:
        """Tell where the top class is the target."""
        return top_classes(answers) == targets

    def agree(self, reference: np.ndarray, answers: np.ndarray, output: OutputSpec) -> np.ndarray:
        """Tell where the top class is the same."""
        return top_classes(answers) == reference.argmax(axis=1)

    def decode(self, answer: np.ndarray, output: OutputSpec) -> Answer:
        """Name the class with the highest score."""
        scores = [float(score) for score in answer]
        order = sorted(range(len(scores)), key=lambda i: -scores[i])
        named = {output.class_names[i]: scores[i] for i in order}
        return Answer(output.class_names[order[0]], scores[order[0]], named)


CLASSIFICATION = Classification()


@dataclass(frozen=True)
class ClassificationHead(ClassHead):
    """Global pooling, perhaps a normalization, dropout and one dense layer.

    Training works on the logits, which is numerically safer; the finished model ends in
    a softmax, so that whoever runs it reads probabilities.

    Args:
        dropout: Fraction of pooled features that a training step leaves out.
        label_smoothing: How much of each target is spread over the other classes; `None` for
            0.1 if the loss can use it, otherwise 0.
        loss_name: A name of `kerasrecipes.losses.list_losses()`.
        loss_options: Further arguments of the loss.
        norm: How pooled features are normalized; see `pooled`.

    Raises:
        ValueError: If there is no such loss or norm, or the loss cannot use an argument.
    """

    name: ClassVar[str] = "classification"
    task: ClassVar[Task] = CLASSIFICATION
    trains: ClassVar[str] = LOGITS
    dropout: float = 0.2
    label_smoothing: float | None = None
    loss_name: str = "cross_entropy"
    loss_options: dict = field(default_factory=dict)
    norm: str | None = None

    def __post_init__(self) -> None:
        from kerasrecipes.losses import check_loss

        check_norm(self.norm)
        check_loss(self.loss_name, LOGITS, self.label_smoothing or 0.0, **self.loss_options)

    def build(self, features: "keras.KerasTensor", width: int, seed: int) -> "keras.KerasTensor":
        """Append the head to a feature map.

        Args:
            features: Tensor of shape `(batch, height, width, channels)`.
            width: Number of classes.
            seed: Seed of the initial weights and of the dropout masks.

        Returns:
            The softmax scores, shape `(batch, width)`; the layer before them is
            named `"logits"`.
        """
        from keras import initializers, layers

        x = pooled(features, self.dropout, seed, self.norm)
        initializer = initializers.GlorotUniform(seed=seed)
        x = layers.Dense(width, kernel_initializer=initializer, name=LOGITS)(x)
        return layers.Softmax(name="scores")(x)

    def loss(self, class_counts: Sequence[int] | None = None) -> "keras.losses.Loss":
        """Return the loss on logits and one-hot targets.

        Args:
            class_counts: Training photos of each class, for a loss that weighs rarity.
        """
        from kerasrecipes.losses import can_smooth, get_loss

        smoothing = self.label_smoothing
        if smoothing is None:
            smoothing = SMOOTHING if can_smooth(self.loss_name) else 0.0
        return get_loss(
            self.loss_name,
            LOGITS,
            class_counts=class_counts,
            label_smoothing=smoothing,
            **self.loss_options,
        )

    def metrics(self) -> list["keras.metrics.Metric"]:
        """Return the metrics shown while training."""
        from keras import metrics

        return [metrics.CategoricalAccuracy(name="accuracy")]


def check_norm(norm: str | None) -> None:
    """Raise a `ValueError` unless `pooled` knows the norm."""
    if norm is not None and norm not in NORMS:
        raise unknown_name("head norm", norm, NORMS, "the documentation of kerasrecipes.heads")


def pooled(
    features: "keras.KerasTensor", dropout: float, seed: int, norm: str | None = None
) -> "keras.KerasTensor":
    """Pool a feature map by average and by maximum, with dropout.

    An average over the photo drowns a small defect, which the maximum finds.

    Args:
        features: Tensor of shape `(batch, height, width, channels)`.
        dropout: Fraction of pooled features that a training step leaves out.
        seed: Seed of the dropout masks.
        norm: `"layer"` to normalize each photo's pooled features together, `"group"` in up to
            32 groups of channels, `None` not at all. Neither looks at other photos, so both
            do the same for any batch size, in training and after it; the statistics of a
            BatchNormalization from two or four photos are mostly noise (Wu & He, 2018, "Group
            Normalization", figure 1). They free the head of the scale of the features.

    Returns:
        Tensor of shape `(batch, 2 * channels)`.
    """
    from keras import layers

    average = layers.GlobalAveragePooling2D(name="average_pool")(features)
    largest = layers.GlobalMaxPooling2D(name="max_pool")(features)
    both = layers.Concatenate(name=POOL)([average, largest])
    if norm == "layer":
        both = layers.LayerNormalization(name=NORM)(both)
    elif norm == "group":
        both = layers.GroupNormalization(math.gcd(both.shape[-1], GROUPS), name=NORM)(both)
    return layers.Dropout(dropout, seed=seed, name="dropout")(both)


HEADS = (ClassificationHead,)
TASKS = (CLASSIFICATION,)
