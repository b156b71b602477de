"""Why a file that a table names is not found, though people see it in the folder."""

import os
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from kerasrecipes.errors import printable

# Programs that know nothing of UTF-8 read and write these.
ENCODINGS = ("cp1252", "mac_roman", "cp437", "latin-1")


def called_otherwise(folder: Path, name: str) -> str:
    """Say how a file is called that a table means by another spelling.

    Args:
        folder: What the name is relative to.
        name: A path that leads to no file.

    Returns:
        The end of a sentence; empty if nothing is there under another spelling, either.

    Example:
        >>> called_otherwise(Path("nowhere"), "a.png")
        ''
    """
    for reason, other in _spellings(name):
        found = _found(folder, other)
        if found:
            return f"; {reason}, and '{printable(found)}' does"
    if any("\udc80" <= char <= "\udcff" for char in name):
        return "; it is not UTF-8: save the table as UTF-8"
    return ""


def _spellings(name: str) -> Iterator[tuple[str, str]]:
    yield "with its accents composed otherwise (NFC, NFD) the name would be the folder's", name
    if "\\" in name:
        yield "folders are separated by /, not by \\", name.replace("\\", "/")
    raw = os.fsencode(name) if _is_storable(name) else b""
    for encoding in ENCODINGS:
        try:
            yield f"the table is in {encoding}, not in UTF-8", raw.decode(encoding)
        except UnicodeDecodeError:
            pass
        try:
            undone = name.encode(encoding)
        except UnicodeEncodeError:
            continue
        try:
            yield f"the table was read as {encoding} and saved", undone.decode()
        except UnicodeDecodeError:
            pass
        yield f"the folder's names are in {encoding}, not in UTF-8", os.fsdecode(undone)


def _is_storable(name: str) -> bool:
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return True


def _found(folder: Path, name: str) -> str | None:
    """Find a file whose name has the same characters, however they are composed."""
    place, parts = folder, [part for part in name.split("/") if part not in {"", "."}]
    for part in parts:
        if part == "..":
            place = place.parent
            continue
        known = _entries(place)
        if (entry := known.get(unicodedata.normalize("NFC", part))) is None:
            return None
        place = place / entry
    return os.path.relpath(place, folder) if parts and place.is_file() else None


@lru_cache(maxsize=8)
def _entries(folder: Path) -> dict[str, str]:
    try:
        return {unicodedata.normalize("NFC", name): name for name in os.listdir(folder)}
    except (OSError, ValueError):
        return {}
