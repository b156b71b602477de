"""What zeros and shared values in the weights are worth, in bytes."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.environment import silenced
from kerasrecipes.statistics.shown import Part, Shown
from kerasrecipes.statistics.tables import Table
from kerasrecipes.surgery.converting.converter import tflite_converter
from kerasrecipes.surgery.multiply_adds import count_multiply_adds

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class KernelRow:
    """One kernel.

    Args:
        layer: Name of its layer.
        weights: How many it has.
        zeros: How many of them are zero.
        values: How many different values they have.
    """

    layer: str
    weights: int
    zeros: int
    values: int


@dataclass(frozen=True)
class WeightReport(Shown):
    """How sparse and how compressible the weights of a model are.

    Zeros and repeated values take as much room as others until a file is compressed: the
    model in memory has the raw size, a download has the zipped one.

    Args:
        rows: The kernels of convolutions and dense layers.
        raw_bytes: Size of all weights of the model, as they are.
        zipped_bytes: The same, deflated, as in a zip archive or an app package.
    """

    rows: tuple[KernelRow, ...]
    raw_bytes: int
    zipped_bytes: int

    @property
    def sparsity(self) -> float:
        """Fraction of zeros in the kernels."""
        return sum(row.zeros for row in self.rows) / sum(row.weights for row in self.rows)

    def parts(self) -> Iterator[Part]:
        """Yield the kernels, and what all weights take."""
        rows = tuple(
            (row.layer, str(row.weights), f"{row.zeros / row.weights:.0%}", str(row.values))
            for row in self.rows
        )
        heads = ("layer", "weights", "zero", "values")
        yield Table("", heads, rows, right=(1, 2, 3), name_width=60)
        yield (
            f"{self.sparsity:.1%} of the kernels' weights are zero. All weights take "
            f"{self.raw_bytes / 1e6:.2f} MB, zipped {self.zipped_bytes / 1e6:.2f} MB."
        )


@named
def report_weights(model: "keras.Model") -> WeightReport:
    """Count zeros and different values in a model's kernels, and zip its weights.

    Args:
        model: A built model.

    Returns:
        The counts and sizes; print them.

    Raises:
        ValueError: If the model has no convolution and no dense layer.

    Example:
        >>> report = report_weights(get_backbone("efficientnet_lite0").build(32, None))
        >>> len(report.rows)
        33
    """
    from kerasrecipes.callbacks.zeros.kernels import find_kernels

    rows = []
    for name, kernel in find_kernels(model).items():
        values = kernel.numpy()
        zeros = int((values == 0).sum())
        rows.append(KernelRow(name, values.size, zeros, len(np.unique(values))))
    if not rows:
        raise ValueError(f"The model {model.name!r} has no convolution and no dense layer.")
    content = b"".join(np.ascontiguousarray(weight).tobytes() for weight in model.get_weights())
    return WeightReport(tuple(rows), len(content), len(zlib.compress(content)))


def model_facts(model: "keras.Model") -> dict[str, float]:
    """Count a model's parameters, arithmetic, zeros and bytes.

    Args:
        model: A functional model of convolutions and dense layers.

    Returns:
        `parameters`, `weight_bytes`, `zipped_bytes`, `zero_fraction`, and `multiply_adds` where
        it can be counted.
    """
    weights = report_weights(model)
    facts = {
        "parameters": model.count_params(),
        "weight_bytes": weights.raw_bytes,
        "zipped_bytes": weights.zipped_bytes,
        "zero_fraction": weights.sparsity,
    }
    try:
        facts["multiply_adds"] = count_multiply_adds(model)
    except ValueError:
        pass  # a layer with products that this cannot count
    return facts


def sparse_bytes(model: "keras.Model") -> int:
    """Return the size of a float32 `.tflite` file whose zeros are left out.

    Args:
        model: A functional model, photos to scores.
    """
    import tensorflow as tf

    with silenced(), tflite_converter(model) as converter:
        converter.optimizations = [tf.lite.Optimize.EXPERIMENTAL_SPARSITY]
        return len(converter.convert())
