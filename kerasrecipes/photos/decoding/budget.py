"""What one photo may cost, and all that are decoded at once.

A photo's file may be small and yet take minutes or gigabytes. Before anything of it is decoded, its
parts are counted (`parts.py`) and refused beyond these limits, which keep a photo to seconds:

- pixels: `DecodePolicy.max_pixels`; `MAX_RUN_LENGTH_PIXELS` of a BMP and `MAX_SLOW_VALUES` of a PPM
  where Pillow decodes them in Python;
- scans of a JPEG: `MAX_SCANS`, and `MAX_SCANNED_PIXELS` in all of them;
- parts around the picture (segments, chunks, comments): `MAX_PARTS`; blocks of a GIF: `MAX_BLOCKS`;
  numbers of a TIFF, but for strips of `MIN_STRIP_PIXELS`: `MAX_NUMBERS`; the header of a PPM:
  `MAX_HEADER_BYTES`;
- frames and pages: one; a second is looked for, others are not;
- memory: 20 bytes per pixel (`memory_for`), and `MEMORY_BYTES` for all photos that are decoded at
  once, of which one that needs more is decoded alone.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from PIL import ImageFile

MAX_SCANS = 64
MAX_SCANNED_PIXELS = 2_000_000_000
MAX_PARTS = 1_000
MAX_BLOCKS = 100_000
MAX_NUMBERS = 200_000
MIN_STRIP_PIXELS = 64
MAX_HEADER_BYTES = 2**16
MAX_SLOW_VALUES = 16_000_000
MAX_RUN_LENGTH_PIXELS = 4_000_000
MEMORY_BYTES = 2**30
# Too small to matter: files of which no number of parts takes long, and photos in memory.
SMALL_FILE_BYTES = 2**16
SMALL_BYTES = 2**24

# At the peak: the picture as it lies in the file, turned, and as RGB.
_PLAIN_BYTES, _OTHER_BYTES = 8, 16
_OWN_BYTES = {"WEBP": 20, "AVIF": 20}  # their libraries keep copies


class Memory:
    """Memory that is shared by all threads that decode.

    Args:
        size: In bytes.
    """

    def __init__(self, size: int):
        self._size = self._free = size
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._queue: deque[object] = deque()

    @contextmanager
    def taken(self, size: int) -> Iterator[None]:
        """Wait for so many bytes and hold them; whoever needs more than there are gets all."""
        size = min(size, self._size)
        with self._lock:
            if self._queue or self._free < size:
                self._wait(size)
            self._free -= size
        try:
            yield
        finally:
            with self._lock:
                self._free += size
                if self._queue:
                    self._changed.notify_all()

    def _wait(self, size: int) -> None:
        """Wait in order of arrival, or a large photo would wait for ever."""
        ticket = object()
        self._queue.append(ticket)
        try:
            self._changed.wait_for(lambda: self._queue[0] is ticket and self._free >= size)
        finally:
            self._queue.remove(ticket)
            self._changed.notify_all()


MEMORY = Memory(MEMORY_BYTES)


def room_for(size: int) -> AbstractContextManager[None]:
    """Hold memory for a photo, as `Memory.taken` does, unless it is too small to matter.

    Args:
        size: How many bytes it takes.
    """
    return MEMORY.taken(size) if size > SMALL_BYTES else nullcontext()


def memory_for(image: ImageFile.ImageFile, deep: bool) -> int:
    """Return how many bytes it takes to decode an opened photo.

    Args:
        image: The photo.
        deep: Whether it has more than 8 bits per channel.
    """
    plain = image.mode in {"RGB", "L"} and not deep
    per_pixel = _OWN_BYTES.get(str(image.format), _PLAIN_BYTES if plain else _OTHER_BYTES)
    return image.width * image.height * per_pixel
