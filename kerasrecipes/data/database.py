"""What a sqlite file says when it cannot be used, in words and with a remedy."""

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kerasrecipes.errors import DataError, disk_error, printable
from kerasrecipes.files import told_plainly

# Beside a file that several processes may have open lies an index of so many bytes.
_INDEX = 1 << 15


@contextmanager
def told_of_database(path: Path, use: str, remedy: str) -> Iterator[None]:
    """Say in plain words why a sqlite file cannot be used.

    Args:
        path: The file.
        use: What for, e.g. `"as a journal"`.
        remedy: What to do about it, as a sentence.

    Raises:
        OSError: In place of what sqlite raises about the disk.
        DataError: In place of what else it raises, also within what is built on it; or if there
            is a pipe, a device, or a link that leads to no file.
    """
    # Not opened: to close it would take the locks that this process has on it away.
    if os.path.lexists(path) and not path.is_file():
        raise DataError(f"'{printable(path)}' cannot be used {use}: it is no file. {remedy}")
    try:
        yield
    except Exception as error:
        if (told := _of_sqlite(error)) is None:
            raise
        if (number := disk_error(told)) is not None:
            with told_plainly(path):
                # Where its index has no room, sqlite calls that an error of the disk.
                if number == errno.EIO and shutil.disk_usage(path.parent).free < _INDEX:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
                raise told from error
        raise DataError(f"'{printable(path)}' cannot be used {use}: {told}. {remedy}") from error


def _of_sqlite(error: BaseException | None) -> sqlite3.Error | None:
    """Return what sqlite raised, if that is behind an error."""
    while error is not None and not isinstance(error, sqlite3.Error):
        error = error.__cause__
    return error
