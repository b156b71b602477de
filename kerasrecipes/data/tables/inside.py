"""Examples that lie inside a larger file, and are named as if that were a folder."""

import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from kerasrecipes.data.tables.arrow_files import (
    ARROW,
    PARQUET,
    is_saved_dataset,
    photo_in_row,
    rows_of,
    rows_of_dataset,
)
from kerasrecipes.data.tables.tars import TAR, place_in_tar, read_in_tar, samples_of, tars_of
from kerasrecipes.data.tables.tfrecords import (
    TFRECORD,
    photo_in_record,
    records_of,
    rows_of_records,
)
from kerasrecipes.errors import DataError

_HOLD_OTHERS = (TAR, PARQUET, ARROW, TFRECORD)


def reader_inside(path: Path, largest: int | None = None) -> Callable[[], bytes] | None:
    """Return what reads the example that a path leads to, inside another file; else `None`.

    Args:
        path: Any path.
        largest: How many bytes it may have; any number by default.

    Raises:
        DataError: If the other file is damaged, or the example is larger.
    """
    told = str(path).lower()
    if not any(ending in told for ending in _HOLD_OTHERS) or os.path.lexists(path):
        return None
    if (read := photo_in_row(path) or photo_in_record(path)) is not None:
        return read
    if (place := place_in_tar(path)) is None:
        return None
    size = place[1][1]
    if largest is not None and size > largest:
        raise DataError(f"too large: a file of {size / 1e9:.1f} GB")
    return partial(read_in_tar, *place)


def examples_inside(source: Path) -> Iterator[Path] | None:
    """Return the paths of the examples that a file or a folder of `save_to_disk` holds.

    Args:
        source: Any path.

    Returns:
        The paths, as `reader_inside` takes them; `None` if it is nothing that holds others.

    Raises:
        DataError: If it is damaged; also while the paths are listed.
        MissingDependencyError: If it cannot be read without an extra.
    """
    rows: Iterable[dict[str, Any]]
    if is_saved_dataset(source):
        rows = rows_of_dataset(source)
    elif source.suffix.lower() in (PARQUET, ARROW) and source.is_file():
        rows = rows_of(source)
    elif records_of(source):
        rows = rows_of_records(source)
    elif tars_of(source):
        rows = samples_of(source)
    else:
        return None
    return (source.parent / str(row["path"]) for row in rows if row.get("path") is not None)
