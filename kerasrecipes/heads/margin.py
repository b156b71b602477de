"""One label per photo, by the angle to a direction per class, with a margin in training."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from kerasrecipes.arguments import named
from kerasrecipes.evaluation.task import Task
from kerasrecipes.heads.classification import CLASSIFICATION, LOGITS
from kerasrecipes.heads.embedding import DirectionsHead
from kerasrecipes.heads.pooled import SmoothedHead
from kerasrecipes.losses import COSINES

if TYPE_CHECKING:
    import keras

    from kerasrecipes.heads.head import Features


@named
@dataclass(frozen=True, kw_only=True)
class MarginHead(DirectionsHead, SmoothedHead):
    """Embeddings of length 1, and scaled cosines to a learned direction for each class.

    The margin is in the loss, so that the model itself is an ordinary one from photos to
    scores: the softmax of the cosines, without a margin. Its layer `"embedding"` serves for
    retrieval.

    Args:
        loss_name: `"arcface"` or `"cosface"`, with an option like `{"margin": 0.3}`.
        scale: What the cosines are multiplied by; the loss is told.

    Raises:
        ValueError: If the loss does not work on cosines, or lacks an option.

    Reference:
        Deng et al., 2019, "ArcFace: Additive Angular Margin Loss for Deep Face
        Recognition"; Wang et al., 2018, "CosFace: Large Margin Cosine Loss for Deep Face
        Recognition".
    """

    name: ClassVar[str] = "margin"
    task: ClassVar[Task] = CLASSIFICATION
    trains: ClassVar[str] = LOGITS
    predictions: ClassVar[str] = COSINES
    loss_name: str = "arcface"
    scale: float = 30.0

    def __post_init__(self) -> None:
        if "scale" in self.loss_options:
            raise ValueError(
                "`loss_options` must not have a 'scale' of its own: the loss takes that of the "
                f"head, {self.scale:g}, which a recipe cannot change. Leave it out. For a model of "
                "your own, pass `scale` to kerasrecipes.heads.make_head('margin', …)."
            )
        super().__post_init__()

    def _loss_arguments(self) -> dict[str, Any]:
        return {"scale": self.scale, **super()._loss_arguments()}

    def build(self, features: "Features", width: int, seed: int) -> "keras.KerasTensor":
        """Append the head; before its softmax scores come the layers `"logits"`, `"embedding"`."""
        return self.compared(features, width, self.scale, "class_directions", seed)

    def metrics(self) -> list["keras.metrics.Metric"]:
        """Return the metrics shown while training."""
        from keras import metrics

        return [metrics.CategoricalAccuracy(name="accuracy")]


HEADS = (MarginHead,)
