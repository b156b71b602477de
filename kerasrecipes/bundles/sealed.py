"""The one way in which files of a bundle are read: inside it, and as they were written."""

import errno
import hashlib
import os
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

from kerasrecipes.errors import IntegrityError, listed, printable
from kerasrecipes.files import entries_in
from kerasrecipes.regular import open_regular

CHANGED, MISSING, ADDED = "changed", "missing", "added"
NO_FILE = "a link, folder, pipe or device in place of a file"
DENIED = os.strerror(errno.EACCES)
PIECE = 1 << 20
# What file managers leave behind in folders that were merely looked at, and how it begins; what is
# larger is more than that. What a Mac adds where it copies (`._` and a name) can hold anything.
_LITTER = {
    ".DS_Store": rb"\x00{3}\x01Bud1",
    "Thumbs.db": rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    "desktop.ini": rb"(\xef\xbb\xbf|\xff\xfe)?[\s\0]*\[",
}
_LARGEST_LITTER = 1 << 16


class BrokenSeal(Exception):
    """A file is not what its seal says. The reason is one of the words above, or the system's."""


def pieces(folder: Path, name: str, sha256: str | None, most_bytes: int) -> Iterator[bytes]:
    """Yield the content of a file, piece by piece; use none before the last one came.

    Args:
        folder: The bundle.
        name: The file's name in it.
        sha256: What the digest of all pieces must be, as hex digits.
        most_bytes: The file's size, or what it is at most where that is not known; a larger one is
            not read.

    Raises:
        BrokenSeal: If it is no regular file inside the folder, or not as it was written.
    """
    try:
        file = open_regular(name, inside=folder)
    except OSError as error:
        raise BrokenSeal(reason_of(error)) from error
    found, left = hashlib.sha256(), most_bytes
    with file:
        if os.fstat(file.fileno()).st_size > most_bytes:
            raise BrokenSeal(CHANGED)
        while piece := file.read(min(PIECE, left + 1)):
            found.update(piece)
            left -= len(piece)
            if left < 0:  # somebody writes to it
                raise BrokenSeal(CHANGED)
            yield piece
    if found.hexdigest() != sha256:
        raise BrokenSeal(CHANGED)


def reason_of(error: OSError) -> str:
    """Say in a few words why a file could not be read."""
    if isinstance(error, FileNotFoundError):
        return MISSING
    return NO_FILE if error.errno == errno.EINVAL else str(error.strerror)


def what_is_wrong(folder: Path, name: str, sha256: str | None, most_bytes: int) -> str | None:
    """Return what `pieces` finds wrong with a file, or `None`."""
    try:
        for _ in pieces(folder, name, sha256, most_bytes):
            pass
    except BrokenSeal as error:
        return str(error)
    return None


def names_in(folder: Path, without: str = "") -> list[str]:
    """List what is in a bundle, or in a part of it, by relative name, but for litter.

    Litter is what file managers write, if it is what it is called: nothing ever reads it.

    Args:
        folder: The folder.
        without: Name of a folder in it that is left out.

    Raises:
        OSError: If it cannot be read.
    """
    found = entries_in(folder, without)
    names = sorted(path.relative_to(folder).as_posix() for path in found)
    return [name for name in names if not is_litter(folder, name)]


def not_as_written(
    folder: Path, problems: dict[str, str], remedy: str, to_keep: str = ""
) -> IntegrityError:
    """Build the error for a folder whose files are not those that its seal tells of.

    Args:
        folder: The folder.
        problems: Names of files to what is wrong with them.
        remedy: What to do about what was changed or is missing.
        to_keep: What to do where something was added, and is to stay.
    """
    kinds = set(problems.values())
    told = "; ".join(
        f"{kind}: {listed(name for name, wrong in problems.items() if wrong == kind)}"
        for kind in dict.fromkeys([CHANGED, MISSING, ADDED, *problems.values()])
        if kind in kinds
    )
    added = [name for name, wrong in problems.items() if wrong == ADDED]
    remedies = {
        remedy: kinds - {ADDED, DENIED},
        f"Remove what was added{to_keep}.{about_litter(folder, added)}": kinds & {ADDED},
        "Let this user read it.": kinds & {DENIED},
    }
    todo = " ".join(said for said, needed in remedies.items() if needed)
    found = "cannot be read" if kinds == {DENIED} else "is not as it was written"
    return IntegrityError(f"'{printable(folder)}' {found}. {told}. {todo}")


def about_litter(folder: Path, names: Iterable[str]) -> str:
    """Say how to be rid of what file managers left, if files that were added are called so.

    Args:
        folder: The folder that they lie in.
        names: What was added.
    """
    called = {name.rpartition("/")[2] for name in names}
    found = sorted(called & _LITTER.keys()) + ["._*"] * any(n.startswith("._") for n in called)
    if not found:
        return ""
    which = " -o ".join(f"-name '{name}'" for name in found)
    return (
        f" {listed(found)} come from a file manager, as a rule: find "
        f"{shlex.quote(printable(folder))} -type f '(' {which} ')' -delete"
    )


def is_litter(folder: Path, name: str) -> bool:
    """Tell whether a file is what file managers leave behind, and not only called so."""
    begins = _LITTER.get(name.rpartition("/")[2])
    if begins is None:
        return False
    try:
        with open_regular(name, inside=folder) as file:
            small = os.fstat(file.fileno()).st_size <= _LARGEST_LITTER
            return small and re.match(begins, file.read(16)) is not None
    except OSError:
        return False
