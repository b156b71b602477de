"""A folder of states, of which the last complete one survives whatever happens."""

import errno
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.console import warn
from kerasrecipes.errors import DataError, IntegrityError, listed, printable
from kerasrecipes.file_budget import read_arrays
from kerasrecipes.files import complete_file, digest
from kerasrecipes.regular import open_regular, read_regular

FORMAT = 1
TREE = "tree"
ARRAY, SCALAR = "$array", "$scalar"


def pack_tree(tree: Any) -> dict[str, np.ndarray]:
    """Turn nested values into named arrays.

    Args:
        tree: Numbers, strings, booleans, `None`, arrays, and lists and dicts of these.

    Returns:
        The arrays by name; one of them holds the structure, as JSON. Tuples become lists.

    Raises:
        TypeError: If something in it is of another kind; the message says where.

    Example:
        >>> packed = pack_tree({"epoch": 3, "best": [np.zeros(2)]})
        >>> unpack_tree(packed)
        {'epoch': 3, 'best': [array([0., 0.])]}
    """
    arrays: dict[str, np.ndarray] = {}
    text = json.dumps({"format": FORMAT, "state": _packed(tree, "", arrays)})
    arrays[TREE] = np.frombuffer(text.encode(), np.uint8)
    return arrays


def unpack_tree(arrays: dict[str, np.ndarray]) -> Any:
    """Return what `pack_tree` was given.

    Args:
        arrays: The named arrays.

    Raises:
        DataError: If they were packed by a newer version.
        ValueError: If they are something else.
        KeyError: If one is missing.
    """
    found = json.loads(arrays[TREE].tobytes())
    if found["format"] > FORMAT:
        raise DataError(
            f"The state has format {found['format']}, and this version of kerasrecipes reads up "
            f"to {FORMAT}. Upgrade kerasrecipes."
        )
    return _unpacked(found["state"], arrays)


def _packed(value: Any, where: str, arrays: dict[str, np.ndarray]) -> Any:
    if value is None or isinstance(value, bool | str) or type(value) in {int, float}:
        return value
    if isinstance(value, np.ndarray | np.generic):
        kind = ARRAY if isinstance(value, np.ndarray) else SCALAR
        name = f"a{len(arrays)}"
        array = np.asarray(value)
        # The file format knows numpy's own types only, and bfloat16 is none of them.
        foreign = array.dtype.kind == "V"
        arrays[name] = array.view(f"u{array.itemsize}") if foreign else array
        return {kind: name, "dtype": str(array.dtype)}
    if isinstance(value, dict) and all(isinstance(k, str) and k[:1] != "$" for k in value):
        return {name: _packed(one, f"{where}.{name}", arrays) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_packed(one, f"{where}[{i}]", arrays) for i, one in enumerate(value)]
    raise TypeError(
        f"A state cannot hold a {type(value).__name__} (at '{where.lstrip('.')}'). Keep to "
        "numbers, strings, None, arrays, and lists and dicts of these with names as keys."
    )


def _unpacked(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, list):
        return [_unpacked(one, arrays) for one in value]
    if not isinstance(value, dict):
        return value
    if ARRAY not in value and SCALAR not in value:
        return {name: _unpacked(one, arrays) for name, one in value.items()}
    array = arrays[value.get(ARRAY) or value[SCALAR]].view(np.dtype(value["dtype"]))
    return array if ARRAY in value else array[()]


SEAL = ".sha256"


class StateFolder:
    """Numbered state files, each with its SHA-256 beside it; the last two are kept.

    A state is written into a hidden file, forced onto the disk and renamed, after its digest:
    what has a name ending in `.npz` is complete. Arrays and JSON are all that is in it, so
    that reading one runs no code.

    Args:
        folder: The folder; made when the first state is written.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.path: Path | None = None

    def write(self, state: dict) -> None:
        """Write a state, and then remove all but the one before it.

        Args:
            state: What `pack_tree` can pack.

        Raises:
            OSError: If it cannot be written; the states from before are as they were.
            TypeError: If it holds something that cannot be written.
        """
        arrays: dict[str, Any] = pack_tree(state)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            written = self.folder / f"state-{max([0, *self._states()]) + 1:06}.npz"
            with complete_file(written) as file:
                np.savez(file, **arrays)
                file.flush()
                line = f"{digest(Path(file.name))}  {written.name}\n"
                with complete_file(_seal(written)) as seal:
                    seal.write(line.encode())
            self._keep({written, self.path})
        except OSError as error:
            raise self._cannot_write(error) from error
        self.path = written

    def read(self) -> Any:
        """Return the last state that is as it was written, or `None` if there is none at all.

        A damaged one is told of and passed over.

        Raises:
            IntegrityError: If there are states, and all are damaged.
            DataError: If the state was written by a newer version.
        """
        states = self._states()
        reasons = {}
        for number in sorted(states, reverse=True):
            path = states[number]
            try:
                state = _read(path)
            except (IntegrityError, OSError) as error:
                reasons[path] = str(error)
                continue
            for damaged, reason in reasons.items():
                warn(
                    f"'{printable(damaged)}' is damaged ({reason}). The one before it, "
                    f"'{path.name}', is used instead."
                )
            self.path = path
            return state
        if reasons:
            raise IntegrityError(
                f"There is no state left to go on from in '{printable(self.folder)}': "
                f"{'; '.join(f'{path.name}: {reason}' for path, reason in reasons.items())}. "
                "Restore the files from a copy, or begin again in another folder."
            )
        return None

    def _states(self) -> dict[int, Path]:
        if not self.folder.is_dir():
            return {}
        found = ((re.fullmatch(r"state-(\d+)\.npz", p.name), p) for p in self.folder.iterdir())
        return {int(match[1]): path for match, path in found if match}

    def _keep(self, kept: set) -> None:
        for path in self._states().values():
            if path not in kept:
                path.unlink()
        for seal in self.folder.glob(f"state-*{SEAL}"):
            if not seal.with_suffix("").exists():
                seal.unlink()

    def _cannot_write(self, error: OSError) -> OSError:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        remedy = "Free some space" if full else "Make the folder writable"
        left = f"resume: '{self.path.name}' is still there" if self.path else "try again"
        return OSError(
            error.errno,
            f"No state could be written in '{printable(self.folder)}': "
            f"{error.strerror or error}. {remedy}, then {left}",
        )


def _read(path: Path) -> Any:
    seal = _seal(path)
    try:
        stated = read_regular(seal.name, inside=path.parent).decode(errors="replace").split()[:1]
    except FileNotFoundError:
        raise IntegrityError(f"its digest '{seal.name}' is missing") from None
    try:
        with open_regular(path.name, inside=path.parent) as file:
            if stated != [hashlib.file_digest(file, "sha256").hexdigest()]:
                raise IntegrityError("its SHA-256 is not the one beside it")
            file.seek(0)
            return unpack_tree(read_arrays(file, path.stat().st_size))
    except DataError:
        raise
    except (LookupError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise IntegrityError(f"it holds no state: {listed([error])}") from error


def _seal(path: Path) -> Path:
    return path.with_name(path.name + SEAL)
