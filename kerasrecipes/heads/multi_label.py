"""Any number of labels per photo."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Unpack

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.data.batches import multi_hot
from kerasrecipes.data.examples import LABELS, Examples
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.evaluation.base import Result
from kerasrecipes.evaluation.multi_label import (
    MultiLabelEvaluation,
    best_thresholds,
    evaluate_labels,
)
from kerasrecipes.evaluation.task import Answer, Conditions, Task
from kerasrecipes.heads.pooled import SmoothedHead
from kerasrecipes.losses import BINARY
from kerasrecipes.statistics.resampled import LOSS_FLOOR

if TYPE_CHECKING:
    import keras

    from kerasrecipes.heads.head import Features

LABEL_LOGITS = "label_logits"


class MultiLabel(Task):
    """Whether each label applies: those do whose score reaches their threshold."""

    name: ClassVar[str] = "multi_label"
    target: ClassVar[str] = LABELS
    result: ClassVar[type[Result]] = MultiLabelEvaluation
    quality_name: ClassVar[str] = "label accuracy"
    cost_name: ClassVar[str | None] = "log-loss"

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
        **conditions: Unpack[Conditions],
    ) -> MultiLabelEvaluation:
        """Judge the scores of labels; see `kerasrecipes.evaluation.evaluate_labels`."""
        limits = output.limits()
        return evaluate_labels(
            targets, answers, output.class_names, thresholds=limits, **conditions
        )

    def quality(self, targets: np.ndarray, answers: np.ndarray, output: OutputSpec) -> np.ndarray:
        """Return the share of labels that are right."""
        right = (answers >= output.limits()) == (targets > 0.5)
        return np.where(np.isfinite(answers), right, False).mean(axis=1)

    def cost(self, targets: np.ndarray, answers: np.ndarray, output: OutputSpec) -> np.ndarray:
        """Return the mean log-loss of the labels."""
        said = np.where(targets > 0.5, answers, 1 - answers)
        return -np.log(np.clip(said, LOSS_FLOOR, 1.0)).mean(axis=1)

    def agree(self, reference: np.ndarray, answers: np.ndarray, output: OutputSpec) -> np.ndarray:
        """Tell where all labels are the same."""
        limits = output.limits()
        same = (reference >= limits) == (answers >= limits)
        return (same & np.isfinite(answers)).all(axis=1)

    def given(self, answers: np.ndarray, output: OutputSpec) -> np.ndarray:
        """Tell which scores reach their threshold."""
        return answers >= output.limits()

    def decode(self, answer: np.ndarray, output: OutputSpec) -> Answer:
        """Name the labels whose score reaches their threshold, highest first."""
        scores = [float(score) for score in answer]
        order = sorted(range(len(scores)), key=lambda i: -scores[i])
        limits = output.limits()
        given = [i for i in order if scores[i] >= limits[i]]
        labels = tuple(output.class_names[i] for i in given)
        named = {output.class_names[i]: scores[i] for i in order}
        lowest = min((scores[i] for i in given), default=0.0)
        return Answer(", ".join(labels), lowest, named, labels)

    def decided(self, output: OutputSpec, targets: np.ndarray, answers: np.ndarray) -> OutputSpec:
        """Give each label the threshold with the best F1 on validation examples."""
        chosen = tuple(float(limit) for limit in best_thresholds(targets, answers))
        return output.model_copy(update={"thresholds": chosen})


MULTI_LABEL = MultiLabel()


@named
@dataclass(frozen=True, kw_only=True)
class MultiLabelHead(SmoothedHead):
    """Global pooling and one yes-or-no question for each label.

    Training works on the logits; the finished model ends in a sigmoid, so that whoever runs it
    reads how likely each label is.

    Args:
        loss_name: A name of `kerasrecipes.list_losses("binary")`. Among its options may be one
            number for each label, by the alphabet, e.g. `{"positive_weights": [3.0, 1.0]}`.
    """

    name: ClassVar[str] = "multi_label"
    task: ClassVar[Task] = MULTI_LABEL
    trains: ClassVar[str] = LABEL_LOGITS
    predictions: ClassVar[str] = BINARY
    softened: ClassVar[str | None] = "sigmoid"
    loss_name: str = "binary_cross_entropy"

    def build(self, features: "Features", width: int, seed: int) -> "keras.KerasTensor":
        """Append the head; its answers are a score for each label, each 0…1."""
        from keras import layers

        x = self.projected(features, width, seed, name=LABEL_LOGITS)
        return layers.Activation("sigmoid", name=self.output_name)(x)

    def metrics(self) -> list["keras.metrics.Metric"]:
        """Return the metrics shown while training: the share of labels right from 0.5 on."""
        from keras import metrics

        return [metrics.BinaryAccuracy(name="label_accuracy", threshold=0.0)]

    def targets(self, examples: Examples) -> np.ndarray:
        """Return zeros and ones, float32, shape `(n, labels)`."""
        return multi_hot(examples)


HEADS = (MultiLabelHead,)
TASKS = (MULTI_LABEL,)
