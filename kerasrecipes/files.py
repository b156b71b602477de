"""Files and folders that are complete or not there at all, and what they must contain."""

import ctypes
import errno
import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from kerasrecipes.console import say, warn
from kerasrecipes.errors import (
    DISK_REMEDIES,
    DataError,
    KerasRecipesError,
    disk_error,
    first_line,
    printable,
)
from kerasrecipes.regular import append_regular, open_regular

UNFINISHED = ".writing-"


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, as hex digits.

    A folder's is that of its files' digests and names, sorted, as written by
    `find . -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum --zero | sha256sum`.

    Args:
        path: A file or a folder.

    Raises:
        OSError: If something cannot be read, or a folder holds more than files and folders.
    """
    if path.is_dir():
        entries = sorted((p.relative_to(path).as_posix(), digest(p)) for p in files_in(path))
        text = "".join(f"{sha256}  {name}\0" for name, sha256 in entries)
        return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def size_bytes(path: Path) -> int:
    """Return the size of a file, or of all files in a folder."""
    return sum(file.stat().st_size for file in (files_in(path) if path.is_dir() else [path]))


def files_in(folder: Path) -> list[Path]:
    """List the files in a folder and its subfolders.

    Args:
        folder: A folder.

    Raises:
        OSError: If it holds links or devices: they lead elsewhere, or never end.
    """
    found = sorted(entries_in(folder))
    for path in found:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise OSError(errno.EINVAL, "Neither a file nor a folder", str(path))
    return found


def entries_in(folder: Path, without: str = "") -> Iterator[Path]:
    """Yield all that is in a folder and its subfolders, but for folders; links are not followed.

    Args:
        folder: A folder.
        without: Name of a folder in it that is not looked into.

    Raises:
        OSError: If one of its folders cannot be read.
    """
    waiting = [folder]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                path = Path(entry.path)
                if not entry.is_dir(follow_symlinks=False):
                    yield path
                elif path != folder / without or not without:
                    waiting.append(path)


@contextmanager
def told_plainly(folder: Path) -> Iterator[None]:
    """Say in an operating system's error what could not be saved, and what to do.

    What other libraries raise about the disk becomes such an error, too; what this package has
    said already stays as it is.

    Args:
        folder: Where it was to be saved.

    Raises:
        OSError: In place of what the block raises about the disk.
    """
    try:
        yield
    except Exception as error:
        number = disk_error(error)
        if (number is None and not isinstance(error, OSError)) or _is_told(error):
            raise
        filename = getattr(error, "filename2", None) or getattr(error, "filename", None)
        where = f" ('{printable(filename)}')" if filename else ""
        system = os.strerror(number) if number else first_line(error)
        reason = printable(getattr(error, "strerror", None) or system)
        raise told_error(
            number or getattr(error, "errno", None),
            f"Nothing was saved in '{printable(folder)}': {reason}{where}. "
            f"{DISK_REMEDIES.get(number or 0, 'Correct that')}, then save again",
        ) from error


def told_error(number: int | None, message: str) -> OSError:
    """Make an operating system's error whose message stays as it is in `told_plainly`.

    Args:
        number: Its number.
        message: What could not be done, and what to do.
    """
    error = OSError(number, message)
    vars(error)["told"] = True
    return error


def _is_told(error: Exception) -> bool:
    return isinstance(error, KerasRecipesError) or "told" in vars(error)


@contextmanager
def copied_plainly(path: Path) -> Iterator[None]:
    """Say in an operating system's error which temporary copy could not be made, and what to do."""
    try:
        yield
    except OSError as error:
        raise told_error(
            error.errno,
            f"'{printable(path)}' is read from a copy, which could not be made in "
            f"'{printable(tempfile.gettempdir())}': {error.strerror or error}. Free some space "
            "there, or let TMPDIR name another folder",
        ) from error


class TemporaryFolder:
    """A hidden folder; with the end of a block, or of this object, what is still in it is removed.

    It also is when the program ends, and after `kill -9` by the next write beside it.

    Args:
        beside: Where it is made; `None` for the system's place for temporary files.

    Raises:
        OSError: If nothing can be written there.
    """

    def __init__(self, beside: Path | None = None):
        where = Path(tempfile.gettempdir()) if beside is None else beside
        remove_unfinished(where)
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=where))
            with suppress(FileNotFoundError):  # somebody took it for left behind
                descriptor = os.open(self.path, os.O_RDONLY)
                if _claim(descriptor, self.path):
                    break
                os.close(descriptor)
        self._end = weakref.finalize(self, _end_folder, self.path, descriptor)
        self.path.chmod(0o755)

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *error: object) -> None:
        self._end()


def _end_folder(path: Path, descriptor: int) -> None:
    shutil.rmtree(path, ignore_errors=True)
    os.close(descriptor)


def _claim(descriptor: int, path: Path) -> bool:
    """Lock what was just made until it is closed; whether it is still there then."""
    with suppress(OSError):  # where files cannot be locked
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    return _is_at(descriptor, path)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def remove_unfinished(folder: Path) -> None:
    """Remove what writes left behind in a folder when their process was killed, and say so.

    What is still being written is locked by who writes it, and stays.

    Args:
        folder: The folder.
    """
    for path in sorted(folder.glob(f"{UNFINISHED}*")):
        try:
            removed = _remove_if_left(path)
        except FileNotFoundError:  # its writer was quicker
            continue
        except OSError as error:
            warn(
                f"'{printable(path)}' seems to be left behind by a write that was cut off, and "
                f"cannot be removed: {error.strerror}. Remove it."
            )
            continue
        if removed:
            say(f"Removed '{printable(path)}', left behind by a write that was cut off.")


def _remove_if_left(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        shared = path.parent.stat().st_mode & stat.S_ISVTX
        if shared and os.fstat(descriptor).st_uid != os.geteuid():
            return False  # another user's, whose next write removes it
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if not _is_at(descriptor, path):
            return False
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
        return True
    finally:
        os.close(descriptor)


def check_new_folder(folder: Path) -> None:
    """Make sure that a folder can be filled without touching what is there.

    Args:
        folder: It must not exist, or be empty.

    Raises:
        DataError: If it holds something, or is a file.
        OSError: If it can have no such name.
    """
    with told_plainly(folder):
        taken = folder.exists()
    if taken and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(
            f"'{printable(folder)}' is not empty. Name a new folder, so that nothing is "
            "overwritten."
        )


def sync_folder(folder: Path) -> None:
    """Force a folder onto the disk, so that a rename never outruns its content."""
    for path in [*folder.rglob("*"), folder]:
        if path.is_file() or path.is_dir():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _claimed_file(folder: Path) -> IO[bytes]:
    while True:
        file = tempfile.NamedTemporaryFile(prefix=UNFINISHED, dir=folder, delete=False)
        if _claim(file.fileno(), Path(file.name)):
            return file
        file.close()


@contextmanager
def complete_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a hidden binary file that becomes `path` when the block ends, or else is removed."""
    remove_unfinished(path.parent)
    with _claimed_file(path.parent) as file:
        try:
            yield file
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
            os.replace(file.name, path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is complete or not there, and say plainly why it cannot be written."""
    with told_plainly(path), complete_file(path) as file:
        file.write(content)


@contextmanager
def held(folder: Path, shared: bool = False) -> Iterator[None]:
    """Wait until nobody else holds a folder, and hold it while the block runs.

    Args:
        folder: A folder; nothing is written into it for this.
        shared: Whether others may do so, too, that want it shared.

    Raises:
        OSError: If it cannot be opened.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # where folders cannot be locked
            fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def put_in_place(folder: Path, target: Path) -> None:
    """Give a folder its final name; what had that name before has the other one then.

    Where the system can, there is no moment without a folder of that name.

    Args:
        folder: The new folder.
        target: Its final place, on the same file system.

    Raises:
        OSError: If it cannot be renamed; all is as before then.
    """
    if not target.exists():
        folder.rename(target)
        return
    if _exchanged(folder, target):
        return
    old = folder.with_name(f"{folder.name}-old")
    target.rename(old)
    try:
        folder.rename(target)
    except OSError:
        old.rename(target)
        raise
    old.rename(folder)


def _exchanged(one: Path, other: Path) -> bool:
    """Let two folders change places; whether this system can."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    if rename is None:
        return False
    return rename(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Keep other processes, and other calls, out of a folder while the block runs.

    The lock ends with the process, however that ends.

    Args:
        folder: The folder; made if it does not exist.

    Raises:
        DataError: If somebody is in there.
        OSError: If nothing can be written there.
    """
    with told_plainly(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = append_regular("lock", inside=folder)
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise DataError(
                f"Process {lock.read().strip()} is at work in '{printable(folder)}'. Wait until it "
                "ends, or name another folder."
            ) from error
        with told_plainly(folder):
            os.ftruncate(lock.fileno(), 0)
            # At once: what `lock` kept for later would be raised anew, and rawly, as it is closed.
            os.write(lock.fileno(), f"{os.getpid()}\n".encode())
        yield
