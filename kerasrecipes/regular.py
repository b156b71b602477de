"""The one way in which files are opened: regular ones alone, and where asked, inside a folder.

A pipe would block for ever, a device would fill the memory, and a link leads out of the folder.
"""

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import TextIO

# What nothing that is read as text comes near.
LARGEST_RECORD = 1 << 28


def open_regular(path: str | Path, inside: str | Path | None = None) -> BufferedReader:
    """Open a file to be read.

    Args:
        path: The file. Links to a file are followed, unless `inside` is given.
        inside: A folder that the file must lie in: `path` is relative to it, leads nowhere else,
            and neither the file nor a folder on the way is a link.

    Raises:
        OSError: If there is no such file, or it is a folder, pipe, socket, device or such a link.
    """
    return os.fdopen(_opened(path, inside, os.O_RDONLY), "rb")


def append_regular(path: str | Path, inside: str | Path | None = None) -> TextIO:
    """Open a file of text to be read, and written at its end; it is made if it is not there.

    Args:
        path: The file.
        inside: The folder that it must lie in, as in `open_regular`.

    Raises:
        OSError: As `open_regular`.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
    return os.fdopen(_opened(path, inside, flags), "a+", encoding="utf-8")


def append_whole(
    path: str | Path, text: str, inside: str | Path | None = None, begin: int | None = None
) -> None:
    """Add text to the end of a file, on the disk; all of it, or nothing where there is no room.

    Args:
        path: The file; it is made if it is not there.
        text: What to add.
        inside: The folder that it must lie in, as in `open_regular`.
        begin: At which byte to add it, in place of what is there; by default at the end.

    Raises:
        OSError: As `open_regular`, or if it cannot be written; it names the file.
    """
    # Without a buffer: what one keeps of a write that failed, it would write as it is closed.
    descriptor = _opened(path, inside, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    content = text.encode()
    try:
        if begin is not None:
            os.ftruncate(descriptor, begin)
        end = before = os.fstat(descriptor).st_size
        try:
            while end < before + len(content):
                end += os.write(descriptor, content[end - before :])
            os.fsync(descriptor)
        except OSError as error:
            with suppress(OSError):
                # What others have added meanwhile stays.
                if os.fstat(descriptor).st_size == end:
                    os.ftruncate(descriptor, before)
            raise OSError(error.errno, error.strerror, str(Path(inside or "", path))) from error
    finally:
        os.close(descriptor)


def read_regular(
    path: str | Path, inside: str | Path | None = None, largest: int = LARGEST_RECORD
) -> bytes:
    """Read a whole file; see `open_regular`.

    Args:
        path: The file.
        inside: The folder that it must lie in.
        largest: How many bytes it may have.

    Raises:
        OSError: If it cannot be read, or is larger.
    """
    with open_regular(path, inside) as file:
        size = os.fstat(file.fileno()).st_size
        if size > largest:
            raise OSError(errno.EFBIG, f"it is larger than {largest:,} bytes", str(path))
        return file.read(size)


def _opened(path: str | Path, inside: str | Path | None, flags: int) -> int:
    flags |= os.O_NONBLOCK
    if inside is None:
        return _descriptor(os.fspath(path), Path(path), None, flags)
    *folders, name = PurePosixPath(path).parts or ("",)
    if name == "" or PurePosixPath(path).is_absolute() or ".." in (*folders, name):
        raise OSError(errno.EINVAL, f"it leads out of the folder '{inside}'", str(path))
    # Folder by folder, so that none can become a link in between.
    at = os.open(inside, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for depth, folder in enumerate(folders):
            called = Path(inside, *folders[: depth + 1])
            inner = _descriptor(folder, called, at, os.O_DIRECTORY | os.O_NOFOLLOW)
            os.close(at)
            at = inner
        return _descriptor(name, Path(inside, path), at, flags | os.O_NOFOLLOW)
    finally:
        os.close(at)


def _descriptor(name: str, called: Path, at: int | None, flags: int) -> int:
    """Open what is a file, or a folder where the flags ask for one."""
    wanted = stat.S_ISDIR if flags & os.O_DIRECTORY else stat.S_ISREG
    try:
        # Looked at before, since opening a device can have effects, and after, since it counts.
        with suppress(FileNotFoundError):
            _check_kind(os.stat(name, dir_fd=at, follow_symlinks=at is None), wanted, called)
        descriptor = os.open(name, flags, 0o666, dir_fd=at)
    except ValueError as error:  # a null character, or what no file system can call a file
        raise OSError(errno.EINVAL, str(error), str(called)) from error
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(called)) from error
    try:
        _check_kind(os.fstat(descriptor), wanted, called)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check_kind(found: os.stat_result, wanted: Callable[[int], bool], called: Path) -> None:
    mode = found.st_mode
    if not wanted(mode):
        kinds = {stat.S_ISREG: "a file", stat.S_ISDIR: "a folder", stat.S_ISLNK: "a link"}
        kind = next((k for test, k in kinds.items() if test(mode)), "a pipe, socket or device")
        raise OSError(errno.EINVAL, f"it is {kind}, not {kinds[wanted]}", str(called))
