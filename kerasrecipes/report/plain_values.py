"""Values as strict JSON can hold them."""

from collections.abc import Mapping
from datetime import date
from os import PathLike, fspath
from typing import Any

import numpy as np

from kerasrecipes.statistics.estimate import encode_float


def plain(value: Any) -> Any:
    """Turn a value into what JSON gives back for it: lists, string keys, Python numbers.

    Args:
        value: Nested dicts, sequences, sets, numbers, strings, paths, dates or numpy values.

    Returns:
        The same, as dicts, lists, strings, numbers, booleans and `None`. NaN becomes `None`.

    Raises:
        TypeError: If something in it has no plain form.

    Example:
        >>> plain({"size": (224, 224), "rate": np.float64("nan")})
        {'size': [224, 224], 'rate': None}
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        # A subclass (numpy's, or an enum's) would not survive the way through a file.
        return str.__str__(value)
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return encode_float(value)
    return _plain_container(value)


def _plain_container(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((plain(item) for item in value), key=str)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, PathLike):
        return fspath(value)
    raise TypeError(
        f"A report cannot hold a {type(value).__name__} ({value!r:.60}). "
        "Pass numbers, strings, lists or dicts, e.g. an object's get_config()."
    )
