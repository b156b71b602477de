"""Tar files of examples, as WebDataset writes them: read as tables, and member by member.

A member is named as if the tar file were a folder: `shards/000.tar/000123.jpg`.
"""

import glob
import os
import tarfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from kerasrecipes.errors import DataError, listed, printable
from kerasrecipes.records import parse_json
from kerasrecipes.regular import open_regular

TAR = ".tar"
# What the endings of WebDataset say, besides the example itself.
_LABEL, _TEXT, _COLUMNS = "cls", "txt", "json"
_LARGEST_WORDS = 1 << 20
Place = tuple[int, int]


def tars_of(source: Path) -> list[Path]:
    """Return the tar files that a path or a pattern such as `shards/*.tar` names; maybe none."""
    return files_called(source) if source.suffix.lower() == TAR else []


def files_called(source: Path) -> list[Path]:
    """Return the file that a path names, or those that it is a pattern of; maybe none."""
    if os.path.lexists(source):
        return [source] if source.is_file() else []
    pattern = os.path.join(glob.escape(str(source.parent)), source.name)
    return [Path(one) for one in sorted(glob.glob(pattern)) if Path(one).is_file()]


def samples_of(source: Path) -> Iterator[dict[str, Any]]:
    """Yield what tar files hold as rows of a table.

    Args:
        source: A tar file, or a pattern.

    Yields:
        By column: `path` of the example, relative to the folder of the tar files; `label` of
        a `.cls`; `text` of a `.txt`; and what the object in a `.json` says.

    Raises:
        DataError: If a file is no tar file, is compressed, or a sample has several examples.
    """
    for tar in tars_of(source):
        samples: dict[str, dict[str, str]] = {}
        for name in members(tar):
            folder, _, file = name.rpartition("/")
            key, _, ending = file.partition(".")
            samples.setdefault(f"{folder}/{key}", {})[ending.lower()] = name
        for found in samples.values():
            yield _row(tar, found)


def _row(tar: Path, found: dict[str, str]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    examples = [name for ending, name in found.items() if ending not in (_LABEL, _TEXT, _COLUMNS)]
    if len(examples) > 1:
        raise DataError(
            f"'{printable(tar)}' has several files of one name: {listed(examples)}. Write one "
            "example for each, beside its .cls, .txt or .json."
        )
    if _COLUMNS in found:
        try:
            told = parse_json(_words(tar, found[_COLUMNS]))
        except ValueError as error:
            told = error
        if not isinstance(told, dict):
            why = told if isinstance(told, ValueError) else "it is no JSON object"
            raise DataError(f"'{printable(tar / found[_COLUMNS])}' cannot be read: {why}.")
        row |= {name: cell for name, cell in told.items() if name != "path"}
    for ending, column in ((_LABEL, "label"), (_TEXT, "text")):
        if ending in found:
            row[column] = _words(tar, found[ending]).decode("utf-8", "surrogateescape").strip()
    if examples:
        row["path"] = f"{tar.name}/{examples[0]}"
    return row


def _words(tar: Path, name: str) -> bytes:
    offset, size = members(tar)[name]
    if size > _LARGEST_WORDS:
        raise DataError(f"'{printable(tar / name)}' is larger than {_LARGEST_WORDS:,} bytes.")
    return _read(tar, offset, size)


def members(tar: Path) -> dict[str, Place]:
    """Return where each file in a tar file begins, and its size; links and devices are no files.

    Args:
        tar: The file.

    Raises:
        DataError: If it is damaged, compressed, or has a name more than once.
        OSError: If it cannot be opened.
    """
    known = os.stat(tar)
    return _members(str(tar), known.st_mtime_ns, known.st_size)


@lru_cache(maxsize=4096)
def _members(tar: str, changed: int, size: int) -> dict[str, Place]:
    found: dict[str, Place] = {}
    try:
        with open_regular(tar) as file, tarfile.open(fileobj=file, mode="r:") as archive:
            for one in archive:
                if not one.isreg() or one.issparse():
                    continue
                if one.name in found:
                    raise DataError(
                        f"'{printable(tar)}' has '{printable(one.name)}' more than once. Write it "
                        "again."
                    )
                if one.offset_data + one.size > size:
                    raise tarfile.ReadError("unexpected end of data")
                found[one.name] = one.offset_data, one.size
    except (tarfile.TarError, UnicodeError) as error:
        raise DataError(
            f"'{printable(tar)}' is no tar file that can be read: {error}. A compressed one must "
            "be unpacked first, since photos are read from its middle."
        ) from error
    return found


def place_in_tar(path: Path) -> tuple[Path, Place] | None:
    """Return the tar file, and where in it a path lies; `None` if it lies in none.

    Args:
        path: A path that is no file itself.

    Raises:
        DataError: If the tar file is damaged.
    """
    for parent in path.parents:
        if parent.suffix.lower() == TAR and parent.is_file():
            place = members(parent).get(path.relative_to(parent).as_posix())
            return None if place is None else (parent, place)
    return None


def read_in_tar(tar: Path, place: Place) -> bytes:
    """Read what lies at a place of a tar file.

    Raises:
        OSError: If it cannot be read.
    """
    return _read(tar, *place)


def _read(tar: Path, offset: int, size: int) -> bytes:
    with open_regular(tar) as file:
        file.seek(offset)
        return file.read(size)
