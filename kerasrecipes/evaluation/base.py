"""What the results of all tasks have in common: text, tables, tiles of a page and JSON."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from typing import Any, ClassVar, Self, get_args, get_origin, get_type_hints

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.errors import DataError, printable
from kerasrecipes.records import Measured, checked
from kerasrecipes.statistics.estimate import Estimate, encode_float
from kerasrecipes.statistics.shown import Part, Shown, in_words_of
from kerasrecipes.statistics.tables import Table

FEW_EXAMPLES = 30
FEW_GROUPS = 10
FEW_FOR_LOG_LOSS = 100
# From so many rows on, what a table of counts holds is written cell by cell: most are empty.
_MANY_ROWS = 100
_MOST_CELLS = 10**8


@dataclass(frozen=True)
class Tile:
    """A number that a page shows first.

    Args:
        name: What it is.
        value: The number, as text.
        interval: Its interval, as text.
        meaning: What it means, in a few words.
        unit: Unit of the number.
    """

    name: str
    value: str
    interval: str
    meaning: str
    unit: str = ""

    @classmethod
    def of(
        cls, name: str, estimate: Estimate, meaning: str, *, form: str = ".3f", unit: str = ""
    ) -> "Tile":
        """Write an estimate.

        Args:
            name: What it is.
            estimate: The number, with its interval.
            meaning: What it means.
            form: How numbers are written, e.g. `".1%"`.
            unit: Unit of the number.
        """
        value, low, high = (
            format(end, form) for end in (estimate.value, estimate.low, estimate.high)
        )
        undefined, open_ended = math.isnan(estimate.value), math.isnan(estimate.low)
        return cls(
            name,
            "–" if undefined else value,
            "no interval" if undefined or open_ended else f"{low} to {high}",
            meaning,
            unit,
        )


@dataclass(frozen=True)
class Result(Shown, ABC):
    """The result of a test, whatever the task.

    A task's result is a frozen dataclass of numbers, texts, `Estimate`s, and tuples of such or
    of further dataclasses. Its text and its JSON are made here, from these. Every `Estimate` has
    a 95 % interval; undefined ones are NaN.

    Args:
        n: Number of examples.
        latency_ms: `{"median": …, "p95": …}` per example, or `None` if not measured.
        notes: What a reader must know to trust the numbers no further than they go.
        item: What people call an example.
    """

    task: ClassVar[str]
    headline_name: ClassVar[str]
    higher_is_better: ClassVar[bool] = True
    n: int
    latency_ms: dict[str, float] | None = field(default=None, kw_only=True)
    notes: tuple[str, ...] = field(default=(), kw_only=True)
    item: str = field(default="example", kw_only=True)

    @property
    @abstractmethod
    def headline(self) -> Estimate:
        """The number that models are compared by."""

    @abstractmethod
    def summary(self) -> list[str]:
        """Return the first lines of the text: the numbers about all of the test."""

    @abstractmethod
    def tables(self) -> list[Table]:
        """Return what a page or a terminal shows below the summary."""

    def remarks(self) -> list[str]:
        """Return what is to be said below the tables."""
        return []

    def tiles(self) -> list[Tile]:
        """Return the few numbers that a page shows first."""
        better = "higher" if self.higher_is_better else "lower"
        return [Tile.of(self.headline_name.capitalize(), self.headline, f"{better} is better")]

    def latency_tiles(self) -> list[Tile]:
        """Return the time per example as a tile, if it was measured."""
        if not self.latency_ms:
            return []
        median, p95 = self.latency_ms["median"], self.latency_ms["p95"]
        meaning = "median, on the machine of this fit"
        return [Tile(f"Time per {self.item}", f"{median:.1f} ms", f"p95 {p95:.1f} ms", meaning)]

    def noted(self, note: str) -> Self:
        """Return the result with one more note."""
        return replace(self, notes=(*self.notes, note))

    def about(self, noun: str) -> Self:
        """Return the result as one about another kind of data than photos.

        Args:
            noun: What people call an example.
        """
        if noun == "photo":
            return self
        notes = tuple(in_words_of((noun, f"{noun}s"), note) for note in self.notes)
        return replace(self, item=noun, notes=notes)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-safe data; each estimate is `[value, low, high]`."""
        return {"task": self.task, **_plain_fields(self)}

    @classmethod
    @named
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Build the result from what `to_dict` returned.

        Raises:
            DataError: If a part is missing, or the result is of another task.
        """
        if not isinstance(data, Mapping):
            raise DataError(f"An evaluation is an object of its numbers, not {data!r:.80}.")
        if (task := data.get("task", cls.task)) != cls.task:
            raise DataError(
                f"The evaluation is of the task {task!r}, and {cls.__name__} reads {cls.task!r}. "
                "Read it with the class of its task."
            )
        found = _build(cls, data)
        found._check_parts()
        return found

    def _check_parts(self) -> None:
        """Refuse parts that do not fit each other, of which no text could be made."""
        classes, table = getattr(self, "class_names", ()), getattr(self, "confusion", None)
        wrong = {
            "confusion": table is not None and {len(table), *map(len, table)} != {len(classes)},
            "latency_ms": bool(self.latency_ms)
            and not {"median", "p95"} <= {*(self.latency_ms or {})},
        }
        for name in (name for name in wrong if wrong[name]):
            raise DataError(
                f"The evaluation's `{name}` does not fit the rest of it. The file is damaged or "
                "was edited; restore it or evaluate again."
            )

    def parts(self) -> Iterator[Part]:
        """Yield the text and the tables, from the headline to the notes."""
        yield from self.summary()
        if self.latency_ms:
            median, p95 = self.latency_ms["median"], self.latency_ms["p95"]
            yield f"latency per {self.item} {median:.1f} ms, 95th percentile {p95:.1f} ms"
        below: tuple[Part, ...] = (*self.tables(), *self.remarks())
        for part in below:
            yield ""
            yield part
        yield from ("", "In brackets: 95% confidence intervals.")
        yield from (f"Note: {printable(note)}" for note in self.notes)


def latency_summary(latency_ms: Sequence[float] | None) -> dict[str, float] | None:
    """Reduce milliseconds per prediction to `{"median": …, "p95": …}`; `None` if there are none."""
    if latency_ms is None or not len(latency_ms):
        return None
    values = np.asarray(latency_ms, dtype=np.float64)
    return {"median": float(np.median(values)), "p95": float(np.quantile(values, 0.95))}


def notes_on_size(n: int, item: str, groups: np.ndarray | None = None) -> list[str]:
    """Say what a small test, or one of few groups, means for its numbers.

    Args:
        n: Number of examples.
        item: What an example is, e.g. `"photo"`.
        groups: Number of each one's group, from 0; `None` if they are independent.
    """
    notes = []
    if groups is not None:
        count = int(groups.max()) + 1
        few = " With so few, those from resamples are too narrow." if count < FEW_GROUPS else ""
        notes.append(
            f"Intervals are from whole groups, {count} in all.{few}"
            if count > 1
            else f"All {item}s are of one group, so nothing is known of how others would differ."
        )
    if n < FEW_EXAMPLES:
        notes.append(f"Only {n} {item}s: read the intervals, not the numbers.")
    return notes


def notes_on_log_loss(n: int, item: str) -> list[str]:
    """Say that the interval of a log-loss of few examples is approximate.

    Of 400 draws of each of five kinds of scores, the interval of a promised 95 % covered 85 to
    93 % with 30 examples, 88 to 93 with 50, and 94 to 96 with 100.

    Args:
        n: Number of examples.
        item: What an example is, e.g. `"photo"`.
    """
    if n >= FEW_FOR_LOG_LOSS:
        return []
    return [
        f"With fewer than {FEW_FOR_LOG_LOSS} {item}s the interval of the log-loss is approximate, "
        "since a few large losses decide it: it covers 85 to 93 %, not 95."
    ]


def _plain_fields(record: Any) -> dict[str, Any]:
    # What all results have in common stands last, as in their arguments.
    known = sorted(fields(record), key=lambda one: one.kw_only is True)
    return {
        one.name: _plain(getattr(record, one.name))
        for one in known
        # What an example is called is only told where it is not as usual.
        if one.name != "item" or record.item != one.default
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Estimate):
        return value.to_list()
    if is_dataclass(value):
        return _plain_fields(value)
    if isinstance(value, tuple):
        if len(value) > _MANY_ROWS and isinstance(value[0], tuple):
            return _cells(np.array(value))
        return [_plain(item) for item in value]
    return encode_float(value) if isinstance(value, float) else value


def _cells(table: np.ndarray) -> dict[str, Any]:
    cells = np.argwhere(table)
    counts = table[tuple(cells.T)]
    return {"shape": list(table.shape), "cells": np.column_stack([cells, counts]).tolist()}


def _from_cells(found: Mapping[str, Any]) -> list[list[int]]:
    height, width = checked(tuple[int, int], found.get("shape"))
    if not 0 < height * width <= _MOST_CELLS or min(height, width) < 0:
        raise ValueError(f"the table is of {height} by {width} cells")
    table = [[0] * width for _ in range(height)]
    for row, column, count in checked(list[tuple[int, int, int]], found.get("cells")):
        if not (0 <= row < height and 0 <= column < width):
            raise ValueError(f"the table of {height} by {width} has no cell {row}, {column}")
        table[row][column] = count
    return table


def _build(cls: Any, data: Mapping[str, Any]) -> Any:
    kinds, known = get_type_hints(cls), {}
    for one in fields(cls):
        if one.name in data:
            try:
                known[one.name] = _read(kinds[one.name], data[one.name])
            except ValueError as error:
                raise DataError(
                    f"The evaluation's `{one.name}` is damaged: {str(error).removesuffix('.')}. "
                    "Restore the file or evaluate again."
                ) from error
        elif one.default is MISSING:
            raise DataError(
                f"The evaluation lacks {one.name!r}. The file is damaged or was edited; "
                "restore it or evaluate again."
            )
    return cls(**known)


def _read(kind: Any, value: Any) -> Any:
    if kind is Estimate:
        return Estimate(*checked(tuple[Measured, Measured, Measured], value))
    if is_dataclass(kind):
        return _build(kind, checked(dict[str, Any], value))
    if get_origin(kind) is tuple:
        rows = _from_cells(value) if isinstance(value, Mapping) else checked(list[Any], value)
        return tuple(_read(get_args(kind)[0], item) for item in rows)
    return checked(Measured if kind is float else kind, value)
