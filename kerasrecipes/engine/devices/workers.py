"""One of several processes that train together: each computes its share of every batch.

Under `MultiWorkerMirroredStrategy`, Keras's `fit` fails in several places. So each process fits
as if it were alone, and the strategy does one thing: it adds up what the workers computed.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from kerasrecipes.errors import TrainingError
from kerasrecipes.records import parse_json

WORKERS = "workers"


def worker_place() -> tuple[int, int]:
    """Return which worker this process is, and how many there are.

    Raises:
        ValueError: If the environment variable TF_CONFIG does not say so.
    """
    found = os.environ.get("TF_CONFIG", "")
    try:
        told = parse_json(found)
        index, count = told["task"]["index"], len(told["cluster"]["worker"])
        if told["task"]["type"] == "worker" and set(told["cluster"]) == {"worker"}:
            if type(index) is int and 0 <= index < count > 1:
                return index, count
    except (ValueError, LookupError, TypeError):
        pass
    raise ValueError(
        "`devices='workers'` needs the environment variable TF_CONFIG to name at least 2 workers, "
        'and which of them this process is, e.g. {"cluster": {"worker": ["10.0.0.1:2222", '
        f'"10.0.0.2:2222"]}}, "task": {{"type": "worker", "index": 0}}}}, not {found!r}.'
    )


def check_first_worker(devices: str | int | Sequence[str] | None) -> None:
    """Find out whether this process may write files.

    Args:
        devices: The recipe's `devices`.

    Raises:
        ValueError: If another worker does.
    """
    if devices == WORKERS and worker_place()[0]:
        raise ValueError(
            f"This is worker {worker_place()[0]}. All workers hold the same model, and worker 0 "
            "saves it. Call `save` there alone."
        )


@cache
def meet_workers() -> Any:
    """Return the strategy that connects this process to the others, once they are there.

    Raises:
        ValueError: If it is too late, or a worker has several GPUs.
    """
    import tensorflow as tf

    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        raise ValueError(
            "`devices='workers'` must find the other workers before tensorflow computes anything "
            "in this process. Call `fit` first of all, and begin from a backbone's name."
        ) from error
    if strategy.num_replicas_in_sync != worker_place()[1]:
        raise ValueError(
            "`devices='workers'` takes one process per GPU. Start one for each, with "
            "CUDA_VISIBLE_DEVICES naming it."
        )
    return strategy


@contextmanager
def told_of_lost_workers() -> Iterator[None]:
    """Say what it means that a sum over all workers failed.

    Raises:
        TrainingError: If a worker is gone.
    """
    import tensorflow as tf

    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
        raise TrainingError(
            "Another worker has failed or cannot be reached; its own messages say why. Start all "
            "workers again."
        ) from error
