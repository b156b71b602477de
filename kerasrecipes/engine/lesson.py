"""What a model is trained towards: by labels, or by what larger models say."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Lesson:
    """What all stages of a fit compare a model's output with.

    Args:
        trains: Name of the layer whose output the loss is computed on; weights behind it are
            not trained.
        loss: The loss.
        metrics: Makes the metrics that are shown.
        targets: What the loss compares with on each side, `(n, …)` or `(views, n, …)`.
        weights: How much each training example counts, shape `(n,)`.
        monitor: What the best epoch is told by, one of the values that a validation logs.
        strata: Which class or group each training example is of, int64, shape `(n,)`, where as
            many of each are to be drawn in an epoch; `None` for each example once.
    """

    trains: str
    loss: "keras.losses.Loss"
    metrics: "Callable[[], list[keras.metrics.Metric]]"
    targets: tuple[np.ndarray, ...]
    weights: np.ndarray
    monitor: str = "val_loss"
    strata: np.ndarray | None = None
