"""Embeddings: photos of one class near to each other, and classes told by the nearest mean."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from kerasrecipes.arguments import named
from kerasrecipes.errors import NoEffectError
from kerasrecipes.evaluation.task import Task
from kerasrecipes.heads.classification import CLASSIFICATION, LOGITS
from kerasrecipes.heads.head import ClassHead
from kerasrecipes.heads.pooled import PooledHead
from kerasrecipes.losses import EMBEDDINGS

if TYPE_CHECKING:
    import keras
    import numpy as np

    from kerasrecipes.heads.head import Features

EMBEDDING = "embedding"
CLASS_MEANS = "class_means"


@dataclass(frozen=True, kw_only=True)
class DirectionsHead(ClassHead, PooledHead):
    """A head that compares embeddings of length 1 with one direction for each class.

    Args:
        units: Length of the embedding.
    """

    units: int = 128

    def __post_init__(self) -> None:
        if self.cosine:
            raise NoEffectError(
                f"`cosine=True` would have no effect: the head {self.name!r} compares directions "
                "anyway. Leave it out."
            )
        super().__post_init__()

    def compared(
        self, features: "Features", width: int, scale: float, name: str, seed: int
    ) -> "keras.KerasTensor":
        """Project a feature map to embeddings, and score their cosines to the directions.

        Args:
            features: Tensor of shape `(batch, height, width, channels)`.
            width: Number of classes.
            scale: What the cosines are multiplied by.
            name: Name of the layer that holds the directions.
            seed: Seed of the initial weights and directions, and of the dropout masks.

        Returns:
            The softmax of the scaled cosines, shape `(batch, width)`, which are those of the layer
            `"logits"`; the embeddings, shape `(batch, units)`, are those of `"embedding"`.
        """
        from keras import constraints, initializers, layers

        x = self.projected(features, self.units, seed, name="projection")
        # Half precision has too few digits for squares and cosines.
        embedding = layers.UnitNormalization(name=EMBEDDING, dtype="float32")(x)
        directions = layers.Dense(
            width,
            use_bias=False,
            kernel_initializer=initializers.GlorotUniform(seed=seed),
            kernel_constraint=constraints.UnitNorm(axis=0),
            name=name,
            dtype="float32",
        )
        cosines = directions(embedding)
        # Keras applies a constraint after each step, not before the first.
        directions.kernel.assign(directions.kernel_constraint(directions.kernel))
        logits = layers.Rescaling(scale, name=LOGITS, dtype="float32")(cosines)
        return layers.Softmax(name="scores", dtype="float32")(logits)


@named
@dataclass(frozen=True, kw_only=True)
class EmbeddingHead(DirectionsHead):
    """Pooling, one dense layer, and embeddings of length 1; a softmax of class similarities.

    Training works on the embeddings alone. The scores come from their cosines to one
    direction per class, which `finish` sets to the mean embedding of the training photos:
    the finished model is one from photos to probabilities like any other, and the output of
    its layer `"embedding"` serves for retrieval and for classes that come later.

    Args:
        loss_name: `"supervised_contrastive"` or `"semi_hard_triplet"`.
        temperature: What the cosines are divided by before the softmax of the scores.

    Raises:
        ValueError: If the loss does not work on embeddings, or lacks an option.
    """

    name: ClassVar[str] = "embedding"
    task: ClassVar[Task] = CLASSIFICATION
    trains: ClassVar[str] = EMBEDDING
    finishes: ClassVar[bool] = True
    predictions: ClassVar[str] = EMBEDDINGS
    loss_name: str = "supervised_contrastive"
    temperature: float = 0.1

    def build(self, features: "Features", width: int, seed: int) -> "keras.KerasTensor":
        """Append the head; its softmax scores are of no use before `finish`.

        Before them come the layers `"logits"` and `"embedding"`.
        """
        return self.compared(features, width, 1 / self.temperature, CLASS_MEANS, seed)

    def metrics(self) -> list["keras.metrics.Metric"]:
        """Return the metrics shown while training."""
        from keras import metrics

        return [metrics.MeanMetricWrapper(neighbour_hits, name="neighbour_accuracy")]

    def finish(self, model: "keras.Model", embeddings: "np.ndarray", targets: "np.ndarray") -> None:
        """Let the scores compare a photo with the mean embedding of each class.

        Args:
            model: The trained model, photos to scores; changed in place.
            embeddings: Output of its layer `"embedding"` for the training photos,
                shape `(n, units)`.
            targets: Their one-hot labels, shape `(n, classes)`.

        Raises:
            ValueError: If a class has no photo, or the shapes do not fit.
        """
        kernel = model.get_layer(CLASS_MEANS).kernel
        wanted = (len(embeddings), kernel.shape[1])
        if targets.shape != wanted or embeddings.shape[1:] != kernel.shape[:1]:
            raise ValueError(
                f"`embeddings` and `targets` must have shapes (n, {kernel.shape[0]}) and (n, "
                f"{kernel.shape[1]}), not {embeddings.shape} and {targets.shape}."
            )
        if not targets.any(axis=0).all():
            raise ValueError("`targets` has a class without a photo, which has no mean.")
        kernel.assign(model.get_layer(CLASS_MEANS).kernel_constraint(embeddings.T @ targets))


def embedding_model(model: "keras.Model") -> "keras.Model":
    """Cut a classifier off where photos are best compared.

    Args:
        model: A fitted model, photos to scores, with any of the heads.

    Returns:
        A model over the same layers, from photos to what an embedding head trains, or to the
        pooled features that the dense layer of a classifier sees.
    """
    import keras

    learned = any(layer.name == EMBEDDING for layer in model.layers)
    output = model.get_layer(EMBEDDING).output if learned else model.get_layer(LOGITS).input
    return keras.Model(model.input, output)


def neighbour_hits(y_true: "keras.KerasTensor", y_pred: "keras.KerasTensor") -> "keras.KerasTensor":
    """Return 1 for each photo whose nearest other one in the batch is of its class, else 0.

    Args:
        y_true: One-hot targets, shape `(batch, classes)`.
        y_pred: Embeddings of length 1, shape `(batch, units)`.
    """
    from keras import ops

    similar = ops.matmul(y_pred, ops.transpose(y_pred))
    itself = ops.eye(ops.shape(y_pred)[0], dtype=similar.dtype)
    classes = ops.argmax(y_true, axis=-1)
    nearest = ops.take(classes, ops.argmax(similar - 4.0 * itself, axis=-1))
    alone = ops.equal(ops.shape(y_pred)[0], 1)
    hits = ops.logical_and(ops.equal(nearest, classes), ops.logical_not(alone))
    return ops.cast(hits, "float32")


HEADS = (EmbeddingHead,)
