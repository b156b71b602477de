"""What tells good photos from others, fitted on good ones and put into a model's graph."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.errors import DataError
from kerasrecipes.keras_private import nodes_in_order
from kerasrecipes.novelty.distances import TINY, Places, Whole, logarithm, pooled

if TYPE_CHECKING:
    import keras

NOVELTY, NOVELTY_MAP = "novelty", "novelty_map"
FEWEST = 20
# Folds over good photos, by which a score learns how photos do that it was not fitted on.
_FOLDS = 3
_DEPTHS = 2
_MOST_CHANNELS = 256
_FEWEST_PLACES = 4


def check_enough_good(units: np.ndarray) -> None:
    """Refuse good photos that are too few to learn from, before anything is trained.

    Args:
        units: What each photo belongs to; see `Novelty.of`.

    Raises:
        DataError: If there are fewer than 20 photos, or fewer than 3 parts.
    """
    parts = len(np.unique(units))
    if len(units) < FEWEST or parts < _FOLDS:
        raise DataError(
            f"What good photos are like cannot be learned from {len(units)} of {parts} parts. "
            f"Pass at least {FEWEST}, of at least {_FOLDS} parts."
        )


@dataclass(frozen=True)
class Novelty:
    """How unlike good photos something is: 0 is as good ones are, 1 one standard deviation more.

    It adds up two distances, each by what it is of good photos that it was not fitted on: of the
    pooled features of two depths, and the largest of all places of the deeper one.

    Args:
        places: Of each depth, the deepest first.
        whole: Of the pooled features of all depths.
        kernel: What the two logarithms of distances are multiplied by.
        bias: What is added.
        ground: Mean and standard deviation of the places' logarithms, for each depth.
    """

    places: tuple[Places, ...]
    whole: Whole
    kernel: np.ndarray
    bias: float
    ground: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, features: Sequence[np.ndarray], units: np.ndarray, seed: int = 0) -> Self:
        """Learn from good photos.

        Args:
            features: Of each depth, the deepest first, shape `(n, height, width, channels)`.
            units: What each photo belongs to, e.g. its part; photos of one are not parted.
            seed: Seed of the folds.

        Raises:
            DataError: If there are fewer than 20 photos, or fewer than 3 parts.
        """
        check_enough_good(units)
        names, places = np.unique(units, return_inverse=True)
        folds = np.random.default_rng(seed).permutation(len(names))[places] % _FOLDS
        held_out = np.zeros((len(units), 2))
        for fold in range(_FOLDS):
            fitted, tested = (
                [one[side] for one in features] for side in (folds != fold, folds == fold)
            )
            held_out[folds == fold] = _logarithms(_fit(fitted), tested)
        mean, spread = held_out.mean(axis=0), held_out.std(axis=0) + TINY
        both = ((held_out - mean) / spread).sum(axis=1)
        scale = both.std() + TINY
        found, whole = _fit(features)
        maps = [logarithm(one.distances(x)) for one, x in zip(found, features, strict=True)]
        return cls(
            places=tuple(found),
            whole=whole,
            kernel=(1 / (spread * scale)).astype(np.float32),
            bias=float(-(mean / spread).sum() / scale),
            ground=tuple((float(one.mean()), float(one.std() + TINY)) for one in maps),
        )

    def scores(self, features: Sequence[np.ndarray]) -> np.ndarray:
        """Score photos by their features, as in `of`, float32 `(n,)`."""
        found = _logarithms((list(self.places), self.whole), features)
        return (found @ self.kernel + self.bias).astype(np.float32)

    def attach(self, tensors: "Sequence[keras.KerasTensor]") -> "list[keras.KerasTensor]":
        """Continue a graph from its features, as in `of`, by plain layers.

        Returns:
            The score, shape `(batch, 1)`, of the layer `"novelty"`; and the map, one number for
            each place of the finest depth, shape `(batch, places)`, of `"novelty_map"`.
        """
        from keras import layers, ops

        maps = [
            ops.log(_squared(one.whitening, _standardised(x, one, (1, 2, 3), k), k) + TINY)
            for k, (one, x) in enumerate(zip(self.places, tensors, strict=True))
        ]
        rows = layers.Concatenate(name="novelty_pool")([_pooled(x) for x in tensors])
        rows = _standardised(rows, self.whole, (1,), NOVELTY)
        whole = ops.log(_squared(self.whole.whitening, rows, NOVELTY) + TINY)
        both = ops.stack([ops.max(maps[0], axis=(1, 2)), whole], axis=-1)
        score = layers.Dense(1, name=NOVELTY)
        answer = score(both)
        score.set_weights([self.kernel[:, None], np.array([self.bias])])
        return [answer, layers.Flatten(name=NOVELTY_MAP)(self._joined(maps))]

    def _joined(self, maps: list[Any]) -> Any:
        from keras import layers, ops

        size = maps[-1].shape[1:3]
        found = 0.0
        for (mean, spread), one in zip(self.ground, maps, strict=True):
            one = ops.expand_dims((one - mean) / spread, -1)
            if one.shape[1:3] != size:
                times = tuple(a // b for a, b in zip(size, one.shape[1:3], strict=True))
                one = layers.UpSampling2D(times, interpolation="bilinear")(one)
            found = found + one / len(maps)
        return found


def outputs_of(threshold: float, size: tuple[int, int], good: str) -> tuple[OutputSpec, ...]:
    """Describe what `Novelty.attach` answers with.

    Args:
        threshold: From this score on a photo is new.
        size: Height and width of the map.
        good: The class of the good photos.
    """
    score = OutputSpec(name=NOVELTY, task=NOVELTY, class_names=(good,), thresholds=(threshold,))
    return score, OutputSpec(name=NOVELTY_MAP, task=NOVELTY_MAP, shape=size)


def depths_of(model: "keras.Model") -> "list[keras.KerasTensor]":
    """Find the features that novelty is seen in: of the two coarsest sizes, the deepest.

    Wide layers are left out, since a covariance has the square of their width.

    Args:
        model: A functional model, or its backbone.

    Returns:
        Tensors of shape `(batch, height, width, channels)`, each size a whole multiple of the one
        before; the deepest first.

    Raises:
        DataError: If it has no such features.
    """
    found: dict[tuple[int, int], Any] = {}
    for node in nodes_in_order(model):
        for tensor in node.outputs if not node.is_input else ():
            shape = tuple(tensor.shape)
            if len(shape) == 4 and None not in shape[1:] and min(shape[1:3]) >= _FEWEST_PLACES:
                size = (int(shape[1]), int(shape[2]))
                if 3 < shape[3] <= _MOST_CHANNELS:
                    found.pop(size, None)
                    found[size] = tensor
    chosen: list[Any] = []
    for size, tensor in reversed(found.items()):
        last = chosen[-1].shape[1:3] if chosen else size
        if all(a % b == 0 and a >= b for a, b in zip(size, last, strict=True)):
            chosen.append(tensor)
    if not chosen:
        raise DataError(
            f"The model {model.name!r} has no features with places, by which novelty could be "
            "seen. Use a convolutional backbone and photos of at least 64 pixels."
        )
    return chosen[:_DEPTHS]


def _fit(features: Sequence[np.ndarray]) -> tuple[list[Places], Whole]:
    rows = np.concatenate([pooled(one) for one in features], axis=1)
    return [Places.of(one) for one in features], Whole.of(rows)


def _logarithms(fitted: tuple[list[Places], Whole], features: Sequence[np.ndarray]) -> np.ndarray:
    places, whole = fitted
    rows = np.concatenate([pooled(one) for one in features], axis=1)
    largest = places[0].distances(features[0]).max(axis=(1, 2))
    return logarithm(np.stack([largest, whole.distances(rows)], axis=1))


def _standardised(x: Any, stated: Places | Whole, axis: tuple[int, ...], name: object) -> Any:
    from keras import layers

    layer = layers.Normalization(axis=axis, name=f"novelty_standard_{name}")
    made = layer(x)
    values = (stated.mean, stated.variance, np.zeros((), np.int64))
    layer.load_own_variables({str(k): value for k, value in enumerate(values)})
    return made


def _squared(whitening: np.ndarray, x: Any, name: object) -> Any:
    from keras import layers, ops

    width, called = whitening.shape[1], f"novelty_whitening_{name}"
    if len(x.shape) == 4:
        layer, kernel = layers.Conv2D(width, 1, use_bias=False, name=called), whitening[None, None]
    else:
        layer, kernel = layers.Dense(width, use_bias=False, name=called), whitening
    made = layer(x)
    layer.set_weights([kernel])
    return ops.mean(ops.square(made), axis=-1)


def _pooled(x: Any) -> Any:
    from keras import ops

    mean, squares = ops.mean(x, axis=(1, 2)), ops.mean(ops.square(x), axis=(1, 2))
    spread = ops.sqrt(ops.maximum(squares - ops.square(mean), 0.0) + TINY)
    return ops.concatenate([ops.max(x, axis=(1, 2)), spread], axis=-1)
