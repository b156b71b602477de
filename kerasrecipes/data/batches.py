"""The order in which examples are read, and what they are answered with, as arrays.

Keras repeats one permutation every epoch after `set_random_seed`, and tf.data's shuffle
buffer depends on its history. Here the order is a pure function of the seed and the epoch.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.data.examples import Examples
from kerasrecipes.data.strata_order import balanced_order

if TYPE_CHECKING:
    import tensorflow as tf


# So many batches are drawn together and sorted by size: enough that hardly anything is padded, and
# few enough that a batch is still a mixture.
WINDOW = 20


@dataclass(frozen=True)
class Sizes:
    """Examples of different sizes, of which a batch should have equal ones.

    Args:
        of: The size of each example, e.g. its tokens; int64, shape `(n,)`.
        batch_size: Examples per batch.
    """

    of: np.ndarray
    batch_size: int

    def sorted(self, order: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Sort an order by size within windows of batches, and shuffle the batches of each.

        Args:
            order: A permutation of the examples.
            rng: Decides the order of the batches. One that is not full stays the last.
        """
        size, found = self.batch_size, []
        for start in range(0, len(order), WINDOW * size):
            window = order[start : start + WINDOW * size]
            window = window[np.argsort(self.of[window], kind="stable")]
            full = len(window) // size
            batches = [window[i * size : (i + 1) * size] for i in rng.permutation(full)]
            found += [*batches, window[full * size :]]
        return np.concatenate(found) if found else order


def epoch_order(
    count: int,
    seed: int,
    epoch: int,
    sizes: Sizes | None = None,
    strata: np.ndarray | None = None,
) -> np.ndarray:
    """Return the permutation of `count` examples in one epoch, int64, shape `(count,)`.

    Args:
        count: Number of examples.
        seed: Seed of the order.
        epoch: The epoch, from 0.
        sizes: Their sizes, if those of a batch should be alike.
        strata: Which class or group each is of, int64, shape `(count,)`, if as many of each are to
            be drawn; the order then repeats some.
    """
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(count) if strata is None else balanced_order(strata, rng)
    return order if sizes is None else sizes.sorted(order, rng)


def epoch_views(order: np.ndarray, epoch: int, views: int | None) -> np.ndarray:
    """Return which view of each photo an epoch shows, int64, shape `(count,)`.

    Args:
        order: Photo indices.
        epoch: The epoch, from 0.
        views: Number of distinct views per photo; `None` for a fresh one each epoch.
    """
    return np.full(len(order), epoch) if views is None else (order + epoch) % views


def index_batches(
    count: int,
    batch_size: int,
    seed: int | None,
    epochs: range,
    views: int | None,
    sizes: np.ndarray | None = None,
    strata: np.ndarray | None = None,
) -> "tf.data.Dataset":
    """Return a dataset of `(photo index, view)` batches, epoch after epoch.

    Args:
        count: Number of photos.
        batch_size: Photos per batch; the last batch of an epoch may be smaller.
        seed: Seed of the order; `None` keeps the order as it is.
        epochs: Which epochs to produce, e.g. `range(3, 8)` when resuming at the fourth.
        views: Number of distinct views per photo; `None` for a fresh one each epoch.
        sizes: The size of each, int64, shape `(count,)`, if those of a batch should be alike:
            without a seed, all are sorted then.
        strata: Which class or group each is of, int64, shape `(count,)`, if as many of each are to
            be drawn in an epoch.
    """
    import tensorflow as tf

    alike = None if sizes is None else Sizes(sizes, batch_size)
    fixed = np.arange(count) if sizes is None else np.argsort(sizes, kind="stable")

    def one_epoch(epoch: Any) -> Any:
        epoch = int(epoch)
        order = fixed if seed is None else epoch_order(count, seed, epoch, alike, strata)
        return order.astype(np.int64), epoch_views(order, epoch, views).astype(np.int64)

    def batches(epoch: Any) -> Any:
        order, view = tf.numpy_function(one_epoch, [epoch], [tf.int64, tf.int64])
        pairs = (tf.ensure_shape(order, (count,)), tf.ensure_shape(view, (count,)))
        return tf.data.Dataset.from_tensor_slices(pairs).batch(batch_size)

    total = len(epochs) * math.ceil(count / batch_size)
    # Keras warns at the end of every data set whose length it does not know.
    known_length = tf.data.experimental.assert_cardinality(total)
    return tf.data.Dataset.range(epochs.start, epochs.stop).flat_map(batches).apply(known_length)


def with_targets(
    batches: "tf.data.Dataset", targets: np.ndarray, weights: np.ndarray
) -> "tf.data.Dataset":
    """Turn `(index, view, inputs)` into Keras's `(inputs, target, weight)`.

    Args:
        batches: The dataset.
        targets: One row per photo, or per view and photo, shape `(views, n, …)`.
        weights: One number per photo.
    """
    import tensorflow as tf

    by_view = targets.ndim == 3
    targets, weights = tf.constant(targets), tf.constant(weights, tf.float32)

    def look_up(index: Any, view: Any, inputs: Any) -> Any:
        place = tf.stack([view, index], axis=-1) if by_view else index[:, None]
        return inputs, tf.gather_nd(targets, place), tf.gather(weights, index)

    return batches.map(look_up)


def one_hot(examples: Examples) -> np.ndarray:
    """Return the classes as float32 rows, shape `(n, classes)`."""
    return np.eye(len(examples.class_names), dtype=np.float32)[examples.labels]


def multi_hot(examples: Examples, class_names: Sequence[str] | None = None) -> np.ndarray:
    """Return the labels as float32 rows of zeros and ones, shape `(n, labels)`.

    Args:
        examples: Examples with several labels each.
        class_names: What the columns stand for; `None` for all labels of the examples.
    """
    names = examples.class_names if class_names is None else class_names
    index = {name: i for i, name in enumerate(names)}
    rows = np.zeros((len(examples), len(index)), np.float32)
    for row, item in zip(rows, examples.items, strict=True):
        row[[index[name] for name in item.label]] = 1.0
    return rows


def numbers(examples: Examples) -> np.ndarray:
    """Return the numbers as float64, shape `(n,)`."""
    return np.array([item.label for item in examples.items], dtype=np.float64)
