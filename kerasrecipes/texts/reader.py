"""Texts as batches of token ids, of equal length as far as possible."""

from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from kerasrecipes.data.padded import PaddedReader
from kerasrecipes.texts.tokens import padded

if TYPE_CHECKING:
    from kerasrecipes.texts.text_set import TextSet


class TextReader(PaddedReader):
    """Reads batches of texts; their tokens are found once.

    Args:
        texts: What to read, prepared for a model.
    """

    dtype: ClassVar[str] = "int32"
    sides: ClassVar[int] = 2

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

    def padded(self, index: np.ndarray, view: np.ndarray) -> np.ndarray:
        """Return the ids of some texts, with zeros behind the shorter ones."""
        return padded([self._ids[i] for i in index])
