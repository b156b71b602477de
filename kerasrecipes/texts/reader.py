"""Texts as batches of token ids, of equal length as far as possible."""

from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, cast

import numpy as np

from kerasrecipes.data.padded import PaddedReader
from kerasrecipes.texts.augment import Augmenter, TextAugmentation
from kerasrecipes.texts.tokens import Tokens, padded

if TYPE_CHECKING:
    from kerasrecipes.texts.text_set import TextSet


class TextReader(PaddedReader):
    """Reads batches of texts; the tokens of each view are found once.

    Args:
        texts: What to read, prepared for a model.
        augmentation: How views differ from the text.
        seed: Seed of the views.
    """

    dtype: ClassVar[str] = "int32"
    sides: ClassVar[int] = 2

    def __init__(
        self,
        texts: "TextSet",
        augmentation: TextAugmentation = TextAugmentation(),
        seed: int = 0,
    ):
        self.examples: TextSet = texts
        self._augmentation, self._seed = augmentation, seed
        self._views: dict[int, list[np.ndarray]] = {}

    @cached_property
    def _ids(self) -> list[np.ndarray]:
        return self.examples.ids()

    @cached_property
    def sizes(self) -> np.ndarray:
        """Tokens of each text, int64, shape `(n,)`."""
        return np.array([len(one) for one in self._ids], dtype=np.int64)

    @property
    def varies(self) -> bool:
        """Whether one view differs from another."""
        return self._augmentation != TextAugmentation()

    def identity(self) -> tuple:
        """Return what the ids depend on; two readers that agree in it read the same."""
        drawn = (self._augmentation, self._seed) if self.varies else ()
        return tuple(one.key for one in self.examples.texts), self.examples.tokens, *drawn

    def view(self, view: int) -> list[np.ndarray]:
        """Return the token ids of one view of all texts, int32, one array for each.

        Args:
            view: Which view, from 0; the first is the text itself.

        Raises:
            DataError: If a function of the user's returns no text.
        """
        if view == 0 or not self.varies:
            return self._ids
        if view not in self._views:
            # Never longer than the longest text, for which there is room wherever these are kept.
            texts, longest = [one.text for one in self.examples.texts], int(self.sizes.max())
            self._views[view] = self._augmenter.ids(texts, view, longest)
        return self._views[view]

    def padded(self, index: np.ndarray, view: np.ndarray) -> np.ndarray:
        """Return the ids of one view of some texts, with zeros behind the shorter ones."""
        return padded([self.view(v)[i] for i, v in zip(index, view, strict=True)])

    @cached_property
    def _augmenter(self) -> Augmenter:
        if self.examples.tokens is None:
            self.examples.ids()  # says what is missing
        return Augmenter(self._augmentation, cast("Tokens", self.examples.tokens), self._seed)
