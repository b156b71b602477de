"""Photos and labels of a data set that yields pairs of them, as tf.data and Keras do."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from kerasrecipes.photos.decoding.policy import DecodePolicy
from kerasrecipes.photos.sources.pixels import Pixels


def encode_pairs(
    dataset: Any, labels: list[Any], policy: DecodePolicy = DecodePolicy()
) -> Iterator[bytes]:
    """Yield photos as files, and collect the labels of each.

    Args:
        dataset: What yields `(photo, label)` or `(photos, labels)`.
        labels: What the labels are appended to.
        policy: How photos are decoded.

    Raises:
        ValueError: If it yields something else, or has no end.
    """
    pixels, count = Pixels("photos", policy), 0
    for photo, label in _pairs(dataset):
        array = np.asarray(photo)
        if array.ndim >= 3 and not pixels.is_single(array):
            if len(array) != len(label):
                raise ValueError(
                    f"A batch of `dataset` has {len(array)} photos and {len(label)} labels."
                )
            labels += list(label)
            photos = pixels.files(array, count)
        else:
            labels.append(label)
            photos = pixels.files([array], count)
        for one in photos:
            count += 1
            yield one


def _pairs(dataset: Any) -> Iterator[tuple[Any, Any]]:
    """Yield what a data set yields, once, as arrays."""
    for element in _elements(dataset):
        if isinstance(element, Mapping) and {"image", "label"} <= set(element):
            element = element["image"], element["label"]
        if not isinstance(element, list | tuple) or len(element) != 2:
            what = f"{len(element)} things" if isinstance(element, list | tuple) else "no pair"
            raise ValueError(
                "`dataset` must yield (photo, label) or (photos, labels); it yields "
                f"{what}. Bring it into this form with dataset.map(...)."
            )
        photo, label = element
        yield _plain(photo), _plain(label)


def _elements(dataset: Any) -> Iterable[Any]:
    if hasattr(dataset, "element_spec"):  # tf.data
        if int(dataset.cardinality()) == -1:
            raise ValueError("`dataset` is endless. Pass dataset.take(n), or leave .repeat() out.")
        return dataset
    if hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__"):  # Keras, or a list
        count = dataset.num_batches if hasattr(dataset, "num_batches") else len(dataset)
        if count is None:
            raise ValueError("`dataset` is endless: its num_batches is None.")
        return (dataset[i] for i in range(count))
    raise ValueError(
        f"`dataset` must be a tf.data.Dataset, a keras.utils.PyDataset or a Hugging Face Dataset, "
        f"not {type(dataset).__name__}. Arrays go into photos_from_arrays, folders into "
        "scan_photos."
    )


def _plain(tensor: Any) -> Any:
    return tensor.numpy() if hasattr(tensor, "numpy") else tensor


def stack_labels(labels: list[Any]) -> Any:
    """Return labels as one array, where they are numbers or rows of numbers."""
    if labels and all(isinstance(one, np.ndarray | np.generic) for one in labels):
        if len({np.shape(one) for one in labels}) == 1:
            return np.stack(labels)
    return labels
