"""Examples that lie inside a larger file, and are named as if that were a folder."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from kerasrecipes.data.tables.arrow_files import ARROW, PARQUET, photo_in_row
from kerasrecipes.data.tables.tars import TAR, place_in_tar, read_in_tar
from kerasrecipes.data.tables.tfrecords import TFRECORD, photo_in_record
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
