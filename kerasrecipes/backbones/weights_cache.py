"""Keeping converted weights, so that a conversion runs once per machine.

For EfficientNet-Lite0 the gain is nil: reading and checking the kept file takes as long
as converting the checkpoint again (about 0.1 s). It pays for slower conversions.
"""

import hashlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.environment import ENVIRONMENT_VARIABLE, cache_folder
from kerasrecipes.errors import DataError, first_line, printable
from kerasrecipes.file_budget import allowed_bytes, read_arrays
from kerasrecipes.files import complete_file, digest
from kerasrecipes.regular import open_regular

DIGEST_KEY = "sha256"


def cached_arrays(
    source: Path,
    *,
    expected_digest: str,
    version: int,
    convert: Callable[[Path], dict[str, np.ndarray]],
) -> dict[str, np.ndarray]:
    """Convert a weights file, or take the result of an earlier conversion.

    A cache that is missing, damaged or unwritable never stops the work: the source is
    converted again, and one warning says why nothing is kept.

    Args:
        source: The file to convert.
        expected_digest: SHA-256 that the source must have.
        version: Version of the conversion; a new one leaves old results unused.
        convert: Reads the source and returns named arrays.

    Raises:
        DataError: If the source cannot be read or is not the file it should be.
    """
    found = _digest_of_file(source)
    if found != expected_digest:
        raise DataError(
            f"The weights file '{source}' has SHA-256 {found[:12]}…, not {expected_digest[:12]}…; "
            "it was changed or cut off. Install the package that carries it again."
        )
    name = f"{source.stem}-{found[:16]}-v{version}"
    most_bytes = allowed_bytes(source.stat().st_size)
    return kept_arrays(name, lambda: convert(source), most_bytes, "converted weights")


def kept_arrays(
    name: str, make: Callable[[], dict[str, np.ndarray]], most_bytes: int, what: str
) -> dict[str, np.ndarray]:
    """Make arrays, or take those that were made and kept under the same name.

    Args:
        name: Says all that they depend on, e.g. by a digest.
        make: Makes them.
        most_bytes: How many bytes they may have.
        what: What they are, for people.
    """
    folder = cache_folder()
    target = folder / f"{name}.npz" if folder else None
    if target is not None and (arrays := _read(target, most_bytes, what)) is not None:
        return arrays
    arrays = make()
    _keep(target, arrays, what)
    return arrays


def _keep(target: Path | None, arrays: dict[str, np.ndarray], what: str) -> None:
    try:
        if target is None:
            raise OSError("there is no home folder")
        _write(target, arrays)
    except OSError as error:
        warnings.warn(
            f"The {what} are not kept, because {target.parent if target else 'the cache'} "
            f"is not writable ({error.strerror or error}). Set {ENVIRONMENT_VARIABLE} to a "
            "writable folder.",
            stacklevel=3,
        )


def _digest_of_file(path: Path) -> str:
    try:
        return digest(path)
    except OSError as error:
        raise DataError(f"Cannot read the weights file '{path}': {error.strerror}.") from error


def _digest_of_arrays(arrays: dict[str, np.ndarray]) -> str:
    total = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        total.update(array.data)
    return total.hexdigest()


def _read(path: Path, most_bytes: int, what: str) -> dict[str, np.ndarray] | None:
    try:
        with open_regular(path) as file:
            arrays = read_arrays(file, most_bytes)
        if str(arrays.pop(DIGEST_KEY)) != _digest_of_arrays(arrays):
            raise ValueError("its SHA-256 is not the one inside it")
        return arrays
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError) as error:
        warnings.warn(
            f"The {what} in '{printable(path)}' are damaged ({first_line(error)}); "
            "they are made again.",
            stacklevel=3,
        )
        return None


def _write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content: dict[str, Any] = {**arrays, DIGEST_KEY: np.array(_digest_of_arrays(arrays))}
    with complete_file(path) as file:
        np.savez(file, **content)
