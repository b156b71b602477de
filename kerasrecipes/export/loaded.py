"""What the runtimes of all formats share: inputs are checked, and asked about a few at a time."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from kerasrecipes.data.shapes import is_of_shape
from kerasrecipes.errors import DataError


class FileModel(ABC):
    """An exported file in its runtime; a `LoadedModel`."""

    shape: tuple[int | None, ...]
    dtype: str
    outputs: Mapping[str, int]
    batch_size: ClassVar[int] = 32

    def __call__(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Ask about examples, `batch_size` at a time.

        Args:
            inputs: Examples as the file takes them, `(n, *shape)`.

        Returns:
            The answers by name, float32 `(n, width)` each.

        Raises:
            DataError: If the inputs have another type or shape, or the file does not run.
        """
        inputs = self._checked(inputs)
        answers = {
            name: np.empty((len(inputs), width), np.float32) for name, width in self.outputs.items()
        }
        for start in range(0, len(inputs), self.batch_size):
            some = slice(start, start + self.batch_size)
            for name, found in self._answer(inputs[some]).items():
                answers[name][some] = found
        return answers

    def _checked(self, inputs: np.ndarray) -> np.ndarray:
        """Return examples if they are as the file takes them."""
        inputs = np.asarray(inputs)
        fits = inputs.ndim and is_of_shape(self.shape, inputs.shape[1:])
        if inputs.dtype != self.dtype or not fits:
            raise DataError(
                f"`inputs` must be {self.dtype} of shape ({', '.join(map(str, ('n', *self.shape)))}"
                f"), received {inputs.dtype} of shape {inputs.shape}. Decode them with "
                "Bundle.decode, without scaling."
            )
        return inputs

    @abstractmethod
    def _answer(self, inputs: np.ndarray) -> Mapping[str, np.ndarray]:
        """Run the model on at most `batch_size` examples; return all outputs by name."""
