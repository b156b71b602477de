"""One label per photo, by the angle to a direction per class, with a margin in training."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from kerasrecipes.evaluation.task import Task
from kerasrecipes.heads.classification import CLASSIFICATION, LOGITS, check_norm
from kerasrecipes.heads.embedding import scaled_cosines, unit_embedding
from kerasrecipes.heads.head import ClassHead

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class MarginHead(ClassHead):
    """Embeddings of length 1, and scaled cosines to a learned direction for each class.

    The margin is in the loss, so that the model itself is an ordinary one from photos to
    scores: the softmax of the cosines, without a margin. Its layer `"embedding"` serves for
    retrieval.

    Args:
        dropout: Fraction of pooled features that a training step leaves out.
        label_smoothing: How much of each target is spread over the other classes.
        units: Length of the embedding.
        scale: What the cosines are multiplied by; the loss is told.
        loss_name: `"arcface"` or `"cosface"`.
        loss_options: Further arguments of the loss, e.g. `{"margin": 0.3}`.
        norm: How pooled features are normalized; see `pooled`.

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
    dropout: float = 0.2
    label_smoothing: float = 0.0
    units: int = 128
    scale: float = 30.0
    loss_name: str = "arcface"
    loss_options: dict = field(default_factory=dict)
    norm: str | None = None

    def __post_init__(self) -> None:
        from kerasrecipes.losses import COSINES, check_loss

        check_norm(self.norm)
        if "scale" in self.loss_options:
            raise ValueError(
                "`loss_options` must not have a 'scale' of its own: the loss takes that of the "
                f"head, {self.scale:g}, which a recipe cannot change. Leave it out. For a model of "
                "your own, pass `scale` to kerasrecipes.heads.make_head('margin', …)."
            )
        check_loss(self.loss_name, COSINES, self.label_smoothing, **self.loss_options)

    def build(self, features: "keras.KerasTensor", width: int, seed: int) -> "keras.KerasTensor":
        """Append the head to a feature map.

        Args:
            features: Tensor of shape `(batch, height, width, channels)`.
            width: Number of classes.
            seed: Seed of the initial weights and of the dropout masks.

        Returns:
            The softmax scores, shape `(batch, width)`; before them come the layers
            `"logits"` and `"embedding"`.
        """
        from keras import layers

        embedding = unit_embedding(features, self.units, self.dropout, seed, self.norm)
        logits = scaled_cosines(embedding, width, self.scale, "class_directions", seed)
        return layers.Softmax(name="scores", dtype="float32")(logits)

    def loss(self, class_counts: Sequence[int] | None = None) -> "keras.losses.Loss":
        """Return the loss on scaled cosines and one-hot targets.

        Args:
            class_counts: Training photos of each class; they change nothing here.
        """
        from kerasrecipes.losses import COSINES, get_loss

        return get_loss(
            self.loss_name,
            COSINES,
            class_counts=class_counts,
            label_smoothing=self.label_smoothing,
            scale=self.scale,
            **self.loss_options,
        )

    def metrics(self) -> list["keras.metrics.Metric"]:
        """Return the metrics shown while training."""
        from keras import metrics

        return [metrics.CategoricalAccuracy(name="accuracy")]


HEADS = (MarginHead,)
