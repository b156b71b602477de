"""The training photos from which int8 learns the range of every activation."""

import warnings
from typing import TYPE_CHECKING

import numpy as np

from kerasrecipes.data.examples import LABELS, Examples
from kerasrecipes.data.inference import predict_scores
from kerasrecipes.data.shapes import count_within
from kerasrecipes.heads.pooled import POOL

if TYPE_CHECKING:
    import keras

CALIBRATION_PHOTOS = 128
# Large photos lie in memory one beside the other.
_MOST_NUMBERS = 1 << 29
# Of so many times the photos that are wanted, a model says which differ.
LOOKED_AT = 4


def calibration_inputs(
    train: Examples,
    shape: tuple[int, ...],
    seed: int,
    count: int = CALIBRATION_PHOTOS,
    model: "keras.Model | None" = None,
) -> np.ndarray:
    """Read training examples of every class, as calibration wants to see the whole range.

    Args:
        train: Examples to draw from.
        shape: Shape of one, as the model takes it.
        seed: Seed of the choice.
        count: How many, about; each class gives the same number, if it has so many.
        model: What chooses among four times as many: photos of each class are clustered by their
            pooled features, and one of each cluster is taken, so that a kind that is rare is
            there, too. `None` to draw them.

    Returns:
        As a file takes them, e.g. uint8, shape `(n, *shape)`.

    Raises:
        DataError: If a photo cannot be read, or changed since it was scanned.
    """
    count = min(count, count_within(_MOST_NUMBERS, shape))
    chosen = train.draw(count, seed)
    many = train.draw(LOOKED_AT * count, seed)
    if model is not None and len(many) > len(chosen):
        features, strata = _features(model, many), many.strata()
        kept: list[int] = []
        drawn = chosen.strata()
        if train.target == LABELS:
            # Which labels are too rare to be a stratum depends on the set.
            place = dict(zip((item.key for item in many.items), strata.tolist(), strict=True))
            drawn = np.array([place[item.key] for item in chosen.items])
        for k, wanted in zip(*np.unique(drawn, return_counts=True), strict=True):
            members = np.flatnonzero(strata == k)
            kept += list(members[representatives(features[members], wanted, seed)])
        chosen = many.select(kept)
    return chosen.stack(shape)


def _features(model: "keras.Model", examples: Examples) -> np.ndarray:
    """Return pooled features, or the scores of a model that has none by that name."""
    import keras

    known = {layer.name: layer for layer in model.layers}
    output = known[POOL].output if POOL in known else model.output
    return predict_scores(keras.Model(model.input, output), examples)


def representatives(rows: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Choose rows that stand for all: those in the middle of clusters.

    Args:
        rows: One per photo, shape `(n, features)`.
        count: How many; at most n.
        seed: Seed of the clusters.

    Returns:
        `count` different indices, rising.

    Example:
        >>> blob = np.zeros((6, 2)) + [[0], [0.1], [0.2], [0], [0.1], [9]]
        >>> 5 in representatives(blob, 2, seed=0)
        True
    """
    from sklearn.cluster import KMeans

    if count >= len(rows):
        return np.arange(len(rows))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # equal rows make fewer clusters than asked for
        distances = KMeans(count, n_init=1, random_state=seed).fit_transform(rows)
    middle = np.unique(distances.argmin(axis=0))
    rest = np.setdiff1d(np.arange(len(rows)), middle)
    return np.sort(np.concatenate([middle, rest[: count - len(middle)]]))
