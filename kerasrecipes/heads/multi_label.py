"""Any number of labels per photo."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kerasrecipes.data.batches import multi_hot
from kerasrecipes.data.examples import LABELS, Examples
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.evaluation.multi_label import (
    DEFAULT_THRESHOLD,
    MultiLabelEvaluation,
    best_thresholds,
    evaluate_labels,
)
from kerasrecipes.evaluation.task import Answer, Task
from kerasrecipes.heads.classification import check_norm, pooled
from kerasrecipes.heads.head import Head

if TYPE_CHECKING:
    import keras

LABEL_LOGITS = "label_logits"


class MultiLabel(Task):
    """Whether each label applies: those do whose score reaches their threshold."""

    name: ClassVar[str] = "multi_label"
    target: ClassVar[str] = LABELS
    quality_name: ClassVar[str] = "label accuracy"

    def targets(self, examples: Examples, output: OutputSpec) -> np.ndarray:
        """Return zeros and ones, float32, shape `(n, labels)`."""
        self.check_target(examples)
        examples.check_known(output.class_names)
        return multi_hot(examples, output.class_names)

    def evaluate(
        self,
        targets: np.ndarray,
        answers: np.ndarray,
        output: OutputSpec,
        *,
        groups: Sequence[str | None] | None = None,
        latency_ms: Sequence[float] | None = None,
        seed: int = 0,
    ) -> MultiLabelEvaluation:
        """Judge the scores of labels; see `kerasrecipes.evaluation.evaluate_labels`."""
        return evaluate_labels(
            targets,
            answers,
            output.class_names,
            thresholds=_thresholds(output),
            groups=groups,
            latency_ms=latency_ms,
            seed=seed,
        )

    def read(self, found: Mapping[str, Any]) -> MultiLabelEvaluation:
        """Build an evaluation from what its `to_dict` returned."""
        return MultiLabelEvaluation.from_dict(found)

    def quality(self, targets: np.ndarray, answers: np.ndarray, output: OutputSpec) -> np.ndarray:
        """Return the share of labels that are right."""
        right = (answers >= _thresholds(output)) == (targets > 0.5)
        return np.where(np.isfinite(answers), right, False).mean(axis=1)

    def agree(self, reference: np.ndarray, answers: np.ndarray, output: OutputSpec) -> np.ndarray:
        """Tell where all labels are the same."""
        limits = _thresholds(output)
        same = (reference >= limits) == (answers >= limits)
        return (same & np.isfinite(answers)).all(axis=1)

    def decode(self, answer: np.ndarray, output: OutputSpec) -> Answer:
        """Name the labels whose score reaches their threshold, highest first."""
        scores = [float(score) for score in answer]
        order = sorted(range(len(scores)), key=lambda i: -scores[i])
        limits = _thresholds(output)
        given = [i for i in order if scores[i] >= limits[i]]
        labels = tuple(output.class_names[i] for i in given)
        named = {output.class_names[i]: scores[i] for i in order}
        lowest = min((scores[i] for i in given), default=0.0)
        return Answer(", ".join(labels), lowest, named, labels)

    def decided(self, output: OutputSpec, targets: np.ndarray, answers: np.ndarray) -> OutputSpec:
        """Give each label the threshold with the best F1 on validation examples."""
        chosen = tuple(float(limit) for limit in best_thresholds(targets, answers))
        return output.model_copy(update={"thresholds": chosen})


def _thresholds(output: OutputSpec) -> np.ndarray:
    return np.array(output.thresholds or [DEFAULT_THRESHOLD] * len(output.class_names))


MULTI_LABEL = MultiLabel()


@dataclass(frozen=True, kw_only=True)
class MultiLabelHead(Head):
    """Global pooling and one yes-or-no question for each label.

    Training works on the logits; the finished model ends in a sigmoid, so that whoever runs it
    reads how likely each label is.

    Args:
        dropout: Fraction of pooled features that a training step leaves out.
        label_smoothing: How much of each target is moved to the middle.
        loss_name: A name of `kerasrecipes.list_losses("binary")`.
        loss_options: Further arguments of the loss, e.g. `{"positive_weights": [3.0, 1.0]}`, one
            for each label, by the alphabet.
        norm: How pooled features are normalized; see `pooled`.

    Raises:
        ValueError: If there is no such loss or norm, or the loss cannot use an argument.
    """

    name: ClassVar[str] = "multi_label"
    task: ClassVar[Task] = MULTI_LABEL
    trains: ClassVar[str] = LABEL_LOGITS
    dropout: float = 0.2
    label_smoothing: float = 0.0
    loss_name: str = "binary_cross_entropy"
    loss_options: dict = field(default_factory=dict)
    norm: str | None = None

    def __post_init__(self) -> None:
        from kerasrecipes.losses import BINARY, check_loss

        check_norm(self.norm)
        check_loss(self.loss_name, BINARY, self.label_smoothing, **self.loss_options)

    def build(self, features: "keras.KerasTensor", width: int, seed: int) -> "keras.KerasTensor":
        """Append the head to a feature map.

        Args:
            features: Tensor of shape `(batch, height, width, channels)`.
            width: Number of labels.
            seed: Seed of the initial weights and of the dropout masks.

        Returns:
            The scores, each 0…1, shape `(batch, width)`.
        """
        from keras import initializers, layers

        x = pooled(features, self.dropout, seed, self.norm)
        initializer = initializers.GlorotUniform(seed=seed)
        x = layers.Dense(width, kernel_initializer=initializer, name=LABEL_LOGITS)(x)
        return layers.Activation("sigmoid", name=self.output_name)(x)

    def loss(self, class_counts: Sequence[int] | None = None) -> "keras.losses.Loss":
        """Return the loss on logits and targets of zeros and ones.

        Args:
            class_counts: Training photos of each label.
        """
        from kerasrecipes.losses import BINARY, get_loss

        return get_loss(
            self.loss_name,
            BINARY,
            class_counts=class_counts,
            label_smoothing=self.label_smoothing,
            **self.loss_options,
        )

    def metrics(self) -> list["keras.metrics.Metric"]:
        """Return the metrics shown while training: the share of labels right from 0.5 on."""
        from keras import metrics

        return [metrics.BinaryAccuracy(name="label_accuracy", threshold=0.0)]

    def targets(self, examples: Examples) -> np.ndarray:
        """Return zeros and ones, float32, shape `(n, labels)`."""
        return multi_hot(examples)


HEADS = (MultiLabelHead,)
TASKS = (MULTI_LABEL,)
