"""Long texts in parts that overlap, and one answer from those of the parts."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.errors import DataError, is_number

if TYPE_CHECKING:
    from kerasrecipes.texts.text_set import TextSet

MOST_WORDS = 10_000


@dataclass(frozen=True)
class Chunks:
    """The parts of some texts.

    Args:
        whole: The texts.
        texts: Their parts, in the order of the texts, to be learned from or asked about like any
            others. The parts of a text are one group, so that no split separates them.
        of: The place of the text that each part is of, int64, shape `(parts,)`.
    """

    whole: "TextSet"
    texts: "TextSet"
    of: np.ndarray

    @named
    def pooled(self, answers: np.ndarray) -> np.ndarray:
        """Return one answer for each text: the mean of those for its parts.

        Args:
            answers: What a model answers, one row for each of `texts`.

        Returns:
            float64, one row for each of `whole`.

        Raises:
            DataError: If there is not one row for each part.
        """
        if len(answers) != len(self.of):
            raise DataError(
                f"There are {len(self.of)} parts and {len(answers)} answers. Pass the answers for "
                "`texts`, in their order."
            )
        found = np.zeros((len(self.whole), *answers.shape[1:]))
        np.add.at(found, self.of, answers)
        counts = np.bincount(self.of, minlength=len(self.whole))
        return found / counts.reshape(-1, *[1] * (answers.ndim - 1))


@named
def chunk_texts(texts: "TextSet", *, words: int = 80, overlap: int = 20) -> Chunks:
    """Cut long texts into parts that overlap; shorter ones stay as they are.

    A model reads the beginning of a text alone, up to `max_tokens`. Where what matters may stand
    anywhere, let it learn from parts, and pool what it answers for these.

    Args:
        texts: Scanned texts.
        words: The most words of a part; an English word has about 1.3 tokens.
        overlap: Words that a part has in common with the one before.

    Returns:
        The parts; `Chunks.pooled` makes one answer of theirs.

    Raises:
        ValueError: If a number cannot be used.
        DataError: If they are pairs of texts.

    Example:
        >>> chunks = chunk_texts(texts, words=5, overlap=2)
        >>> len(chunks.texts) > len(texts)
        True
    """
    if not is_number(words, 2, MOST_WORDS, whole=True):
        raise ValueError(f"`words` must be a whole number from 2 to {MOST_WORDS}, not {words!r}.")
    if not is_number(overlap, 0, words - 1, whole=True):
        raise ValueError(
            f"`overlap` must be a whole number below `words`, which is {words}, not {overlap!r}."
        )
    if texts.pairs:
        raise DataError(
            "These are pairs of texts, and a part of one would lack what it is compared with. "
            "Raise `max_tokens` instead."
        )
    any_long = any(len(one.text.split()) > words for one in texts.texts)
    parts, of = [], []
    for place, one in enumerate(texts.texts):
        found = one.text.split()
        starts = range(0, max(1, len(found) - overlap), words - overlap)
        # Where there are groups, all have one: a text is its own unless it belongs to a larger one.
        group = one.group or (one.name if any_long else None)
        for number, start in enumerate(starts, 1):
            text = " ".join(found[start : start + words]) if len(starts) > 1 else one.text
            name = f"{one.name}, part {number}" if len(starts) > 1 else one.name
            parts.append(replace(one, text=text, name=name, group=group))
            of.append(place)
    return Chunks(texts, texts.with_items(parts), np.array(of, dtype=np.int64))
