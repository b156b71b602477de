"""Files and folders that are complete or not there at all, and what they must contain."""

import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from kerasrecipes.errors import DataError, printable

UNFINISHED = ".writing-"
_REMEDIES = {
    errno.ENOSPC: "Free some space",
    errno.EDQUOT: "Free some space",
    errno.EACCES: "Name a folder that can be written",
    errno.EROFS: "Name a folder that can be written",
    errno.ENOTDIR: "Name another folder",
}


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
    with path.open("rb") as file:
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
    found = [path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]
    for path in found:
        if path.is_symlink() or not path.is_file():
            raise OSError(errno.EINVAL, "Neither a file nor a folder", str(path))
    return found


@contextmanager
def told_plainly(folder: Path) -> Iterator[None]:
    """Say in an operating system's error what could not be saved, and what to do."""
    try:
        yield
    except OSError as error:
        reason = printable(error.strerror or error)
        where = f" ('{printable(error.filename)}')" if error.filename else ""
        raise OSError(
            error.errno,
            f"Nothing was saved in '{printable(folder)}': {reason}{where}. "
            f"{_REMEDIES.get(error.errno or 0, 'Correct that')}, then save again",
        ) from error


@contextmanager
def temporary_folder(beside: Path) -> Iterator[Path]:
    """Make a hidden folder in `beside`; whatever is still in it at the end is removed."""
    folder = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=beside))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def check_new_folder(folder: Path) -> None:
    """Make sure that a folder can be filled without touching what is there.

    Args:
        folder: It must not exist, or be empty.

    Raises:
        DataError: If it holds something, or is a file.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
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


@contextmanager
def complete_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a hidden binary file that becomes `path` when the block ends, or else is removed."""
    with tempfile.NamedTemporaryFile(prefix=UNFINISHED, dir=path.parent, delete=False) as file:
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
        lock = (folder / "lock").open("a+", encoding="utf-8")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise DataError(
                f"Process {lock.read().strip()} is at work in '{printable(folder)}'. Wait until it "
                "ends, or name another folder."
            ) from error
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def remove_unfinished(folder: Path) -> None:
    """Remove what `complete_file` left behind in a process that was killed."""
    for path in folder.glob(f"{UNFINISHED}*"):
        path.unlink(missing_ok=True)
