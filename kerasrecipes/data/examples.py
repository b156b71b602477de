"""Examples of any kind: what they are called, what they should be answered with, what reads them.

The seam between what is common to all kinds of data and what belongs to one of them: the rest of
the package knows photos, texts or signals only through these types.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.data.specs import ModelInput
from kerasrecipes.data.tables.spelling import in_one_spelling
from kerasrecipes.errors import DataError, listed

if TYPE_CHECKING:
    import keras

    from kerasrecipes.data.findings.check import CheckReport

# What an example may be answered with: one class, any number of labels, or a number.
CLASS, LABELS, NUMBER = "class", "labels", "number"
FEW = 9
_ANY = 5  # beside the fifths


class Example(Protocol):
    """One thing to learn from or to answer."""

    @property
    def key(self) -> str:
        """Hex digest of the content: two with the same key are the same."""

    @property
    def name(self) -> str:
        """What people call it, e.g. its path."""

    @property
    def label(self) -> Any:
        """A class; a tuple of labels; or a number: as `Examples.target` says."""

    @property
    def group(self) -> str | None:
        """The part, patient or board that it belongs to, if that is known."""

    @property
    def time(self) -> datetime | None:
        """When it was taken, if that is known."""

    @property
    def split(self) -> str | None:
        """The side that its source gives it: `"train"`, `"val"` or `"test"`."""

    @property
    def size_bytes(self) -> int:
        """Bytes that keeping it takes."""


class Reader(ABC):
    """Reads examples as a model takes them, in batches, view by view.

    Args:
        examples: What it reads.
    """

    examples: "Examples"
    _error: Exception | None = None  # what `batches` met, for `errors`

    @property
    def sizes(self) -> np.ndarray | None:
        """The size of each example, int64, shape `(n,)`, where a batch should have equal ones."""
        return None

    @property
    @abstractmethod
    def varies(self) -> bool:
        """Whether one view differs from another."""

    @abstractmethod
    def identity(self) -> tuple:
        """Return what a view depends on besides its number; readers that agree in it read alike."""

    @abstractmethod
    def for_model(self, model: "keras.Model") -> "Reader":
        """Return a reader of the same views, as another model takes them."""

    @abstractmethod
    def in_order(self, batch_size: int) -> Iterator[Any]:
        """Yield batches of all examples as they are, once, in their own order."""

    def each_once(self, batch_size: int) -> Iterator[tuple[np.ndarray, Any]]:
        """Yield batches of all examples as they are, once, with the index of each, int64.

        Where they have sizes, a batch has equal ones, so that hardly anything is padded.
        """
        done = 0
        for batch in self.in_order(batch_size):
            yield np.arange(done, done + len(batch)), batch
            done += len(batch)

    @abstractmethod
    def batches(self, order: Any) -> Any:
        """Turn a dataset of `(index, view)` batches into `(index, view, inputs)`."""

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Raise what reading ended with, in place of the error that tf.data makes of it."""
        try:
            yield
        except Exception as error:
            if self._error is None:
                raise
            raise self._error from error


class Examples(ABC):
    """An immutable list of examples with one list of classes. A subclass is a kind of data.

    Args:
        class_names: All classes or labels, sorted or in an order that somebody gave; none for
            numbers.
        ordered: Whether somebody gave their order.
        target: What an example is answered with: `"class"`, `"labels"` or `"number"`.
        root: The folder or table that it came from.
        excluded: What was left out.
        split_by: How it was split off a larger set: `"random"`, `"group"`, `"time"` or
            `"declared"`; `""` if it was not.
    """

    # Name of the kind of data, and what people call one and several of it.
    modality: ClassVar[str]
    noun: ClassVar[tuple[str, str]]

    class_names: tuple[str, ...]
    ordered: bool = False
    target: str
    root: Path
    excluded: tuple
    split_by: str = ""

    @property
    @abstractmethod
    def items(self) -> tuple[Example, ...]:
        """The examples, in a stable order."""

    @abstractmethod
    def with_items(self, items: Iterable[Any]) -> Self:
        """Return other examples under the same classes, as a set like this one."""

    @abstractmethod
    def reader(self, model: "keras.Model", augmentation: Any = None, seed: int = 0) -> Reader:
        """Return what reads the examples as a model takes them.

        Args:
            model: The model.
            augmentation: How views differ from the example, as a recipe says it; `None` for not
                at all.
            seed: Seed of the views.
        """

    @abstractmethod
    def near_duplicates(self) -> list[tuple[int, int]]:
        """Find examples that look the same: pairs `(i, j)` of indices, `i < j`, sorted."""

    @abstractmethod
    def each(self, shape: tuple[int | None, ...]) -> Iterator[np.ndarray]:
        """Yield the examples one by one as a file takes them, in this shape."""

    def shown(self, shape: tuple[int | None, ...]) -> "Iterator[np.ndarray | str]":
        """Yield the examples one by one as people look at them: pictures of a shape, or texts."""
        return self.each(shape)

    def stack(self, shape: tuple[int | None, ...]) -> np.ndarray:
        """Return all examples as a file takes them, one row of this shape each."""
        return np.stack(list(self.each(shape)))

    @abstractmethod
    def file_of(self, index: int) -> tuple[str, bytes]:
        """Return the ending, without a dot, and the bytes of a file that holds one example.

        Raises:
            DataError: If it changed since it was scanned.
        """

    @abstractmethod
    def input_spec(self, model: "keras.Model") -> ModelInput:
        """Describe what a model that learned from these examples takes."""

    @abstractmethod
    def check(self, *others: Self) -> "CheckReport":
        """Look for what is wrong with the examples, and for leaks between them and others."""

    def __len__(self) -> int:
        return len(self.items)

    def is_of(self, item: Any, row: Mapping[str, object]) -> bool:
        """Tell whether a row of a table is the one that an example was read from.

        Args:
            item: The example.
            row: The cells by the names of their columns.
        """
        return Path(str(row.get("path"))).name == Path(item.name).name

    def read_otherwise(self, other: Self) -> str:
        """Say why one model could not read these and other examples alike; empty if it can."""
        return ""

    def cautions(self) -> list[str]:
        """Return what somebody who trains on these examples, or measures by them, should know."""
        return []

    @property
    def groups(self) -> list[str | None]:
        """What each example belongs to, `None` where that is not known; each in one spelling."""
        return in_one_spelling(item.group for item in self.items)

    @property
    def wholes(self) -> list[str | None]:
        """What each example was cut from, and must not be parted from the rest of in a split."""
        return [None] * len(self)

    @property
    def labels(self) -> np.ndarray:
        """Class indices, int64, shape `(n,)`."""
        return self.labels_among(self.class_names)

    def labels_among(self, class_names: Sequence[str], rest: str | None = None) -> np.ndarray:
        """Return the class of each example by its number in a model.

        Args:
            class_names: The classes that the model knows, in the order of its scores.
            rest: The one of these that examples of any other class are of, if there is one.

        Returns:
            int64, shape `(n,)`.

        Raises:
            DataError: If an example is of another class, or has no single class.
        """
        if self.target != CLASS:
            raise DataError(
                f"These {self.noun[1]} have no single class each, but {self.target}. Use a head "
                "that learns these, e.g. "
                + ("head='multi_label'." if self.target == LABELS else "head='regression'.")
            )
        index = {name: i for i, name in enumerate(class_names)}
        if rest is None:
            self.check_known(class_names)
            found = [index[item.label] for item in self.items]
        else:
            found = [index.get(item.label, index[rest]) for item in self.items]
        return np.array(found, dtype=np.int64)

    def check_known(self, class_names: Sequence[str]) -> None:
        """Make sure that a model knows every class or label that occurs.

        Args:
            class_names: What the model knows.

        Raises:
            DataError: If it does not know all.
        """
        unknown = sorted(self._names_that_occur() - set(class_names))
        if unknown:
            raise DataError(
                f"The model does not know the classes {listed(unknown)}; it was trained on "
                f"{listed(class_names, 8)}. Correct the labels, or leave these {self.noun[1]} out."
            )

    def _names_that_occur(self) -> set[str]:
        return {name for item in self.items for name in self.names_of(item)}

    def names_of(self, item: Example) -> tuple[str, ...]:
        """Return the classes or labels of one example; none where it has a number."""
        if self.target == CLASS:
            return (item.label,)
        return tuple(item.label) if self.target == LABELS else ()

    def counts(self) -> dict[str, int]:
        """Number of examples of every class or label, zero included."""
        if self.target == NUMBER:
            return {"number": len(self)}
        found = Counter(name for item in self.items for name in self.names_of(item))
        return {name: found[name] for name in self.class_names}

    def strata(self) -> np.ndarray:
        """Return what a part of the examples should have its share of, int64, shape `(n,)`.

        The class; of several labels the rarest; of numbers the fifth that it lies in.
        """
        if self.target == CLASS:
            return self.labels
        if self.target == NUMBER:
            numbers = np.array([item.label for item in self.items], dtype=np.float64)
            fifths: Any = np.quantile(numbers, [0.2, 0.4, 0.6, 0.8]) if len(numbers) else []
            found = np.searchsorted(np.unique(fifths), numbers)
        else:
            counts, index = self.counts(), {name: i for i, name in enumerate(self.class_names)}
            rarest = (min(one.label, key=counts.__getitem__, default="") for one in self.items)
            found = np.array([index.get(name, len(index)) for name in rarest], dtype=np.int64)
        # A stratum too small to be shared out is no reason not to split.
        sizes = np.bincount(found) if len(found) else np.zeros(1)
        return np.where(sizes[found] < FEW, sizes.argmax(), found).astype(np.int64)

    def all_strata(self) -> list[tuple[int, ...]]:
        """Return what every side of a split should have its share of, for each example.

        As `strata`, but of several labels all, or one past the last label for none; and of
        numbers also one that all have, since whole groups seldom suit every range of them.
        """
        if self.target != LABELS:
            common = (_ANY,) if self.target == NUMBER else ()
            return [(stratum, *common) for stratum in self.strata().tolist()]
        index = {name: i for i, name in enumerate(self.class_names)}
        none = (len(index),)
        return [tuple(index[name] for name in self.names_of(one)) or none for one in self.items]

    def stratum_name(self, stratum: int) -> str:
        """Name one of `strata` to people."""
        if self.target == NUMBER:
            return f"numbers, fifth {stratum + 1}"
        return self.class_names[stratum] if stratum < len(self.class_names) else "no label"

    @named
    def select(self, indices: Iterable[int]) -> Self:
        """Return the examples at `indices`, in that order, under the same classes."""
        return self.with_items(self.items[i] for i in indices)

    @named
    def draw(self, count: int, seed: int) -> Self:
        """Draw about `count` examples, as many of each stratum as there are up to an equal share.

        Args:
            count: How many, about.
            seed: Seed of the choice.
        """
        rng = np.random.default_rng(seed)
        strata = self.strata()
        names = range(len(self.class_names)) if self.target == CLASS else np.unique(strata)
        share = -(-count // max(1, len(names)))
        members = [np.flatnonzero(strata == k) for k in names]
        return self.select(np.concatenate([rng.permutation(found)[:share] for found in members]))

    def as_side(self, split_by: str) -> Self:
        """Return the examples as one side of a split; one that can remembers how it was made.

        Args:
            split_by: See the class.
        """
        return self

    def digest(self) -> str:
        """SHA-256 over contents and labels; independent of where the examples lie."""
        lines = sorted(f"{item.key} {json.dumps(item.label)}" for item in self.items)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def __repr__(self) -> str:
        counts = ", ".join(f"{name!r}: {n}" for name, n in self.counts().items())
        return f"{type(self).__name__}({len(self)} {self.noun[1]}, {{{counts}}})"


def check_examples(**sides: Any) -> None:
    """Refuse what is no set of examples.

    Args:
        **sides: What was given, by the name of the argument that it came in.

    Raises:
        ValueError: If a side is no `Examples`.
    """
    for name, given in sides.items():
        if not isinstance(given, Examples):
            raise ValueError(
                f"`{name}` must be a PhotoSet, TextSet or SignalSet, not {type(given).__name__}. "
                "Pass what scan_photos, scan_texts or scan_signals returns, or a side of its "
                "split; of photos in arrays, make one with photos_from_arrays."
            )
