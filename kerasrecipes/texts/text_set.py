"""The texts of one data set: what they are called, what they say, what was found in them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.data.examples import CLASS, Examples
from kerasrecipes.data.findings.check import CheckReport
from kerasrecipes.data.specs import ModelInput
from kerasrecipes.data.tables.table import Excluded
from kerasrecipes.errors import DataError, listed
from kerasrecipes.texts.augment import get_text_augmentation
from kerasrecipes.texts.check import check_texts
from kerasrecipes.texts.pairs import BETWEEN
from kerasrecipes.texts.reader import TextReader
from kerasrecipes.texts.similar import near_duplicates
from kerasrecipes.texts.tokens import Tokens, padded

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, slots=True)
class Text:
    """One labelled text.

    Args:
        text: The text.
        label: Its class; its labels, as a tuple; or its number: see `TextSet.target`.
        name: What to call it: its row in the table, or its file.
        group: The author, thread or customer that it belongs to, if that is known.
        time: When it was written, if that is known.
        split: The side that the folder or table gives it: `"train"`, `"val"` or `"test"`.
        row: Its row in the table, if there is one.
        key: SHA-256 of the text: texts with the same one are the same.
    """

    text: str = field(repr=False)
    label: str | tuple[str, ...] | float
    name: str
    group: str | None = None
    time: datetime | None = None
    split: str | None = None
    row: int | None = None
    key: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", sha256(self.text.encode()).hexdigest())

    @property
    def size_bytes(self) -> int:
        """Size of the text in UTF-8."""
        return len(self.text.encode())


@dataclass(frozen=True, repr=False)
class TextSet(Examples):
    """An immutable list of labelled texts with one list of classes.

    Args:
        texts: The usable texts, in a stable order.
        class_names: All classes, sorted, or in the order that somebody gave; a subset of a set
            keeps the classes of the whole.
        root: The folder or table that was scanned.
        excluded: What could not be used as texts.
        ignored: Files of a folder that are no texts at all, as paths.
        tokens: How the texts become token ids, as a model wants it; `None` before there is one.
        target: What a text is answered with: `"class"`, `"labels"` or `"number"`.
        ordered: Whether somebody gave the order of the classes.
        split_by: How it was split off a larger set; see `Examples`.
        pairs: Whether each is a pair of texts, with a tab between the two.
    """

    modality: ClassVar[str] = "texts"
    noun: ClassVar[tuple[str, str]] = ("text", "texts")

    texts: tuple[Text, ...]
    class_names: tuple[str, ...]
    root: Path
    excluded: tuple[Excluded, ...] = ()
    ignored: tuple[Path, ...] = ()
    tokens: Tokens | None = field(default=None, compare=False)
    target: str = CLASS
    ordered: bool = False
    split_by: str = field(default="", compare=False)
    pairs: bool = False

    @property
    def items(self) -> tuple[Text, ...]:
        """The texts."""
        return self.texts

    def with_items(self, items: Iterable[Text]) -> Self:
        """Return other texts under the same classes; what was left out is not theirs."""
        return replace(self, texts=tuple(items), excluded=(), ignored=())

    def as_side(self, split_by: str) -> Self:
        """Return the texts as one side of a split, which remembers how it was made."""
        return replace(self, split_by=split_by)

    def ids(self) -> list[np.ndarray]:
        """Return the token ids of all texts, int32, one array for each.

        Raises:
            DataError: If nothing says how they are made.
        """
        if self.tokens is None:
            raise DataError(
                "These texts are not prepared for a model: nothing says which tokenizer reads "
                "them. Pass them to a TextClassifier, or to the `scan` of a bundle."
            )
        return self.tokens.ids([one.text for one in self.texts])

    def cautions(self) -> list[str]:
        """Say how many texts lose their end to `max_tokens`, if any does."""
        if self.tokens is None or not self.texts:
            return []
        lengths = self.tokens.lengths([one.text for one in self.texts])
        longer = np.flatnonzero(lengths > self.tokens.max_tokens)
        if not len(longer):
            return []
        names = listed([self.texts[i].name for i in longer])
        noun, of, hint = "texts", "", ", or cut them into parts by chunk_texts"
        if self.pairs:
            lost = (self.tokens.lost([self.texts[i].text for i in longer]) > 0).sum(axis=0)
            noun, hint = "pairs of texts", ""
            of = f" of the first text in {lost[0]:,} and of the second in {lost[1]:,}"
        return [
            f"{len(longer):,} of {len(self):,} {noun} are longer than `max_tokens`="
            f"{self.tokens.max_tokens} and lose their end{of} ({names}); the longest has "
            f"{lengths.max():,} tokens. Raise `max_tokens` if that matters{hint}."
        ]

    def read_otherwise(self, other: Self) -> str:
        """Say why one model could not read both: one has pairs."""
        return "" if self.pairs == other.pairs else "one has pairs of texts, and the other single"

    def is_of(self, item: Text, row: Mapping[str, object]) -> bool:
        """Tell whether a row of a table holds a text."""
        cells = [str(cell) for cell in row.values()]
        if not self.pairs:
            return item.text in cells
        cells = [cell.replace(BETWEEN, " ") for cell in cells]
        return all(one in cells for one in item.text.split(BETWEEN))

    def reader(
        self, model: "keras.Model | None", augmentation: Any = None, seed: int = 0
    ) -> TextReader:
        """Return what reads the texts, or views of them, as token ids."""
        return TextReader(self, get_text_augmentation(augmentation or "none"), seed)

    def near_duplicates(self) -> list[tuple[int, int]]:
        """Find texts that say the same; see `kerasrecipes.texts.similar`."""
        return near_duplicates([one.text for one in self.texts])

    def each(self, shape: tuple[int | None, ...]) -> Iterator[np.ndarray]:
        """Yield the token ids of one text at a time, int32, shape `(tokens,)`."""
        return iter(self.ids())

    def shown(self, shape: tuple[int | None, ...]) -> "Iterator[np.ndarray | str]":
        """Yield the texts."""
        return (one.text for one in self.texts)

    def stack(self, shape: tuple[int | None, ...]) -> np.ndarray:
        """Return the token ids of all texts, int32, with zeros behind the shorter ones."""
        return padded(self.ids())

    def file_of(self, index: int) -> tuple[str, bytes]:
        """Return the ending and the bytes of a file that holds one text, in UTF-8."""
        return "txt", self.texts[index].text.encode()

    def input_spec(self, model: "keras.Model") -> ModelInput:
        """Describe the token ids that a model takes, and how they are made."""
        return ModelInput.of(model, "int32", {} if self.tokens is None else self.tokens.to_dict())

    @named
    def check(self, *others: "TextSet") -> CheckReport:
        """Look for faults and leaks; see `kerasrecipes.check_texts`."""
        return check_texts(self, *others)
