"""Sharing weights: each kernel gets along with a few different values."""

import re
from typing import TYPE_CHECKING

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.errors import listed
from kerasrecipes.optimization.weight_report import WeightReport, report_weights

if TYPE_CHECKING:
    import keras

PASSES = 100


@named
def cluster_weights(model: "keras.Model", clusters: int = 16, match: str = "") -> WeightReport:
    """Replace the weights of each kernel by the nearest of a few values.

    Only a compressed file gets smaller. Zeros stay zero and are one of the values. To train
    on afterwards, pass `HoldClusters()` to `fit`.

    Args:
        model: A built model, changed in place.
        clusters: Values per kernel, 2 to 256.
        match: Regular expression, searched in the names of layers.

    Returns:
        The values and sizes now; print it.

    Raises:
        ValueError: If `clusters` is not usable, or no kernel of a matching layer has more
            values than that.

    Example:
        >>> report = cluster_weights(get_backbone("efficientnet_lite0").build(32, None), 16)
        >>> max(row.values for row in report.rows)
        16

    Reference:
        Han et al., 2016, "Deep Compression", section 3 with linear initialisation,
        arXiv 1510.00149.
    """
    from kerasrecipes.callbacks.zeros.kernels import find_kernels

    if not isinstance(clusters, int) or not 2 <= clusters <= 256:
        raise ValueError(f"`clusters` must be a whole number from 2 to 256, not {clusters!r}.")
    kernels = find_kernels(model)
    matching = {name: kernel for name, kernel in kernels.items() if re.search(match, name)}
    changed = 0
    for kernel in matching.values():
        values = kernel.numpy()
        if len(np.unique(values)) > clusters:
            kernel.assign(shared_values(values, clusters))
            changed += 1
    if not changed:
        why = f"have no more than {clusters} values" if matching else f"match {match!r}: none"
        raise ValueError(
            f"`cluster_weights` would change nothing: of the kernels {listed(kernels)}, those "
            f"that count {why}. Lower `clusters`, or change `match`."
        )
    return report_weights(model)


def shared_values(values: np.ndarray, clusters: int) -> np.ndarray:
    """Replace values by the means of their clusters, found by k-means from even spacing.

    Args:
        values: Any shape; exact zeros stay and take one cluster.
        clusters: How many different values there are at most afterwards.

    Returns:
        float32, of the same shape.

    Example:
        >>> shared_values(np.array([0.0, 1.0, 1.5, 9.0]), 3).tolist()
        [0.0, 1.25, 1.25, 9.0]
    """
    flat = values.ravel().astype("float64")
    alive = flat != 0
    ordered = np.sort(flat[alive])
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    count = clusters if alive.all() else clusters - 1
    centres = np.linspace(ordered[0], ordered[-1], count)
    for _ in range(PASSES):
        # On a line, a cluster is what lies between two midpoints.
        inner = np.searchsorted(ordered, (centres[1:] + centres[:-1]) / 2)
        ends = np.concatenate([[0], inner, [len(ordered)]])
        sizes = np.diff(ends)
        means = np.where(sizes > 0, np.diff(sums[ends]) / sizes.clip(1), centres)
        if np.array_equal(means, centres):
            break
        centres = means
    nearest = np.searchsorted((centres[1:] + centres[:-1]) / 2, flat)
    return np.where(alive, centres[nearest], 0).reshape(values.shape).astype("float32")
