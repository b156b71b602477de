"""TFRecord files of `tf.train.Example`s that hold photos: read as tables, record by record.

A photo in one is named as if the file were a folder: `train.tfrecord/000012.jpg`.
"""

import os
import struct
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from typing import Any

from kerasrecipes.data.tables.tars import files_called
from kerasrecipes.errors import DataError, printable
from kerasrecipes.regular import open_regular

TFRECORD = ".tfrecord"
# How those who write such files call what is in them, the surest first.
_PHOTOS = ("image/encoded", "image", "image_raw")
_LABELS = ("label", "image/class/text", "image/class/label")
_FILE_NAMES = ("image/filename", "filename")
_HEADER, _TRAILER = struct.Struct("<QI"), 4
# Kinds of fields in a protocol buffer.
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
_OF_BYTES, _OF_FLOATS, _OF_INTEGERS = 1, 2, 3

Place = tuple[int, int]


def records_of(source: Path) -> list[Path]:
    """Return the TFRecord files that a path or a pattern names; maybe none.

    Shards may be called `train.tfrecord-00000-of-00010`.
    """
    return files_called(source) if source.suffix.lower().startswith(TFRECORD) else []


def rows_of_records(source: Path) -> Iterator[dict[str, Any]]:
    """Yield what TFRecord files hold as rows of a table.

    Args:
        source: A file, or a pattern.

    Yields:
        By column: `path` of the photo, relative to the folder of the file; `label`; and what else
        is one value.

    Raises:
        DataError: If it is damaged or compressed, or a record is no Example with a photo.
    """
    for file in records_of(source):
        with open_regular(file) as opened:
            for number, (begin, size) in enumerate(_places_in(file)):
                opened.seek(begin)
                yield _row(file, number, _features(file, number, opened.read(size)))


def _row(file: Path, number: int, found: dict[str, Any]) -> dict[str, Any]:
    photo = _photo_of(file, number, found)
    row = {
        name: _text(value)
        for name, value in found.items()
        if name not in (photo, *_LABELS) and not isinstance(value, list)
    }
    labels = [name for name in _LABELS if name in found]
    if labels:
        row["label"] = _text(found[labels[0]])
    names = [str(_text(found[name])) for name in _FILE_NAMES if name in found]
    ending = PurePosixPath(names[0]).suffix if names else ""
    return row | {"path": f"{file.name}/{number:06}{ending}"}


def photo_in_record(path: Path) -> Callable[[], bytes] | None:
    """Return what reads a photo in a TFRecord file; `None` if a path leads into none.

    Args:
        path: A path that is no file itself.

    Raises:
        DataError: If the file is damaged.
    """
    file, number = path.parent, path.stem
    meant = file.suffix.lower().startswith(TFRECORD) and number.isdecimal()
    if not meant or not file.is_file():
        return None
    places = _places_in(file)
    return partial(_read, file, int(number), places) if int(number) < len(places) else None


def _read(file: Path, number: int, places: list[Place]) -> bytes:
    begin, size = places[number]
    with open_regular(file) as opened:
        opened.seek(begin)
        found = _features(file, number, opened.read(size))
    content: bytes = found[_photo_of(file, number, found)]
    return content


def _photo_of(file: Path, number: int, found: dict[str, Any]) -> str:
    for name in _PHOTOS:
        if isinstance(found.get(name), bytes):
            return name
    raise DataError(
        f"Record {number} of '{printable(file)}' has no photo: none of its features is called "
        f"{', '.join(_PHOTOS)} and holds the bytes of a file."
    )


def _text(value: Any) -> Any:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def _places_in(file: Path) -> list[Place]:
    known = os.stat(file)
    return _places(str(file), known.st_mtime_ns, known.st_size)


@lru_cache(maxsize=256)
def _places(file: str, changed: int, size: int) -> list[Place]:
    """Return where each record begins, and its size; checksums are left to digests of photos."""
    found: list[Place] = []
    at = 0
    with open_regular(file) as opened:
        while at < size:
            opened.seek(at)
            header = opened.read(_HEADER.size)
            length = _HEADER.unpack(header)[0] if len(header) == _HEADER.size else size
            begin = at + _HEADER.size
            at = begin + length + _TRAILER
            if at > size:
                raise DataError(
                    f"'{printable(file)}' is no TFRecord file that can be read: record "
                    f"{len(found)} ends behind the file. A compressed one must be unpacked first."
                )
            found.append((begin, length))
    return found


def _features(file: Path, number: int, record: bytes) -> dict[str, Any]:
    """Return the features of an Example: one value, or a list of several."""
    try:
        return {
            _one(entry, 1, b"").decode(): _values(_one(entry, 2, b""))
            for _, features in _fields(record)
            for _, entry in _fields(features)
        }
    except (ValueError, IndexError, AttributeError, TypeError, struct.error) as error:
        raise DataError(
            f"Record {number} of '{printable(file)}' is no tf.train.Example."
        ) from error


def _values(feature: bytes) -> Any:
    found: list[Any] = []
    for kind, values in _fields(feature):
        for _, value in _fields(values):
            if kind == _OF_BYTES or not isinstance(value, bytes):
                found.append(value)
            elif kind == _OF_FLOATS:
                found += struct.unpack(f"<{len(value) // 4}f", value)
            else:
                at = 0
                while at < len(value):
                    one, at = _varint(value, at)
                    found.append(one)
        if kind == _OF_INTEGERS:
            found = [one - 2**64 if one >= 2**63 else one for one in found]
    return found[0] if len(found) == 1 else found


def _one(message: bytes, number: int, otherwise: bytes) -> bytes:
    return next((value for place, value in _fields(message) if place == number), otherwise)


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Yield the number and the value of each field of a protocol buffer."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind, size = tag & 7, {_EIGHT: 8, _FOUR: 4}.get(tag & 7, 0)
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield tag >> 3, value
            continue
        if kind == _BYTES:
            size, at = _varint(message, at)
        elif not size:
            raise ValueError(kind)
        if at + size > len(message):
            raise ValueError(size)
        part = message[at : at + size]
        at += size
        yield tag >> 3, struct.unpack("<f", part)[0] if kind == _FOUR else part


def _varint(message: bytes, at: int) -> tuple[int, int]:
    found = shift = 0
    while shift < 64:
        byte = message[at]
        found |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return found & (2**64 - 1), at
    raise ValueError(at)
