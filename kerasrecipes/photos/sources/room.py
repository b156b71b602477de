"""How much may be read into memory."""

import os
from collections.abc import Iterable

from kerasrecipes.errors import DataError

_UNKNOWN_MEMORY = 8 * 2**30


class Room:
    """How much more may be kept in memory.

    Args:
        limit: Most photos.
    """

    def __init__(self, limit: int):
        self._limit = limit
        self._bytes = memory_bytes() // 2
        self._count = self._size = 0

    def keep(self, contents: Iterable[bytes]) -> list[bytes]:
        """Keep files in memory.

        Raises:
            DataError: If there are too many, or they take half of the memory.
        """
        kept: list[bytes] = []
        for content in contents:
            if self._count == self._limit:
                raise DataError(
                    f"`dataset` has more than {self._limit:,} photos. Take fewer, e.g. "
                    "dataset.take(n); or pass a larger `limit`, if it has an end."
                )
            kept.append(content)
            self._count += 1
            self._size += len(content)
            if self._size > self._bytes:
                raise DataError(
                    f"The first {self._count:,} photos of `dataset` take {self._size / 1e9:.1f} "
                    "GB, more than half of the memory. Write them to files and scan those with "
                    "scan_photos; or take fewer, or smaller ones."
                )
        return kept


def memory_bytes() -> int:
    """Return how much memory the machine has."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not on Windows
        return _UNKNOWN_MEMORY
