"""Judging a fitted Keras model on photos, and timing it."""

import time

import numpy as np

from kerasrecipes.data.photos import PhotoSet
from kerasrecipes.errors import DataError, listed
from kerasrecipes.inference import predict_scores

LATENCY_RUNS = 30


def measure(model, photos: PhotoSet, class_names: tuple[str, ...], seed: int):
    """Score photos, time single ones, and judge the scores.

    Returns:
        The class indices `(n,)`, the scores, float32 `(n, classes)`, and an `Evaluation`.

    Raises:
        DataError: If the photos have other classes than the model, or there are none.
    """
    from kerasrecipes.evaluation.classification import evaluate_scores

    labels = class_indices(photos, class_names)
    scores = predict_scores(model, photos)
    latency = _latency_ms(model)
    return (
        labels,
        scores,
        evaluate_scores(labels, scores, class_names, latency_ms=latency, seed=seed),
    )


def class_indices(photos: PhotoSet, class_names: tuple[str, ...]) -> np.ndarray:
    """Return the class of each photo by its number in a model.

    Args:
        photos: Labelled photos.
        class_names: The classes that the model knows, in the order of its scores.

    Returns:
        int64, shape `(n,)`.

    Raises:
        DataError: If the photos have other classes.
    """
    unknown = sorted(set(photos.class_names) - set(class_names))
    if unknown:
        raise DataError(
            f"The model does not know the classes {listed(unknown)}; "
            f"it was trained on {listed(class_names, 8)}."
        )
    index = {name: i for i, name in enumerate(class_names)}
    return np.array([index[photo.label] for photo in photos.photos], dtype=np.int64)


def _latency_ms(model) -> list[float]:
    """Time single photos through Keras; what counts on a device is the exported file's."""
    photo = np.full((1, *model.input.shape[1:]), 127, np.float32)
    times = []
    for _ in range(LATENCY_RUNS + 3):
        started = time.perf_counter()
        model.predict_on_batch(photo)
        times.append((time.perf_counter() - started) * 1e3)
    return times[3:]
