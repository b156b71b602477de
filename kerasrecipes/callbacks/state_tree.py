"""Nested values and arrays as flat arrays, so that a file of them needs no pickle."""

import json
from typing import Any

import numpy as np

from kerasrecipes.errors import DataError

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
