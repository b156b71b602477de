"""Texts as batches of token ids, of equal length as far as possible."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.data.batches import index_batches
from kerasrecipes.data.examples import Reader
from kerasrecipes.texts.tokens import padded

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from kerasrecipes.texts.text_set import TextSet


class TextReader(Reader):
    """Reads batches of texts; their tokens are found once.

    Args:
        texts: What to read, prepared for a model.
    """

    def __init__(self, texts: "TextSet"):
        self.examples: TextSet = texts

    @cached_property
    def _ids(self) -> list[np.ndarray]:
        return self.examples.ids()

    @cached_property
    def sizes(self) -> np.ndarray:
        """Tokens of each text, int64, shape `(n,)`."""
        return np.array([len(one) for one in self._ids], dtype=np.int64)

    @property
    def varies(self) -> bool:
        """Whether one view differs from another; no text is changed."""
        return False

    def identity(self) -> tuple:
        """Return what the ids depend on; two readers that agree in it read the same."""
        return tuple(one.key for one in self.examples.texts), self.examples.tokens

    def for_model(self, model: "keras.Model") -> "TextReader":
        """Return the reader itself: the tokens are those of the recipe."""
        return self

    def in_order(self, batch_size: int) -> Iterator[Any]:
        """Yield batches of all texts, once, in their own order.

        A batch is an int32 tensor of shape `(batch, tokens of the longest)`.
        """
        return (batch for _, batch in self._batches(None, batch_size))

    def each_once(self, batch_size: int) -> Iterator[tuple[np.ndarray, Any]]:
        """Yield batches of all texts, once, sorted by length, with the index of each."""
        return self._batches(self.sizes, batch_size)

    def _batches(
        self, sizes: np.ndarray | None, batch_size: int
    ) -> Iterator[tuple[np.ndarray, Any]]:
        order = index_batches(len(self.examples), batch_size, None, range(1), 1, sizes)
        for index, _, ids in self.batches(order):
            yield index.numpy(), ids

    def batches(self, order: "tf.data.Dataset") -> "tf.data.Dataset":
        """Turn a dataset of `(index, view)` batches into `(index, view, ids)`.

        The ids are int32, shape `(batch, tokens of the longest)`, with zeros behind the others.
        """
        import tensorflow as tf

        known = self._ids

        def read(indices: np.ndarray) -> np.ndarray:
            return padded([known[i] for i in indices])

        def load(index: Any, view: Any) -> Any:
            ids = tf.numpy_function(read, [index], tf.int32)
            return index, view, tf.ensure_shape(ids, (None, None))

        return order.map(load)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Raise what went wrong: the texts lie in memory, so that nothing can."""
        yield
