"""What heads on pooled features share: pooling, dropout, and a loss chosen by name."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kerasrecipes.errors import unknown_name
from kerasrecipes.heads.head import Head

if TYPE_CHECKING:
    import keras

    from kerasrecipes.heads.head import Features

POOL = "pool"
NORM = "head_norm"
NORMS = ("layer", "group")
GROUPS = 32
# How places are pooled. What learns nothing for it can be the features of a linear model, too.
BOTH, GEM, ATTENTION = "both", "gem", "attention"
PLAIN_POOLINGS = (BOTH, "average", "max")
POOLINGS = (*PLAIN_POOLINGS, GEM, ATTENTION)
# What the layers of these begin with, for files that compute them in float.
LEARNED_POOLS = ("gem_pool", "attention_pool")
# The scale that cosines begin with (Gidaris & Komodakis, 2018, section 4.2).
START_SCALE = 10.0


@dataclass(frozen=True, kw_only=True)
class PooledHead(Head):
    """A head on what `pooled` makes of a feature map.

    Args:
        dropout: Fraction of pooled features that a training step leaves out.
        loss_name: A loss for what the head trains, its `predictions`; see
            `kerasrecipes.list_losses`.
        loss_options: Further arguments of the loss.
        norm: How pooled features are normalized; see `pooled`.
        pooling: How places are pooled; see `pooled`.
        hidden: Units of one or two dense layers with ReLU before the last one.
        hidden_dropout: Fraction of their units that a training step leaves out.
        cosine: Whether the last dense layer compares directions: what it reads has length 1, and
            what it compares it with one length, which is learned (Gidaris & Komodakis, 2018,
            "Dynamic Few-Shot Visual Learning without Forgetting", section 3.2).

    Raises:
        ValueError: If there is no such loss, norm or pooling, or the loss cannot use an argument.
    """

    # What the loss is computed on; see `kerasrecipes.list_losses`.
    predictions: ClassVar[str]
    dropout: float = 0.2
    loss_name: str
    loss_options: dict = field(default_factory=dict)
    norm: str | None = None
    pooling: str = BOTH
    hidden: tuple[int, ...] | None = None
    hidden_dropout: float = 0.0
    cosine: bool = False

    def __post_init__(self) -> None:
        from kerasrecipes.losses import check_loss

        see = "the documentation of kerasrecipes.heads"
        if self.norm is not None and self.norm not in NORMS:
            raise unknown_name("head norm", self.norm, NORMS, see)
        if self.pooling not in POOLINGS:
            raise unknown_name("pooling", self.pooling, POOLINGS, see)
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
        """Pool feature maps and append the hidden layers, if any, and a dense layer.

        Args:
            features: See `pooled`.
            units: How many numbers it gives.
            seed: Seed of the initial weights and of the dropout masks.
            **layer: Further arguments of the layer, e.g. its `name`.

        Returns:
            Tensor of shape `(batch, units)`.
        """
        from keras import initializers, layers

        x = pooled(features, self.dropout, seed, self.norm, self.pooling)
        x = self._behind_hidden(x, seed)
        initializer = initializers.GlorotUniform(seed=seed)
        if not self.cosine:
            return layers.Dense(units, kernel_initializer=initializer, **layer)(x)
        from kerasrecipes.heads.parts import EqualLengths

        # Half precision has too few digits for squares and cosines.
        x = layers.UnitNormalization(name="feature_direction", dtype="float32")(x)
        compared = layers.Dense(
            units,
            kernel_initializer=initializer,
            kernel_constraint=EqualLengths(),
            dtype="float32",
            **layer,
        )
        cosines = compared(x)
        start = compared.kernel.numpy()
        compared.kernel.assign(START_SCALE * start / np.linalg.norm(start, axis=0))
        return cosines

    def _behind_hidden(self, x: "keras.KerasTensor", seed: int) -> "keras.KerasTensor":
        from keras import initializers, layers

        for number, units in enumerate(self.hidden or (), 1):
            initializer = initializers.HeNormal(seed=seed + number)
            name = f"hidden_{number}"
            x = layers.Dense(units, "relu", kernel_initializer=initializer, name=name)(x)
            dropped = f"{name}_dropout"
            x = layers.Dropout(self.hidden_dropout, seed=seed + number, name=dropped)(x)
        return x


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
    features: "Features",
    dropout: float,
    seed: int,
    norm: str | None = None,
    pooling: str = BOTH,
) -> "keras.KerasTensor":
    """Pool feature maps, by average and by maximum unless said otherwise, with dropout.

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
        pooling: `"both"`, `"average"` or `"max"`; `"gem"`, see
            `heads.parts.GeneralizedMeanPooling2D`; or `"attention"` for an average in which places
            count by the softmax of a score that is learned, all alike at first.

    Returns:
        Tensor of shape `(batch, 2 * channels)`, or `(batch, channels)`; of several depths beside
        each other.

    Raises:
        ValueError: If another `pooling` than the usual one is asked for, and there are no places.
    """
    from keras import layers

    *earlier, last = features if isinstance(features, list) else [features]
    if len(last.shape) == 2:
        if pooling != BOTH:
            raise ValueError(
                f"`pooling={pooling!r}` would have no effect: this backbone has pooled what it "
                "read. Leave it out, or choose one that gives a feature map."
            )
        x = layers.Identity(name=POOL)(last)
    else:
        found = []
        for above in range(len(earlier), -1, -1):
            depth, name = (earlier[-above], f"_{above}_below") if above else (last, "")
            found += _pools(depth, pooling, name, alone=not earlier)
        if len(found) > 1:
            x = layers.Concatenate(name=POOL)(found)
        else:
            (x,) = found
    if norm == "layer":
        x = layers.LayerNormalization(name=NORM)(x)
    elif norm == "group":
        x = layers.GroupNormalization(math.gcd(x.shape[-1], GROUPS), name=NORM)(x)
    return layers.Dropout(dropout, seed=seed, name="dropout")(x)


def _pools(
    depth: "keras.KerasTensor", pooling: str, name: str, alone: bool
) -> "list[keras.KerasTensor]":
    """Pool one feature map; `name` ends the names of layers, unless what is pooled is all."""
    from keras import layers

    if pooling == BOTH:
        average = layers.GlobalAveragePooling2D(name=f"average_pool{name}")(depth)
        return [average, layers.GlobalMaxPooling2D(name=f"max_pool{name}")(depth)]
    named = POOL if alone else f"{pooling}_pool{name}"
    if pooling == ATTENTION:
        depth = _weighed(depth, f"{pooling}_pool{name}")
    if pooling != GEM:
        kind = layers.GlobalMaxPooling2D if pooling == "max" else layers.GlobalAveragePooling2D
        return [kind(name=named)(depth)]
    from kerasrecipes.heads.parts import GeneralizedMeanPooling2D

    # Half precision has too few digits for powers.
    x = GeneralizedMeanPooling2D(name=f"gem_pool{name}", dtype="float32")(depth)
    return [layers.Identity(name=named)(x) if alone else x]


def _weighed(depth: "keras.KerasTensor", named: str) -> "keras.KerasTensor":
    """Multiply places by how much each counts, 1 on average: its share of a softmax."""
    from keras import layers

    _, height, width, _ = depth.shape
    score = layers.Conv2D(1, 1, use_bias=False, kernel_initializer="zeros", name=f"{named}_score")
    x = layers.Reshape((height * width, 1), name=f"{named}_row", dtype="float32")(score(depth))
    x = layers.Softmax(axis=1, name=f"{named}_shares", dtype="float32")(x)
    x = layers.Rescaling(float(height * width), name=f"{named}_weights", dtype="float32")(x)
    x = layers.Reshape((height, width, 1), name=f"{named}_map", dtype="float32")(x)
    return layers.Multiply(name=f"{named}_weighed", dtype="float32")([depth, x])
