"""Records that are read from disk: what JSON text holds, and whether it is what it must be.

What is damaged is told as a `ValueError` of one line; who reads the file adds its name and what
to do.
"""

import json
import math
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

from pydantic import BaseModel, BeforeValidator, TypeAdapter, ValidationError

from kerasrecipes.errors import DataError, did_you_mean, listed, printable, repeated
from kerasrecipes.regular import read_regular

T = TypeVar("T")
R = TypeVar("R", bound=BaseModel)
# A number as reports write it, where NaN is `null` and infinity a word.
Measured = Annotated[float, BeforeValidator(lambda found: math.nan if found is None else found)]
DEEPEST = 200
_WIDEST = 2**64
# How a whole number that is wider begins, unless it is all that there is.
_LONG = re.compile(r"[-:,\[\s][0-9]{20}")


def parse_json(content: bytes | str) -> Any:
    """Read JSON text, and nothing that another program would read otherwise.

    Args:
        content: The text, or its bytes in UTF-8.

    Returns:
        Its values; NaN may be among them.

    Raises:
        ValueError: If it is no JSON, has a name more than once, a whole number beyond 64 bits, or
            lists in lists without end; the message says which, in a few words.

    Example:
        >>> parse_json('{"epochs": 3}')
        {'epochs': 3}
    """
    try:
        text = content.decode() if isinstance(content, bytes) else content
        # To look at each number in Python takes ten times as long as to read them all.
        whole = _whole if text[:1].isdigit() or _LONG.search(text) else None
        found = json.loads(text, object_pairs_hook=_object, parse_int=whole)
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not valid JSON (line {error.lineno}: {error.msg})") from error
    except RecursionError as error:
        raise ValueError(f"it is nested deeper than {DEEPEST} levels") from error
    if text.count("[") + text.count("{") > DEEPEST:
        _check_depth(found)
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        doubled = repeated(name for name, _ in pairs)
        raise ValueError(f"it has {listed(doubled)} more than once")
    return found


def _whole(digits: str) -> int:
    if len(digits) > 20 or abs(int(digits)) >= _WIDEST:
        raise ValueError(f"it has a number of {len(digits)} digits")
    return int(digits)


def _check_depth(found: Any) -> None:
    level = [found]
    for _ in range(DEEPEST):
        inside = [one for one in level if isinstance(one, dict | list)]
        level = [v for one in inside for v in (one.values() if isinstance(one, dict) else one)]
        if not level:
            return
    raise ValueError(f"it is nested deeper than {DEEPEST} levels")


def checked(kind: type[T], values: Any) -> T:
    """Build a record from plain values.

    Args:
        kind: A pydantic model, a dataclass, or any other type that pydantic can judge.
        values: What a file says; names that the record does not know are passed over.

    Raises:
        ValueError: If something is missing or of another kind; the message says which, in a few
            words.

    Example:
        >>> checked(dict[str, int], {"good": 3})
        {'good': 3}
    """
    try:
        return cast(T, _adapter(cast(Any, kind)).validate_python(values))
    except ValidationError as error:
        raise ValueError(what_is_wrong(error)) from error


def schema_of(kind: Any) -> dict[str, Any]:
    """Return the JSON schema of what `checked` takes.

    Args:
        kind: A type that pydantic can judge.
    """
    return _adapter(kind).json_schema()


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def read_toml(kind: type[R], path: Path, **instead: Any) -> R:
    """Read a record that people write in TOML.

    Args:
        kind: A pydantic model.
        path: The file.
        **instead: Values that take the place of those in the file.

    Raises:
        DataError: If it is no TOML, or says what is not known or cannot be.
        OSError: If it cannot be read.
    """
    where, known = f"'{printable(path)}'", kind.model_fields
    try:
        values = {**tomllib.loads(read_regular(path).decode()), **instead}
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise DataError(f"{where} is no TOML file: {printable(error)}. Correct it.") from error
    for name in values.keys() - known.keys():
        raise DataError(
            f"{where} says {printable(name)!r}, which is not known.{did_you_mean(name, known)} "
            f"Known are {listed(known, 20)}."
        )
    try:
        return checked(kind, values)
    except ValueError as error:
        raise DataError(f"{where} cannot be used: {error}. Correct that line.") from error


def what_is_wrong(error: ValidationError) -> str:
    """Say in a few words what a record lacks, or what is wrong in it.

    Args:
        error: What pydantic raised; the first of what it found is told.
    """
    problem = error.errors(include_url=False, include_input=False)[0]
    *outer, last = problem["loc"] or ("it",)
    where = printable(".".join(map(str, outer)))
    if problem["type"] == "missing":
        return f"{f'`{where}`' if where else 'it'} lacks '{printable(last)}'"
    # What pydantic puts before the words of a validator.
    told = problem["msg"].removeprefix("Value error, ").removesuffix(".")
    whole = printable(".".join(map(str, problem["loc"])))
    return f"`{whole}`: {printable(told)}" if whole else printable(told)
