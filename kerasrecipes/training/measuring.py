"""Judging a fitted Keras model on photos, and timing it."""

import time

import numpy as np

from kerasrecipes.data.inference import predict_scores
from kerasrecipes.photos.photo_set import PhotoSet

LATENCY_RUNS = 30


def measure(model, photos: PhotoSet, class_names: tuple[str, ...], seed: int):
    """Score photos, time single ones, and judge the scores.

    Returns:
        The class indices `(n,)`, the scores, float32 `(n, classes)`, and an `Evaluation`.

    Raises:
        DataError: If the photos have other classes than the model, or there are none.
    """
    from kerasrecipes.evaluation.classification import evaluate_scores

    labels = photos.labels_among(class_names)
    scores = predict_scores(model, photos)
    latency = _latency_ms(model)
    return (
        labels,
        scores,
        evaluate_scores(labels, scores, class_names, latency_ms=latency, seed=seed),
    )


def _latency_ms(model) -> list[float]:
    """Time single photos through Keras; what counts on a device is the exported file's."""
    photo = np.full((1, *model.input.shape[1:]), 127, np.float32)
    times = []
    for _ in range(LATENCY_RUNS + 3):
        started = time.perf_counter()
        model.predict_on_batch(photo)
        times.append((time.perf_counter() - started) * 1e3)
    return times[3:]
