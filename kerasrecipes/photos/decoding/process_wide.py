"""Settings of the whole process that hold while photos are decoded, and are then put back."""

import contextlib
import ctypes
import importlib.util
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from PIL import ImageFile


class WhileDecoding:
    """A setting that holds as long as any thread needs it.

    Args:
        change: Sets it and returns what it was.
        undo: Sets it to what `change` returned.
    """

    def __init__(self, change: Callable[[], Any], undo: Callable[[Any], object]):
        self._change, self._undo = change, undo
        self._lock = threading.Lock()
        self._running = 0
        self._before: Any = None

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the setting in this block."""
        with self._lock:
            if self._running == 0:
                self._before = self._change()
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
                if self._running == 0:
                    self._undo(self._before)


def _fill_truncated(fill: bool) -> bool:
    """Tell Pillow whether to fill what is missing with grey; return what it was told before."""
    before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, fill
    return before


def _libtiff_handlers() -> list[Any]:
    """Functions that set what Pillow's libtiff prints errors and warnings with, if it has one."""
    found = []
    with contextlib.suppress(AttributeError, OSError, TypeError):  # linked otherwise, or left out
        library = ctypes.CDLL(getattr(importlib.util.find_spec("PIL._imaging"), "origin", None))
        for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
            setter = getattr(library, name)
            setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
            found.append(setter)
    return found


_HANDLERS = _libtiff_handlers()


def _silence_libtiff() -> list[Any]:
    return [setter(None) for setter in _HANDLERS]


def _restore_libtiff(before: list[Any]) -> None:
    for setter, handler in zip(_HANDLERS, before, strict=True):
        setter(handler)


_PILLOWS_WARNINGS = ("ignore", None, UserWarning, re.compile(r"PIL\."), 0)


def _ignore_warnings() -> None:
    # As `warnings.filterwarnings` does, whose filters are not removed one by one.
    warnings.filters.insert(0, _PILLOWS_WARNINGS)  # type: ignore[attr-defined]


def _heed_warnings(before: None) -> None:
    if _PILLOWS_WARNINGS in warnings.filters:
        warnings.filters.remove(_PILLOWS_WARNINGS)  # type: ignore[attr-defined]


# Pillow raises on truncated files even where a program told it to fill them with grey.
NO_TRUNCATED_IMAGES = WhileDecoding(lambda: _fill_truncated(False), _fill_truncated)
# libtiff prints what it thinks of a file to the terminal, line by line; the reason is raised too.
SILENT_LIBTIFF = WhileDecoding(_silence_libtiff, _restore_libtiff)
# Pillow warns of what is odd in EXIF data, and of one file thousands of times.
SILENT_PILLOW = WhileDecoding(_ignore_warnings, _heed_warnings)
