"""What a sqlite file says when it cannot be used, in words and with a remedy."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kerasrecipes.errors import DataError, disk_error, printable
from kerasrecipes.files import told_plainly


@contextmanager
def told_of_database(path: Path, use: str, remedy: str) -> Iterator[None]:
    """Say in plain words why a sqlite file cannot be used.

    Args:
        path: The file.
        use: What for, e.g. `"as a journal"`.
        remedy: What to do about it, as a sentence.

    Raises:
        OSError: In place of what sqlite raises about the disk.
        DataError: In place of what else it raises.
    """
    try:
        yield
    except sqlite3.Error as error:
        if disk_error(error) is not None:
            with told_plainly(path):
                raise
        raise DataError(f"'{printable(path)}' cannot be used {use}: {error}. {remedy}") from error
