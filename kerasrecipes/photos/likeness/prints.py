"""Fingerprints: what a photo looks like, in few bytes, and a file for those of very many."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import SupportsBytes

import numpy as np
from PIL import Image

from kerasrecipes.errors import DataError, printable

FINGERPRINT_SIDE = 48
PRINT_BYTES = FINGERPRINT_SIDE * FINGERPRINT_SIDE
_REACH = 2  # pixels around each that count as its surroundings
_REFLECTED = np.pad(np.arange(FINGERPRINT_SIDE), _REACH, mode="reflect")
# Rows of weights: each pixel of a line is the mean of those within reach.
_AROUND = np.eye(FINGERPRINT_SIDE)[
    np.lib.stride_tricks.sliding_window_view(_REFLECTED, 2 * _REACH + 1)
].mean(axis=1)
_SCALE = 40.0
_FLAT = 0.5  # grey levels of detail below which a photo says nothing
_NOTHING = bytes(PRINT_BYTES)
_BLOCK = 1024


def fingerprint(picture: Image.Image) -> bytes:
    """Reduce a picture to its fine structure at 48x48 pixels.

    Every pixel is compared with its surroundings and divided by their contrast, so that neither
    brightness, contrast nor uneven light shows. A flat picture gives zeros, which match nothing.

    Args:
        picture: Any Pillow picture.

    Returns:
        48 * 48 int8 values as bytes.
    """
    side = FINGERPRINT_SIDE
    grey = picture.convert("L").resize((side, side), Image.Resampling.BOX)
    pixels = np.asarray(grey, dtype=np.float32)
    detail = pixels - _surroundings(pixels)
    overall = np.sqrt((detail * detail).mean())
    if overall < _FLAT:
        return _NOTHING
    local = np.sqrt(np.maximum(_surroundings(detail * detail), 0.0))
    even = detail / (local + 0.2 * overall)
    return np.clip(np.rint(even * _SCALE), -127, 127).astype(np.int8).tobytes()


def _surroundings(pixels: np.ndarray) -> np.ndarray:
    """Mean of the square around every pixel; what lies outside is reflected."""
    # Two small products take a third of the time that summed areas do, in a scan of small photos.
    return np.asarray(_AROUND @ pixels.astype(np.float64) @ _AROUND.T)


def says_something(one: SupportsBytes) -> bool:
    """Tell whether a fingerprint is of a picture that is not flat; only such are kept in files."""
    return isinstance(one, KeptPrint) or any(bytes(one))


class PrintFile:
    """Fingerprints in a file without a name, which is gone as soon as nothing refers to it.

    Raises:
        DataError: If there is no room for it.
    """

    def __init__(self) -> None:
        with _told():
            # The prints hold it, and it is closed with the last of them.
            self._file = tempfile.TemporaryFile(buffering=0)
        self._end = 0

    def keep(self, one: SupportsBytes) -> SupportsBytes:
        """Return what stands for a fingerprint and takes hardly any memory.

        Args:
            one: The fingerprint.

        Raises:
            DataError: If there is no room for it.
        """
        if not says_something(one):
            return _NOTHING
        place, self._end = self._end, self._end + PRINT_BYTES
        with _told():
            written = 0
            while written < PRINT_BYTES:
                written += self._file.write(bytes(one)[written:])
        return KeptPrint(self, place)

    def at(self, place: int) -> bytes:
        """Return the fingerprint that begins at a byte."""
        return os.pread(self._file.fileno(), PRINT_BYTES, place)


class KeptPrint:
    """A fingerprint in a `PrintFile`: as good as its bytes, which are read when they are asked for.

    Args:
        file: The file.
        place: The byte at which it begins.
    """

    __slots__ = ("_file", "_place")

    def __init__(self, file: PrintFile, place: int):
        self._file, self._place = file, place

    def __bytes__(self) -> bytes:
        return self._file.at(self._place)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, bytes | KeptPrint) and bytes(self) == bytes(other)

    def __hash__(self) -> int:
        return hash(bytes(self))

    def __reduce__(self) -> tuple[type[bytes], tuple[bytes]]:
        return bytes, (bytes(self),)


class Prints:
    """Fingerprints as rows of numbers, of which some at a time lie in memory.

    Args:
        kept: The fingerprints.
    """

    def __init__(self, kept: Sequence[SupportsBytes]):
        self._kept = kept

    def __len__(self) -> int:
        return len(self._kept)

    def __getitem__(self, which: slice | np.ndarray) -> np.ndarray:
        """Return rows, int8, shape `(n, PRINT_BYTES)`, by a slice or by their numbers."""
        some = self._kept[which] if isinstance(which, slice) else [self._kept[i] for i in which]
        return np.frombuffer(b"".join(map(bytes, some)), np.int8).reshape(-1, PRINT_BYTES)

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield all rows, some at a time."""
        for top in range(0, len(self), _BLOCK):
            yield self[top : top + _BLOCK]


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            "The fingerprints of so many photos, by which look-alikes are found, cannot be kept in "
            f"'{printable(tempfile.gettempdir())}': {error.strerror or error}. They take "
            f"{PRINT_BYTES:,} bytes for each photo. Free some there, or let the environment "
            "variable TMPDIR name another folder."
        ) from error
