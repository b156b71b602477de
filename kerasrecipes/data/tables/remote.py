"""Folders and files of object stores: copied here once, and again what changed there."""

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from tempfile import gettempdir
from typing import Any

from kerasrecipes.console import bar
from kerasrecipes.environment import cache_folder
from kerasrecipes.errors import DataError, KerasRecipesError, first_line, printable, require
from kerasrecipes.files import TemporaryFolder, locked_folder, write_whole
from kerasrecipes.records import parse_json

# As a path an address has one slash where it had two.
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+):/{1,2}(?=[^/])")
_TOGETHER = 256
# How stores call what changes with the content of a file.
_VERSIONS = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified", "created")
_RECORD, _FILES = "copied.json", "files"


def here(source: str | Path) -> Path:
    """Return where something lies on this machine, absolute; what lies elsewhere is copied first.

    Args:
        source: A path; or an address that fsspec knows, such as `"s3://bucket/tiles"`, of a folder
            or a file. Its copy lies in the cache folder. What did not change there is not copied
            again, and what is gone there is removed here.

    Raises:
        MissingDependencyError: If the extra `remote` is not installed.
        DataError: If it cannot be copied.
    """
    address = _ADDRESS.match(str(source))
    if address is None or os.path.lexists(source):
        return Path(os.path.abspath(source))
    return _copied(f"{address[1]}://{str(source)[address.end() :]}")


@dataclass(frozen=True)
class _File:
    """A file of a store: where it is there, what tells that it changed, and its size."""

    place: str
    version: str | None
    size: int | None


def _copied(address: str) -> Path:
    fsspec = require("fsspec", "remote", f"Reading '{printable(address)}'")
    base = cache_folder() or Path(gettempdir(), "kerasrecipes")
    folder = base / "remote" / sha256(address.encode()).hexdigest()[:16]
    try:
        store, inside = fsspec.core.url_to_fs(address)
        found = _listed(store, inside)
        with locked_folder(folder):
            _take(store, found, folder)
    except KerasRecipesError:
        raise
    except Exception as error:  # every store has errors of its own
        raise DataError(f"Cannot copy '{printable(address)}': {first_line(error)}.") from error
    return folder / _FILES / _last(inside)


def _last(inside: str) -> str:
    return PurePosixPath(inside).name or "root"


def _listed(store: Any, inside: str) -> dict[str, _File]:
    """Return what there is, by the names that it gets here."""
    top = inside.rstrip("/")
    single = store.isfile(inside)
    told = {inside: store.info(inside)} if single else store.find(inside, detail=True)
    if not told:
        raise DataError(f"'{printable(inside)}' is not there, or holds no file. Check the address.")
    found = {}
    for place, info in told.items():
        name = PurePosixPath(_last(inside), "" if single else place[len(top) :].lstrip("/"))
        if ".." in name.parts:
            raise DataError(f"'{printable(place)}' would lie outside of the copy. Rename it there.")
        version = next((str(info[key]) for key in _VERSIONS if info.get(key)), None)
        found[str(name)] = _File(place, version, info.get("size"))
    return found


def _take(store: Any, found: dict[str, _File], folder: Path) -> None:
    files, record = folder / _FILES, _record(folder)
    for name in record.keys() - found.keys():
        (files / name).unlink(missing_ok=True)
        del record[name]
    wanted = [
        name
        for name, one in found.items()
        if one.version is None or record.get(name) != one.version or not (files / name).is_file()
    ]
    with bar("copying") as show, TemporaryFolder(folder) as stage:
        for top in range(0, len(wanted), _TOGETHER):
            names = wanted[top : top + _TOGETHER]
            staged = [str(stage / str(number)) for number in range(len(names))]
            store.get([found[name].place for name in names], staged)
            _put(zip(names, staged, strict=True), found, files)
            record |= {name: str(found[name].version) for name in names}
            write_whole(folder / _RECORD, json.dumps(record).encode())
            show(top + len(names), len(wanted))
    write_whole(folder / _RECORD, json.dumps(record).encode())


def _put(staged: Iterable[tuple[str, str]], found: dict[str, _File], files: Path) -> None:
    for name, file in staged:
        size = os.stat(file).st_size
        if found[name].size not in (None, size):
            raise DataError(
                f"Of '{printable(found[name].place)}' {size:,} bytes came of "
                f"{found[name].size:,}. Try again."
            )
        (files / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(file, files / name)


def _record(folder: Path) -> dict[str, str]:
    """Return the version of each file that was copied before."""
    try:
        return dict(parse_json((folder / _RECORD).read_bytes()))
    except (OSError, ValueError, TypeError):  # none yet, or damaged: all is copied anew
        return {}
