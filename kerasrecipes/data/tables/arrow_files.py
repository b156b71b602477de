"""Parquet and Arrow files, which may hold the photos themselves, as Hugging Face writes them.

A photo in one is named as if the file were a folder: `train.parquet/000012.png`.
"""

import os
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import accumulate
from pathlib import Path, PurePosixPath
from typing import Any

from kerasrecipes.errors import DataError, first_line, listed, printable, require
from kerasrecipes.records import parse_json
from kerasrecipes.regular import open_regular, read_regular

PARQUET, ARROW = ".parquet", ".arrow"
# What `save_to_disk` writes beside its Arrow files, of one data set and of several sides.
_ONE, _SIDES = "state.json", "dataset_dict.json"
# How Hugging Face calls the two parts of a photo.
_BYTES, _NAME = "bytes", "path"
_LARGEST = 1 << 20


def is_saved_dataset(source: Path) -> bool:
    """Tell whether a folder was written by `save_to_disk` of Hugging Face's datasets."""
    whole = (source / _ONE).is_file() and (source / "dataset_info.json").is_file()
    return whole or (source / _SIDES).is_file()


def rows_of_dataset(source: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of what `save_to_disk` wrote, with a column `split` if it has sides.

    Args:
        source: The folder.

    Raises:
        DataError: If it cannot be read.
        MissingDependencyError: If the extra `parquet` is not installed.
    """
    sides = _told(source / _SIDES, "splits") if (source / _SIDES).is_file() else [""]
    for side in sides:
        inside = PurePosixPath(side)
        for file in _told(source / inside / _ONE, "_data_files", "filename"):
            place = inside / file
            for row in rows_of(source / place):
                if _NAME in row:
                    name = PurePosixPath(str(row[_NAME])).name
                    row[_NAME] = f"{PurePosixPath(source.name, place, name)}"
                yield row | {"split": side} if side else row


def _told(file: Path, name: str, inner: str | None = None) -> list[str]:
    """Return the names of files or folders beside a file that lists them."""
    try:
        told = parse_json(read_regular(file, largest=_LARGEST))[name]
        found = [one if inner is None else one[inner] for one in told]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"'{printable(file)}' cannot be read: {first_line(error)}.") from error
    for one in found:
        if not isinstance(one, str) or one in ("", "..") or PurePosixPath(one).name != one:
            raise DataError(
                f"'{printable(file)}' names {printable(repr(one))}, which is nothing beside it."
            )
    return found


def rows_of(file: Path) -> list[dict[str, Any]]:
    """Return the rows of a Parquet or an Arrow file.

    A column of photos becomes `path`, which says where each of them lies in the file. Numbers of
    classes become their names, where the file tells these.

    Args:
        file: The file.

    Raises:
        DataError: If it cannot be read, or a column holds more than a cell can.
        MissingDependencyError: If the extra `parquet` is not installed.
    """
    with _readable(file):
        found = _opened(file)
        photos, others = found.photos, found.others
        if len(others) < len(set(found.schema.names)) - (photos is not None):
            wide = [name for name in found.schema.names if name not in (*others, photos)]
            raise DataError(
                f"The table '{printable(file)}' has {listed(wide)}, which hold more than a cell "
                "can. Load it with the library datasets, and pass it to photos_from_dataset."
            )
        if photos is not None and any(name.lower() == _NAME for name in others):
            raise DataError(
                f"The table '{printable(file)}' has a column 'path' beside the photos in "
                f"'{printable(photos)}', so that it is not clear which are meant. Drop one."
            )
        rows = found.rows(others) if others else [{} for _ in range(found.count)]
        names = None if photos is None else found.names_of_photos()
    for column, classes in found.class_names().items():
        for row in rows:
            row[column] = _named(row[column], classes)
    for number, name in enumerate(names or ()):
        rows[number][_NAME] = f"{file.name}/{number:06}{PurePosixPath(name or '').suffix}"
    return rows


def _named(cell: Any, classes: list[str]) -> Any:
    if isinstance(cell, list):
        return [_named(one, classes) for one in cell]
    known = isinstance(cell, int) and 0 <= cell < len(classes)
    return classes[cell] if known else None


def photo_in_row(path: Path) -> Callable[[], bytes] | None:
    """Return what reads a photo in a Parquet or an Arrow file; `None` if a path leads into none.

    Args:
        path: A path that is no file itself.
    """
    file, number = path.parent, path.stem
    inside = file.suffix.lower() in (PARQUET, ARROW) and number.isdecimal() and file.is_file()
    if not inside:
        return None
    with _readable(file):
        found = _opened(file)
        if found.photos is None or int(number) >= found.count:
            return None

    def read() -> bytes:
        with _readable(file):
            content: bytes | None = found.photo(int(number))
        if not content:
            raise DataError("its row has no photo")
        return content

    return read


class _File(ABC):
    """A file that is open: what it has, and how it is read."""

    schema: Any
    count: int

    @property
    def photos(self) -> str | None:
        """The column of photos, if it is the only one."""
        found = [one for one in self._wide if one.type.get_field_index(_BYTES) >= 0]
        return str(found[0].name) if len(found) == 1 else None

    @property
    def others(self) -> list[str]:
        """The columns that hold what a cell can."""
        wide = [one.name for one in self._wide]
        return [str(one.name) for one in self.schema if one.name not in wide]

    @property
    def _wide(self) -> list[Any]:
        arrow = require("pyarrow", "parquet", "Parquet")
        return [one for one in self.schema if arrow.types.is_struct(one.type)]

    def class_names(self) -> dict[str, list[str]]:
        """The names of classes, by the column of their numbers."""
        try:
            told = parse_json((self.schema.metadata or {})[b"huggingface"])
            features = dict(told["info"]["features"])
        except (KeyError, TypeError, ValueError):
            return {}
        found = {}
        for name in self.others:
            feature = features.get(name)
            while isinstance(feature, dict) and "feature" in feature:
                feature = feature["feature"]
            if isinstance(feature, dict) and isinstance(feature.get("names"), list):
                found[name] = [str(one) for one in feature["names"]]
        return found

    @abstractmethod
    def rows(self, columns: list[str]) -> list[dict[str, Any]]:
        """Return the cells of some columns."""

    @abstractmethod
    def names_of_photos(self) -> list[str | None]:
        """Return what the photos were called, where that is known."""

    @abstractmethod
    def photo(self, number: int) -> bytes | None:
        """Return the file of the photo in a row."""


class _ParquetFile(_File):
    def __init__(self, file: str):
        parquet = require("pyarrow.parquet", "parquet", "Parquet")
        self._name = file
        with open_regular(file) as opened:
            found = parquet.ParquetFile(opened)
            self.schema, told = found.schema_arrow, found.metadata
        sizes = [told.row_group(group).num_rows for group in range(told.num_row_groups)]
        self._ends = list(accumulate(sizes))
        self.count = told.num_rows
        # Neighbours are in one group, which is unpacked as a whole.
        self._group = lru_cache(maxsize=2)(self._photos_of_group)

    def rows(self, columns: list[str]) -> list[dict[str, Any]]:
        return self._read(lambda file: file.read(columns=columns)).to_pylist()

    def names_of_photos(self) -> list[str | None]:
        if self.schema.field(self.photos).type.get_field_index(_NAME) < 0:
            return [None] * self.count
        name = f"{self.photos}.{_NAME}"
        cells = self._read(lambda file: file.read(columns=[name])).column(0)
        return [None if cell is None else cell[_NAME] for cell in cells.to_pylist()]

    def photo(self, number: int) -> bytes | None:
        group = bisect_right(self._ends, number)
        cell = self._group(group)[number - self._ends[group]].as_py()
        return None if cell is None else cell[_BYTES]

    def _photos_of_group(self, group: int) -> Any:
        names = [f"{self.photos}.{_BYTES}"]
        return self._read(lambda file: file.read_row_group(group, columns=names)).column(0)

    def _read(self, read: Callable[[Any], Any]) -> Any:
        parquet = require("pyarrow.parquet", "parquet", "Parquet")
        with open_regular(self._name) as file:  # anew, since threads cannot share one
            return read(parquet.ParquetFile(file))


class _ArrowFile(_File):
    def __init__(self, file: str):
        arrow = require("pyarrow", "parquet", "Arrow")
        mapped = arrow.memory_map(file)
        try:
            self._table = arrow.ipc.open_stream(mapped).read_all()
        except arrow.ArrowInvalid:
            self._table = arrow.ipc.open_file(mapped).read_all()
        self.schema, self.count = self._table.schema, self._table.num_rows

    def rows(self, columns: list[str]) -> list[dict[str, Any]]:
        return self._table.select(columns).to_pylist()

    def names_of_photos(self) -> list[str | None]:
        column = self._table.column(self.photos)
        if column.type.get_field_index(_NAME) < 0:
            return [None] * self.count
        names = [chunk.field(_NAME).to_pylist() for chunk in column.chunks]
        return [name for some in names for name in some]

    def photo(self, number: int) -> bytes | None:
        cell = self._table.column(self.photos)[number].as_py()
        return None if cell is None else cell[_BYTES]


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    arrow = require("pyarrow", "parquet", f"The table '{printable(file)}'")
    try:
        yield
    except (OSError, arrow.ArrowException) as error:
        told = getattr(error, "strerror", None) or first_line(error)
        raise DataError(f"Cannot read the table '{printable(file)}': {told}.") from error


def _opened(file: Path) -> _File:
    require("pyarrow.parquet", "parquet", f"The table '{printable(file)}'")
    known = os.stat(file)
    return _opened_once(str(file), known.st_mtime_ns, known.st_size)


@lru_cache(maxsize=64)
def _opened_once(file: str, changed: int, size: int) -> _File:
    return (_ArrowFile if file.lower().endswith(ARROW) else _ParquetFile)(file)
