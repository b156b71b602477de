"""The signals of one data set: what they are called, what they hold, what was found in them."""

import io
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
from kerasrecipes.signals.check import check_signals
from kerasrecipes.signals.drawing import drawn
from kerasrecipes.signals.layout import Layout
from kerasrecipes.signals.reader import SignalReader, padded
from kerasrecipes.signals.similar import near_duplicates

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, slots=True)
class Signal:
    """One labelled signal: a whole recording, or a window of one.

    Args:
        values: float32, shape `(steps, channels)`; NaN where a value is missing.
        label: Its class; its labels, as a tuple; or its number: see `SignalSet.target`.
        name: What to call it: its file, or its row, and of a window its first step.
        group: The subject or machine that it belongs to, if that is known.
        time: When it was taken, if that is known.
        split: The side that the folder or table gives it: `"train"`, `"val"` or `"test"`.
        row: Its row in the table, if there is one.
        whole: The recording that it is a window of; `None` for a whole recording.
        key: SHA-256 of the values: signals with the same one are the same.
    """

    values: np.ndarray = field(repr=False, compare=False)
    label: str | tuple[str, ...] | float
    name: str
    group: str | None = None
    time: datetime | None = None
    split: str | None = None
    row: int | None = None
    whole: str | None = None
    key: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        digest = sha256(repr(self.values.shape).encode())
        digest.update(self.values.tobytes())
        object.__setattr__(self, "key", digest.hexdigest())

    @property
    def size_bytes(self) -> int:
        """Size of the values."""
        return int(self.values.nbytes)


@dataclass(frozen=True, repr=False)
class SignalSet(Examples):
    """An immutable list of labelled signals with one list of classes.

    Args:
        signals: The usable signals, in a stable order; all have the channels of `layout`.
        class_names: All classes, sorted, or in the order that somebody gave; a subset of a set
            keeps the classes of the whole.
        root: The file or folder that was scanned.
        layout: What all have in common.
        excluded: What could not be used as signals.
        ignored: Files of a folder that are no recordings at all, as paths.
        target: What a signal is answered with: `"class"`, `"labels"` or `"number"`.
        ordered: Whether somebody gave the order of the classes.
        split_by: How it was split off a larger set; see `Examples`.
    """

    modality: ClassVar[str] = "signals"
    noun: ClassVar[tuple[str, str]] = ("signal", "signals")

    signals: tuple[Signal, ...]
    class_names: tuple[str, ...]
    root: Path
    layout: Layout
    excluded: tuple[Excluded, ...] = ()
    ignored: tuple[Path, ...] = ()
    target: str = CLASS
    ordered: bool = False
    split_by: str = field(default="", compare=False)

    @property
    def items(self) -> tuple[Signal, ...]:
        """The signals."""
        return self.signals

    @property
    def wholes(self) -> list[str | None]:
        """The recordings that windows were cut from: they are never parted in a split."""
        return [one.whole for one in self.signals]

    def with_items(self, items: Iterable[Signal]) -> Self:
        """Return other signals under the same classes; what was left out is not theirs."""
        return replace(self, signals=tuple(items), excluded=(), ignored=())

    def as_side(self, split_by: str) -> Self:
        """Return the signals as one side of a split, which remembers how it was made."""
        return replace(self, split_by=split_by)

    def is_of(self, item: Signal, row: Mapping[str, object]) -> bool:
        """Tell whether a row of a table is the one that a signal was read from."""
        called = Path(item.whole or item.name).name
        return any(
            str(cell) == item.name or Path(str(cell)).name == called for cell in row.values()
        )

    def reader(self, model: "keras.Model", augmentation: Any = None, seed: int = 0) -> SignalReader:
        """Return what reads the signals in batches, with NaN behind the shorter ones."""
        return SignalReader(self)

    def near_duplicates(self) -> list[tuple[int, int]]:
        """Find signals that are nearly equal; see `kerasrecipes.signals.similar`."""
        return near_duplicates(self.signals)

    def each(self, shape: tuple[int | None, ...]) -> Iterator[np.ndarray]:
        """Yield the values of one signal at a time, float32, shape `(steps, channels)`."""
        return (one.values for one in self.signals)

    def shown(self, shape: tuple[int | None, ...]) -> "Iterator[np.ndarray | str]":
        """Yield the signals as lines of text, each channel a row of small bars."""
        return (drawn(one.values, self.layout.channels) for one in self.signals)

    def stack(self, shape: tuple[int | None, ...]) -> np.ndarray:
        """Return the values of all signals, float32, with NaN behind the shorter ones."""
        return padded([one.values for one in self.signals])

    def file_of(self, index: int) -> tuple[str, bytes]:
        """Return the ending and the bytes of a file that holds one signal, as NPY."""
        written = io.BytesIO()
        np.save(written, self.signals[index].values, allow_pickle=False)
        return "npy", written.getvalue()

    def input_spec(self, model: "keras.Model") -> ModelInput:
        """Describe the values that a model takes, and how they are read."""
        return ModelInput.of(model, "float32", self.layout.to_dict())

    @named
    def check(self, *others: "SignalSet") -> CheckReport:
        """Look for faults and leaks; see `kerasrecipes.check_signals`."""
        return check_signals(self, *others)
