"""One label per photo."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.data.examples import CLASS, Examples
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.evaluation.base import Result
from kerasrecipes.evaluation.classification import evaluate_scores
from kerasrecipes.evaluation.result import Evaluation
from kerasrecipes.evaluation.scores import top_classes
from kerasrecipes.evaluation.task import Answer, Conditions, Task
from kerasrecipes.heads.head import ClassHead
from kerasrecipes.heads.pooled import SmoothedHead
from kerasrecipes.statistics.resampled import log_losses

if TYPE_CHECKING:
    import keras

    from kerasrecipes.heads.head import Features

LOGITS = "logits"
SMOOTHING = 0.1


class Classification(Task):
    """One class for each example, that with the highest score."""

    name: ClassVar[str] = "classification"
    target: ClassVar[str] = CLASS
    result: ClassVar[type[Result]] = Evaluation
    quality_name: ClassVar[str] = "accuracy"
    cost_name: ClassVar[str | None] = "log-loss"

    def targets(self, examples: Examples, output: OutputSpec) -> np.ndarray:
        """Return class indices, int64, shape `(n,)`."""
        return examples.labels_among(output.class_names, output.rest)

    def evaluate(
        self,
        targets: np.ndarray,
        answers: np.ndarray,
        output: OutputSpec,
        **conditions: Unpack[Conditions],
    ) -> Evaluation:
        """Judge class probabilities; see `kerasrecipes.evaluate_scores`."""
        return evaluate_scores(targets, answers, output.class_names, **conditions)

    def quality(self, targets: np.ndarray, answers: np.ndarray, output: OutputSpec) -> np.ndarray:
        """Return 1 where the class is right, else 0."""
        return self.right(targets, answers, output).astype(np.float64)

    def cost(self, targets: np.ndarray, answers: np.ndarray, output: OutputSpec) -> np.ndarray:
        """Return the log-loss."""
        return log_losses(targets, answers)

    def right(self, targets: np.ndarray, answers: np.ndarray, output: OutputSpec) -> np.ndarray:
        """Tell where the top class is the target."""
        return top_classes(answers) == targets

    def agree(self, reference: np.ndarray, answers: np.ndarray, output: OutputSpec) -> np.ndarray:
        """Tell where the top class is the same."""
        return top_classes(answers) == reference.argmax(axis=1)

    def classes(self, answers: np.ndarray, output: OutputSpec) -> np.ndarray:
        """Return the top class, unless costs or an abstain band decide."""
        return top_classes(answers) if output.rule is None else output.rule.decide(answers)

    def decode(self, answer: np.ndarray, output: OutputSpec) -> Answer:
        """Name the class that is answered; none where that is left to a person."""
        scores = [float(score) for score in answer]
        order = sorted(range(len(scores)), key=lambda i: -scores[i])
        named = {output.class_names[i]: scores[i] for i in order}
        said = int(self.classes(answer[None], output)[0])
        if said < 0:
            return Answer("", scores[order[0]], named, abstained=True)
        abstained = False if output.abstains else None
        return Answer(output.class_names[said], scores[said], named, abstained=abstained)


CLASSIFICATION = Classification()


@named
@dataclass(frozen=True, kw_only=True)
class ClassificationHead(ClassHead, SmoothedHead):
    """Global pooling, perhaps a normalization, dropout and one dense layer.

    Training works on the logits, which is numerically safer; the finished model ends in
    a softmax, so that whoever runs it reads probabilities.

    Args:
        label_smoothing: How much of each target is spread over the other classes; `None` for
            0.1 if the loss can use it, otherwise 0.
        loss_name: A name of `kerasrecipes.list_losses()`.
    """

    name: ClassVar[str] = "classification"
    task: ClassVar[Task] = CLASSIFICATION
    trains: ClassVar[str] = LOGITS
    predictions: ClassVar[str] = LOGITS
    label_smoothing: float | None = None
    loss_name: str = "cross_entropy"

    def _loss_arguments(self) -> dict[str, Any]:
        from kerasrecipes.losses import can_smooth

        arguments = super()._loss_arguments()
        if self.label_smoothing is None:
            arguments["label_smoothing"] = SMOOTHING if can_smooth(self.loss_name) else 0.0
        return arguments

    def build(self, features: "Features", width: int, seed: int) -> "keras.KerasTensor":
        """Append the head; the layer before its softmax scores is named `"logits"`."""
        from keras import layers

        # Directions alone tell classes apart, each by its cosine.
        x = self.projected(features, width, seed, name=LOGITS, use_bias=not self.cosine)
        return layers.Softmax(name="scores")(x)

    def metrics(self) -> list["keras.metrics.Metric"]:
        """Return the metrics shown while training."""
        from keras import metrics

        return [metrics.CategoricalAccuracy(name="accuracy")]


HEADS = (ClassificationHead,)
TASKS = (CLASSIFICATION,)
