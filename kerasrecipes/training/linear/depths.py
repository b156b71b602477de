"""What a frozen backbone sees at several depths, pooled as a head pools it."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.backbones.spec import Backbone
from kerasrecipes.data.examples import Examples
from kerasrecipes.data.inference import run_over
from kerasrecipes.engine.frozen.runtime import frozen_engine
from kerasrecipes.heads import Head, make_head
from kerasrecipes.heads.head import HEAD_OF
from kerasrecipes.heads.pooled import BOTH, PLAIN_POOLINGS, pooled
from kerasrecipes.surgery.rebuilding import single_precision

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class DepthFeatures:
    """Pooled outputs of the last blocks of a backbone, the earliest first.

    Args:
        rows: Shape `(n, features)`.
        widths: How many columns each block has.
        depths: How many last blocks are worth a try, the fewest first.
    """

    rows: np.ndarray
    widths: tuple[int, ...]
    depths: tuple[int, ...]

    def last(self, depths: int) -> np.ndarray:
        """Return the columns of so many last blocks."""
        return self.rows[:, self.rows.shape[1] - sum(self.widths[-depths:]) :]

    def select(self, indices: np.ndarray) -> "DepthFeatures":
        """Return the rows at `indices`."""
        return replace(self, rows=self.rows[indices])


def usual_depths(spec: Backbone) -> tuple[int, ...]:
    """Return how many last blocks are worth a try: one, a third of all, and three quarters.

    What reads no photos has one depth, so far.
    """
    if spec.modality != "photos":
        return (1,)
    count = len(spec.blocks)
    return tuple(sorted({1, -(-count // 3), count - count // 4}))


def features_at(
    backbone: "keras.Model", spec: Backbone, depths: int
) -> "keras.KerasTensor | list[keras.KerasTensor]":
    """Return the outputs of the last blocks, as `Head.build` takes them.

    Args:
        backbone: What `Backbone.build` returned.
        spec: Its specification.
        depths: How many.

    Raises:
        ValueError: If there are not so many, or one of them has no places to pool over.
    """
    if depths == 1:
        return backbone.output
    count = len(spec.blocks)
    if depths > count:
        raise ValueError(
            f"`depths={depths}` is not possible: {spec.name!r} has {count} blocks. Pass at most "
            f"{count}, or None."
        )
    found = [spec.boundary(backbone, block) for block in range(count - depths + 1, count + 1)]
    if any(len(tensor.shape) != 4 for tensor in found):
        raise ValueError(
            f"`depths={depths}` is not possible: not each of the last {depths} blocks of "
            f"{spec.name!r} gives a feature map. Pass 1, or None."
        )
    return found


def depth_features(
    backbone: "keras.Model",
    spec: Backbone,
    wish: int | None,
    *sets: Examples,
    pooling: str = BOTH,
) -> list[DepthFeatures]:
    """Run a frozen backbone over examples once.

    Args:
        backbone: What `Backbone.build` returned.
        spec: Its specification.
        wish: How many last blocks are asked for; `None` for all that are worth a try.
        *sets: What to run it on; labels are not looked at.
        pooling: How places are pooled; the usual way stands in for one that learns.

    Raises:
        DataError: If an example cannot be read, or changed since it was scanned.
        ValueError: If the backbone does not have so many.
    """
    import keras

    found, depths = _deepest(backbone, spec, wish)
    plain = pooling if pooling in PLAIN_POOLINGS else BOTH
    pool = pooled(found, dropout=0.0, seed=0, pooling=plain)
    share = pool.shape[-1] // sum(tensor.shape[-1] for tensor in found)
    widths = tuple(share * tensor.shape[-1] for tensor in found)
    model = keras.Model(backbone.input, [pool])
    run = frozen_engine(model, sum(map(len, sets)))
    rows = (run_over(side.reader(model), model, run, "computing features")[0] for side in sets)
    return [DepthFeatures(one, widths, depths) for one in rows]


def _deepest(
    backbone: "keras.Model", spec: Backbone, wish: int | None
) -> tuple[Any, tuple[int, ...]]:
    """Return the blocks that are pooled, and which numbers of them are worth a try."""
    if wish is not None:
        found = features_at(backbone, spec, wish)
        return found if isinstance(found, list) else [found], (wish,)
    found, depths = [backbone.output], [1]
    for more in usual_depths(spec)[1:]:
        try:
            found = features_at(backbone, spec, more)
        except ValueError:
            break  # e.g. of a transformer, whose blocks give rows of tokens
        depths.append(more)
    return found, tuple(depths)


def linear_head(examples: Examples) -> Head:
    """Return the head whose last dense layer the linear model of such examples is.

    One for ordered classes, or with embeddings, is more than that.

    Args:
        examples: What is learned from.
    """
    return make_head(HEAD_OF[examples.target]).suited(examples)


def linear_model(
    backbone: "keras.Model", spec: Backbone, head: Head, width: int, depths: int, seed: int = 0
) -> "keras.Model":
    """Put a head on a backbone, with weights of no meaning yet.

    Args:
        backbone: What `Backbone.build` returned.
        spec: Its specification.
        head: E.g. of `linear_head`.
        width: How many numbers an answer has, e.g. the number of classes.
        depths: How many last blocks the head reads.
        seed: Seed of the weights.
    """
    import keras

    with single_precision():  # `precision` says in what it computes while it trains
        answers = head.build(features_at(backbone, spec, depths), width, seed)
    return keras.Model(backbone.input, answers, name=backbone.name)
