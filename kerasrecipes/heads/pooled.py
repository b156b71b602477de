"""What heads on pooled features share: pooling, dropout, and a loss chosen by name."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from kerasrecipes.errors import unknown_name
from kerasrecipes.heads.head import Head

if TYPE_CHECKING:
    import keras

    from kerasrecipes.heads.head import Features

POOL = "pool"
NORM = "head_norm"
NORMS = ("layer", "group")
GROUPS = 32


@dataclass(frozen=True, kw_only=True)
class PooledHead(Head):
    """A head on what `pooled` makes of a feature map.

    Args:
        dropout: Fraction of pooled features that a training step leaves out.
        loss_name: A loss for what the head trains, its `predictions`; see
            `kerasrecipes.list_losses`.
        loss_options: Further arguments of the loss.
        norm: How pooled features are normalized; see `pooled`.

    Raises:
        ValueError: If there is no such loss or norm, or the loss cannot use an argument.
    """

    # What the loss is computed on; see `kerasrecipes.list_losses`.
    predictions: ClassVar[str]
    dropout: float = 0.2
    loss_name: str
    loss_options: dict = field(default_factory=dict)
    norm: str | None = None

    def __post_init__(self) -> None:
        from kerasrecipes.losses import check_loss

        if self.norm is not None and self.norm not in NORMS:
            see = "the documentation of kerasrecipes.heads"
            raise unknown_name("head norm", self.norm, NORMS, see)
        check_loss(self.loss_name, self.predictions, **self._loss_arguments())

    def _loss_arguments(self) -> dict[str, Any]:
        """Return what the loss is made with, besides the counts of classes."""
        return self.loss_options

    def loss(self, class_counts: Sequence[int] | None = None) -> "keras.losses.Loss":
        """Return the loss on the layer that the head trains, and on its targets.

        Args:
            class_counts: Training photos of each class or label, for a loss that weighs rarity.
        """
        from kerasrecipes.losses import get_loss

        arguments = self._loss_arguments()
        return get_loss(self.loss_name, self.predictions, class_counts=class_counts, **arguments)

    def projected(
        self, features: "Features", units: int, seed: int, **layer: Any
    ) -> "keras.KerasTensor":
        """Pool feature maps and append a dense layer.

        Args:
            features: See `pooled`.
            units: How many numbers it gives.
            seed: Seed of the initial weights and of the dropout masks.
            **layer: Further arguments of the layer, e.g. its `name`.

        Returns:
            Tensor of shape `(batch, units)`.
        """
        from keras import initializers, layers

        x = pooled(features, self.dropout, seed, self.norm)
        initializer = initializers.GlorotUniform(seed=seed)
        return layers.Dense(units, kernel_initializer=initializer, **layer)(x)


@dataclass(frozen=True, kw_only=True)
class SmoothedHead(PooledHead):
    """A head whose loss may soften targets.

    Args:
        label_smoothing: How much of each target is spread over the other classes, or, where
            targets are answers of yes or no, moved to the middle; `None` for what the head
            holds best.
    """

    label_smoothing: float | None = 0.0

    def _loss_arguments(self) -> dict[str, Any]:
        return {"label_smoothing": self.label_smoothing or 0.0, **self.loss_options}


def pooled(
    features: "Features", dropout: float, seed: int, norm: str | None = None
) -> "keras.KerasTensor":
    """Pool feature maps by average and by maximum, with dropout.

    An average over the photo drowns a small defect, which the maximum finds. What an earlier depth
    sees, the last one may have dropped (Evci et al., 2022, "Head2Toe").

    Args:
        features: Tensor of shape `(batch, height, width, channels)`; or `(batch, channels)` of a
            backbone that has pooled what it read. Or a list of such, the last depth last.
        dropout: Fraction of pooled features that a training step leaves out.
        seed: Seed of the dropout masks.
        norm: `"layer"` to normalize each photo's pooled features together, `"group"` in up to
            32 groups of channels, `None` not at all. Neither looks at other photos, so both
            do the same for any batch size, in training and after it; the statistics of a
            BatchNormalization from two or four photos are mostly noise (Wu & He, 2018, "Group
            Normalization", figure 1). They free the head of the scale of the features.

    Returns:
        Tensor of shape `(batch, 2 * channels)`, or `(batch, channels)`; of several depths beside
        each other.
    """
    from keras import layers

    *earlier, last = features if isinstance(features, list) else [features]
    if len(last.shape) == 2:
        both = layers.Identity(name=POOL)(last)
    else:
        both = _averages_and_maxima(earlier, last)
    if norm == "layer":
        both = layers.LayerNormalization(name=NORM)(both)
    elif norm == "group":
        both = layers.GroupNormalization(math.gcd(both.shape[-1], GROUPS), name=NORM)(both)
    return layers.Dropout(dropout, seed=seed, name="dropout")(both)


def _averages_and_maxima(
    earlier: "list[keras.KerasTensor]", last: "keras.KerasTensor"
) -> "keras.KerasTensor":
    from keras import layers

    pairs = []
    for above in range(len(earlier), -1, -1):
        depth, name = (earlier[-above], f"_{above}_below") if above else (last, "")
        pairs += [
            layers.GlobalAveragePooling2D(name=f"average_pool{name}")(depth),
            layers.GlobalMaxPooling2D(name=f"max_pool{name}")(depth),
        ]
    return layers.Concatenate(name=POOL)(pairs)
