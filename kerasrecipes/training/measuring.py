"""Judging a fitted Keras model on examples, and timing it."""

import time
from typing import TYPE_CHECKING

import numpy as np

from kerasrecipes.data.examples import Examples
from kerasrecipes.data.inference import predict_scores
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.evaluation.task import Evaluated
from kerasrecipes.heads import get_task

if TYPE_CHECKING:
    import keras

LATENCY_RUNS = 30


def measure(
    model: "keras.Model", examples: Examples, output: OutputSpec, seed: int
) -> tuple[np.ndarray, np.ndarray, Evaluated]:
    """Ask a model about examples, time single ones, and judge the answers.

    Args:
        model: The fitted model.
        examples: Labelled examples.
        output: What the model answers with.
        seed: Seed of the resampling.

    Returns:
        The targets, one row each, the answers, float32, and an evaluation.

    Raises:
        DataError: If the examples have other classes than the model, or there are none.
    """
    task = get_task(output.task)
    targets = task.targets(examples, output)
    answers = predict_scores(model, examples)
    evaluation = task.evaluate(
        targets,
        answers,
        output,
        groups=[item.group for item in examples.items],
        latency_ms=_latency_ms(model),
        seed=seed,
    )
    return targets, answers, evaluation


def _latency_ms(model: "keras.Model") -> list[float]:
    """Time single examples through Keras; what counts on a device is the exported file's."""
    example = np.full((1, *model.input.shape[1:]), 127, np.float32)
    times = []
    for _ in range(LATENCY_RUNS + 3):
        started = time.perf_counter()
        model.predict_on_batch(example)
        times.append((time.perf_counter() - started) * 1e3)
    return times[3:]
