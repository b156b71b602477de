"""One recording from a file: CSV, NPY or WAV. What a file declares is checked before it is read."""

import io
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasrecipes.data.tables.rows import csv_records, header_of, text_of
from kerasrecipes.data.tables.spelling import trimmed
from kerasrecipes.data.tables.table import RECORDING_SUFFIXES
from kerasrecipes.errors import DataError, listed, printable, repeated
from kerasrecipes.file_budget import read_array
from kerasrecipes.regular import read_regular

# A quarter of an hour of stereo sound, or a day of 12 sensors at 50 Hz; more is cut before.
LARGEST = 1 << 28
TIMES = ("time", "t", "timestamp", "seconds")
MISSING = {"", "nan", "na", "null", "none", "?"}
# How far the distance of two times may be from the usual one: more, and a step was lost.
UNEVEN = 0.5
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE


@dataclass(frozen=True)
class Recording:
    """What a file holds.

    Args:
        values: float32, shape `(steps, channels)`; NaN where a value is missing.
        channels: Names of the channels; `None` where the file has none.
        rate: Steps per second, where the file says it.
    """

    values: np.ndarray
    channels: tuple[str, ...] | None = None
    rate: float | None = None


def is_recording(name: str) -> bool:
    """Tell by its name whether a file holds one recording."""
    return Path(name).suffix.lower() in RECORDING_SUFFIXES


def read_recording(path: Path) -> Recording:
    """Read a file that holds one recording.

    Args:
        path: A `.csv`, `.tsv`, `.npy` or `.wav` file.

    Raises:
        DataError: With what is wrong with it, e.g. "declares more than it holds".
    """
    try:
        content = read_regular(path, largest=LARGEST)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}") from None
    return parse_recording(content, path)


def parse_recording(content: bytes, path: Path) -> Recording:
    """Read the bytes of a file that holds one recording.

    Args:
        content: The bytes.
        path: What the file is called; what it is, its first bytes say.

    Raises:
        DataError: With what is wrong with it.
    """
    if content.startswith(b"\x93NUMPY"):
        found = Recording(_from_npy(content))
    elif content.startswith((b"RIFF", b"RIFX", b"RF64")):
        found = _from_wav(content)
    elif path.suffix.lower() in {".npy", ".wav"}:
        raise DataError(f"is no {path.suffix.lower()[1:].upper()} file, whatever its name says")
    else:
        found = _from_csv(content, path)
    return check_values(found)


def check_values(found: Recording) -> Recording:
    """Refuse a recording without values, or with infinite ones.

    Args:
        found: The recording.

    Raises:
        DataError: With what is wrong with it.
    """
    if found.values.shape[1] == 0:
        raise DataError("has no channel")
    infinite = np.argwhere(np.isinf(found.values))
    if len(infinite):
        step, channel = infinite[0]
        names = found.channels or tuple(map(str, range(found.values.shape[1])))
        raise DataError(
            f"holds infinity, first in step {step} of channel '{printable(names[channel])}'"
        )
    if not np.isfinite(found.values).any():
        raise DataError("holds no value")
    return found


def _from_npy(content: bytes) -> np.ndarray:
    try:
        array = read_array(content)
    except ValueError as error:
        raise DataError(f"cannot be read: {printable(str(error))}") from None
    if array.dtype.kind not in "biuf" or array.ndim not in (1, 2):
        raise DataError(
            f"holds an array of {array.dtype} and shape {array.shape}, not numbers of shape "
            "(steps,) or (steps, channels)"
        )
    return as_values(array if array.ndim == 2 else array[:, None])


def as_values(array: np.ndarray) -> np.ndarray:
    """Return numbers as float32; what is too large for it becomes infinite."""
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, np.float32)


def _from_wav(content: bytes) -> Recording:
    from scipy.io import wavfile

    kind, channels, rate, held = _wav_facts(content)
    if kind not in (_PCM, _FLOAT, _EXTENSIBLE) or not 1 <= channels <= 64 or not rate:
        raise DataError(
            f"is a WAV file in the format {kind} with {channels} channels at {rate} Hz, which is "
            "not read: save it as PCM"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)
            _, array = wavfile.read(io.BytesIO(content))
    except Exception as error:  # scipy raises what struct and numpy raise
        raise DataError(f"cannot be read: {printable(str(error))}") from None
    if array.size * array.itemsize < held // 2:
        raise DataError("declares more sound than it holds")
    if array.dtype.kind == "u":
        array = (array.astype(np.float32) - 128) / 128
    elif array.dtype.kind == "i":
        array = array.astype(np.float32) / np.float32(2.0 ** (8 * array.itemsize - 1))
    return Recording(as_values(array.reshape(len(array), -1)), None, float(rate))


def _wav_facts(content: bytes) -> tuple[int, int, int, int]:
    """Return format, channels, rate and bytes of sound, all of which lie in the file."""
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise DataError("is a WAV file of a rare kind, which is not read: save it as PCM")
    place, facts = 12, None
    while place + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, place)
        if place + 8 + size > len(content):
            raise DataError(
                f"declares {size:,} bytes of {ascii(name)[1:]}, and ends after "
                f"{len(content) - place - 8:,}: it is damaged"
            )
        if name == b"fmt " and size >= 16:
            facts = struct.unpack_from("<HHI", content, place + 8)
        elif name == b"data":
            if facts is None:
                break
            return (*facts, size)
        place += 8 + size + size % 2
    raise DataError("is a WAV file without sound")


def _from_csv(content: bytes, path: Path) -> Recording:
    records = [
        cells for cells in csv_records(text_of(content, path), path) if any(map(str.strip, cells))
    ]
    if not records:
        raise DataError("is empty")
    header = None if all(_is_number(cell) for cell in records[0]) else records.pop(0)
    names = tuple(trimmed(cell) for cell in header or ())
    if doubled := repeated(names):
        raise DataError(f"has the column {listed(doubled)} more than once")
    width = len(header or records[0]) if records else 0
    rows = np.full((len(records), width), np.nan)
    for number, cells in enumerate(records):
        row = number + 1 + bool(header)
        if len(cells) != width:
            raise DataError(f"has {len(cells)} cells in row {row}, not {width}")
        for place, cell in enumerate(cells):
            if not _is_number(cell):
                raise DataError(f"has '{printable(cell)[:40]}' in row {row}, which is no number")
            rows[number, place] = number_of(cell)
    if not records:
        raise DataError("has no steps")
    timed = [i for i, name in enumerate(names) if header_of(name) in TIMES]
    rate = rate_of(rows[:, timed[0]]) if len(timed) == 1 and len(rows) > 1 else None
    kept = [i for i in range(width) if not (len(timed) == 1 and i == timed[0])]
    channels = tuple(names[i] for i in kept) if header else None
    return Recording(as_values(rows[:, kept]), channels, rate)


def number_of(cell: object) -> float:
    """Return the number in a cell; NaN where it says that there is none.

    Args:
        cell: A text, a number or `None`.

    Raises:
        ValueError: If it is something else.
    """
    if cell is None:
        return np.nan
    if isinstance(cell, (list, dict, bool)):
        raise ValueError(f"{cell!r} is no number")
    text = str(cell).strip()
    try:
        return np.nan if text.lower() in MISSING else float(text)
    except ValueError:
        raise ValueError(f"has {text[:40]!r}, which is no number") from None


def _is_number(cell: object) -> bool:
    try:
        number_of(cell)
    except ValueError:
        return False
    return True


def rate_of(times: np.ndarray) -> float:
    """Return the steps per second of times that are equally far apart.

    Args:
        times: Seconds, shape `(steps,)`, at least 2.

    Raises:
        DataError: If a time is missing, or they are not equally far apart.
    """
    gaps = np.diff(times)
    usual = float(np.median(gaps))
    if not np.isfinite(times).all() or usual <= 0:
        raise DataError("has times that are missing, or do not rise")
    odd = np.flatnonzero(np.abs(gaps - usual) > UNEVEN * usual)
    if len(odd):
        at = int(odd[0])
        raise DataError(
            f"has steps that are not equally far apart: {gaps[at]:.6g} s after step {at}, and "
            f"mostly {usual:.6g} s. Fill the gaps with empty steps, or interpolate"
        )
    return float(1 / np.mean(gaps))
