"""Training a model whose weights share few values, so that they still do afterwards."""

import re
from typing import Any

import keras
import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.callbacks.base import Resumable
from kerasrecipes.callbacks.zeros.kernels import find_kernels
from kerasrecipes.errors import listed

# The cluster of what is zero when training begins.
ZERO = -1


@named
class HoldClusters(Resumable, keras.callbacks.Callback):
    """Let weights that have one value when training begins keep one value, which is trained.

    After each step, the weights of a cluster are set to their mean: for plain gradient
    descent this is the step that one shared weight would take, for its mean gradient. Zeros
    stay zero.

    Args:
        match: Regular expression, searched in the names of layers.

    Raises:
        ValueError: While training, if no kernel of a matching layer shares values.

    Example:
        >>> HoldClusters().summary()
        {'kernels': 0}

    Reference:
        Han et al., 2016, "Deep Compression", section 3, arXiv 1510.00149.
    """

    STATE = ("_clusters",)

    def __init__(self, match: str = ""):
        super().__init__()
        self.match = match
        self._clusters: dict[str, np.ndarray] = {}

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._kernels = find_kernels(self.model)
        matching = [name for name in self._kernels if re.search(self.match, name)]
        self._clusters = {}
        for name in matching:
            values, cluster = np.unique(self._kernels[name].numpy(), return_inverse=True)
            # About two weights for each value; less is not worth the name.
            if 2 * len(values) <= cluster.size + 1:
                numbers = np.where(values == 0, ZERO, np.arange(len(values)))
                self._clusters[name] = numbers[cluster.ravel()]
        if not self._clusters:
            raise ValueError(
                f"HoldClusters finds no shared values in the kernels of {listed(matching)}, so it "
                "would have no effect. Call cluster_weights on the model first."
            )

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._hold()

    def _hold(self) -> None:
        for name, cluster in self._clusters.items():
            kernel = self._kernels[name]
            sums = np.bincount(cluster - ZERO, kernel.numpy().ravel())
            means = sums / np.bincount(cluster - ZERO).clip(1)
            means[0] = 0
            kernel.assign(means[cluster - ZERO].reshape(kernel.shape).astype("float32"))

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._hold()

    def summary(self) -> dict:
        """Return what a report should say."""
        return {"kernels": len(self._clusters)}
