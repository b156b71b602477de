"""Reading examples of different lengths that lie in memory, in batches of equal ones."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kerasrecipes.data.batches import index_batches
from kerasrecipes.data.examples import Reader

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


class PaddedReader(Reader):
    """Reads batches of examples of different lengths, whose shorter ones are padded."""

    # Type of the numbers, and how many sides a batch has.
    dtype: ClassVar[str]
    sides: ClassVar[int]

    @property
    @abstractmethod
    def sizes(self) -> np.ndarray:
        """The length of each example, int64, shape `(n,)`."""

    @abstractmethod
    def padded(self, index: np.ndarray, view: np.ndarray) -> np.ndarray:
        """Return views of some examples as one array.

        Args:
            index: Which examples.
            view: Which view of each.
        """

    def for_model(self, model: "keras.Model") -> "PaddedReader":
        """Return the reader itself: what it reads is prepared by the recipe."""
        return self

    def as_they_are(self) -> "PaddedReader":
        """Return a reader of the examples without augmentation."""
        return self

    def in_order(self, batch_size: int) -> Iterator[Any]:
        """Yield batches of all examples as they are, once, in their own order."""
        return (batch for _, batch in self._batches(None, batch_size))

    def each_once(self, batch_size: int) -> Iterator[tuple[np.ndarray, Any]]:
        """Yield batches of all examples as they are, once, sorted by length, with their index."""
        return self._batches(self.sizes, batch_size)

    def _batches(
        self, sizes: np.ndarray | None, batch_size: int
    ) -> Iterator[tuple[np.ndarray, Any]]:
        order = index_batches(len(self.examples), batch_size, None, range(1), 1, sizes)
        for index, _, found in self.as_they_are().batches(order):
            yield index.numpy(), found

    def batches(self, order: "tf.data.Dataset") -> "tf.data.Dataset":
        """Turn a dataset of `(index, view)` batches into `(index, view, inputs)`.

        The inputs have the shape `(batch, longest, …)`, padded behind the others.
        """
        import tensorflow as tf

        def read(index: np.ndarray, view: np.ndarray) -> np.ndarray:
            try:
                return self.padded(index, view)
            except Exception as error:
                self._error = error
                raise

        def load(index: Any, view: Any) -> Any:
            found = tf.numpy_function(read, [index, view], self.dtype)
            return index, view, tf.ensure_shape(found, (None,) * self.sides)

        return order.map(load)
