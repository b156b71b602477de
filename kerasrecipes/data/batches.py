"""The order in which examples are read, and what they are answered with, as arrays.

Keras repeats one permutation every epoch after `set_random_seed`, and tf.data's shuffle
buffer depends on its history. Here the order is a pure function of the seed and the epoch.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.data.examples import Examples

if TYPE_CHECKING:
    import tensorflow as tf


def epoch_order(count: int, seed: int, epoch: int) -> np.ndarray:
    """Return the permutation of `count` photos in one epoch, int64, shape `(count,)`."""
    return np.random.default_rng([seed, epoch]).permutation(count)


def epoch_views(order: np.ndarray, epoch: int, views: int | None) -> np.ndarray:
    """Return which view of each photo an epoch shows, int64, shape `(count,)`.

    Args:
        order: Photo indices.
        epoch: The epoch, from 0.
        views: Number of distinct views per photo; `None` for a fresh one each epoch.
    """
    return np.full(len(order), epoch) if views is None else (order + epoch) % views


def index_batches(
    count: int, batch_size: int, seed: int | None, epochs: range, views: int | None
) -> "tf.data.Dataset":
    """Return a dataset of `(photo index, view)` batches, epoch after epoch.

    Args:
        count: Number of photos.
        batch_size: Photos per batch; the last batch of an epoch may be smaller.
        seed: Seed of the order; `None` keeps the order as it is.
        epochs: Which epochs to produce, e.g. `range(3, 8)` when resuming at the fourth.
        views: Number of distinct views per photo; `None` for a fresh one each epoch.
    """
    import tensorflow as tf

    def one_epoch(epoch: Any) -> Any:
        epoch = int(epoch)
        order = np.arange(count) if seed is None else epoch_order(count, seed, epoch)
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
