"""Signals as batches, of equal length as far as possible, with NaN behind the shorter ones."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from kerasrecipes.data.padded import PaddedReader

if TYPE_CHECKING:
    from kerasrecipes.signals.signal_set import SignalSet


class SignalReader(PaddedReader):
    """Reads batches of signals.

    Args:
        signals: What to read.
    """

    dtype: ClassVar[str] = "float32"
    sides: ClassVar[int] = 3

    def __init__(self, signals: "SignalSet"):
        self.examples: SignalSet = signals

    @cached_property
    def sizes(self) -> np.ndarray:
        """Steps of each signal, int64, shape `(n,)`."""
        return np.array([len(one.values) for one in self.examples.signals], dtype=np.int64)

    @property
    def varies(self) -> bool:
        """Whether one view differs from another."""
        return False

    def identity(self) -> tuple:
        """Return what the values depend on; two readers that agree in it read the same."""
        return (tuple(one.key for one in self.examples.signals),)

    def padded(self, index: np.ndarray, view: np.ndarray) -> np.ndarray:
        """Return the values of some signals, with NaN behind the shorter ones."""
        return padded([self.examples.signals[i].values for i in index])


def padded(values: Sequence[np.ndarray]) -> np.ndarray:
    """Put signals of different lengths into one array, with NaN behind them.

    Args:
        values: float32, shape `(steps, channels)`, at least one.

    Returns:
        float32, shape `(signals, longest, channels)`.

    Example:
        >>> padded([np.zeros((2, 1)), np.ones((1, 1))])[:, :, 0].tolist()
        [[0.0, 0.0], [1.0, nan]]
    """
    longest = max(len(one) for one in values)
    found = np.full((len(values), longest, values[0].shape[1]), np.nan, np.float32)
    for row, one in zip(found, values, strict=True):
        row[: len(one)] = one
    return found
