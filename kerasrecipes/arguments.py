"""One checker of arguments: what cannot be used is named, whatever it broke.

Functions judge what they know best themselves. Whatever else a wrong argument makes Python say
(`'int' object is not iterable`) is told by its annotation: which argument, what it must be.
"""

import dis
import functools
import inspect
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from itertools import islice
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from types import NoneType, TracebackType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin

from kerasrecipes.errors import KerasRecipesError, printable

F = TypeVar("F", bound=Callable[..., Any])
# What an argument of a wrong kind makes Python, numpy and Keras raise.
_RAW = (
    ArithmeticError, AssertionError, AttributeError, BufferError, LookupError, MemoryError,
    RecursionError, TypeError, ValueError,
)  # fmt: skip
_WORDS: dict[Any, str] = {
    bool: "True or False", int: "a whole number", float: "a finite number", str: "a text",
    bytes: "bytes", Path: "a path", NoneType: "None",
}  # fmt: skip
_INSTEAD_OF_ARRAYS = (
    " Make one of arrays with photos_from_arrays, labels and all; of texts and signals, with "
    "scan_texts and scan_signals."
)
_RAISE = dis.opmap["RAISE_VARARGS"]
_LOOKED_AT = 100
_SEVERAL = (Collection, Iterable, Sequence, frozenset, list, set, tuple)


class ArgumentError(KerasRecipesError, ValueError, TypeError):
    """An argument is of a kind that cannot be used."""


def named(function: F) -> F:
    """Let a function name the argument that it could not use.

    Args:
        function: A function, or a class, whose `__init__` is meant.

    Example:
        >>> @named
        ... def double(numbers: list[int]) -> list[int]:
        ...     return [2 * number for number in numbers]
        >>> double(3)
        Traceback (most recent call last):
        kerasrecipes.arguments.ArgumentError: `numbers` must be a list of whole numbers, not 3.
    """
    if isinstance(function, type):
        function.__init__ = named(function.__init__)  # type: ignore[misc]
        return cast(F, function)

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        if any(isinstance(value, Set) for value in (*args, *kwargs.values())):
            _check_order(function, args, kwargs)
        try:
            return function(*args, **kwargs)
        except Exception as error:
            if (wrong := _wrong_argument(function, args, kwargs, error)) is None:
                raise
            raise ArgumentError(wrong) from error

    return cast(F, called)


def _check_order(function: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> None:
    """Refuse a set in place of a list: its order is another one in the next process."""
    signature = inspect.signature(function)
    try:
        given = signature.bind(*args, **kwargs).arguments
    except TypeError:
        return
    for name, value in given.items():
        kind = _kind_of(signature.parameters[name])
        if isinstance(value, Set) and fits(kind, (*value,)) and not fits(kind, value):
            if "Iterable" not in str(kind):  # of which an annotation in quotes tells no more
                raise ArgumentError(
                    f"`{name}` must be {words(kind)}, not {_shown(value)}, which has no order."
                )


def _wrong_argument(
    function: Callable[..., Any], args: tuple, kwargs: dict[str, Any], error: Exception
) -> str | None:
    """Say which argument is of a wrong kind, if an error tells of that in no words of ours."""
    inner = isinstance(error, ArgumentError)  # of a function that this one called
    known = isinstance(error, KerasRecipesError) or _is_raised_here(error.__traceback__)
    if not inner and (known or not _is_raw(error)):
        return None
    signature = inspect.signature(function)
    try:
        given = signature.bind(*args, **kwargs).arguments
    except TypeError:
        return _arrays_for_examples(signature, (*args, *kwargs.values()))
    for name, value in given.items():
        kind = _kind_of(signature.parameters[name])
        if not fits(kind, value) and value is not signature.parameters[name].default:
            instead = _instead(value) if _is_of_examples(kind) else ""
            return f"`{name}` must be {words(kind)}, not {_shown(value)}.{instead}"
    # Of the right kind, and yet of no use.
    parameters = signature.parameters
    odd = [
        name for name, v in given.items() if _is_odd(v, "str" in str(_kind_of(parameters[name])))
    ] or [
        name
        for name, v in given.items()
        if isinstance(v, list | tuple) and "ndarray" in str(_kind_of(parameters[name]))
    ]
    if len(odd) != 1 or inner:
        return None
    reason = next(iter(str(error).splitlines()), type(error).__name__)
    return f"`{odd[0]}` cannot be {_shown(given[odd[0]])}: {printable(reason)[:200]}"


def _arrays_for_examples(signature: inspect.Signature, given: tuple) -> str | None:
    """Say what takes the place of arrays where they were given as to a Keras model."""
    names = [one.name for one in signature.parameters.values() if _is_of_examples(_kind_of(one))]
    if not names or not any(_is_array(one) or isinstance(one, list | tuple) for one in given):
        return None
    kind = words(_kind_of(signature.parameters[names[0]]))
    return f"`{names[0]}` must be {kind}, not arrays or lists.{_INSTEAD_OF_ARRAYS}"


def _instead(value: Any) -> str:
    """Say what takes the place of what is no set of examples."""
    if isinstance(value, str | PathLike):
        return " Scan a folder or table with scan_photos, scan_texts or scan_signals."
    several = isinstance(value, list | tuple | dict) and bool(value)
    return _INSTEAD_OF_ARRAYS if several or _is_array(value) else ""


def _is_array(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype")


def _is_of_examples(kind: Any) -> bool:
    return re.search(r"\b(Examples|PhotoSet)\b", str(kind)) is not None


def _kind_of(parameter: inspect.Parameter) -> Any:
    if parameter.kind is parameter.VAR_KEYWORD:
        return Any
    kind: Any = parameter.annotation
    return tuple[kind, ...] if parameter.kind is parameter.VAR_POSITIONAL else kind


def _is_odd(value: Any, may_be_text: bool) -> bool:
    """Tell whether a value is negative, empty, without order, or text where arrays are."""
    if isinstance(value, Real):
        return not isinstance(value, bool) and bool(value < 0)
    if hasattr(value, "size") and hasattr(value, "dtype"):
        return not value.size or (value.dtype.kind in "OSUV" and not may_be_text)
    if isinstance(value, str):
        return not may_be_text
    if isinstance(value, list | tuple):
        return not value or any(_is_odd(one, may_be_text) for one in value[:_LOOKED_AT])
    if isinstance(value, dict):
        return not value or any(_is_odd(one, may_be_text) for one in value.values())
    return isinstance(value, set)


def _is_raw(error: Exception) -> bool:
    # Tensorflow's own errors have no common class.
    return isinstance(error, _RAW) or type(error).__module__.startswith("tensorflow.")


def _is_raised_here(trace: TracebackType | None) -> bool:
    """Tell whether a `raise` of this package made an error, rather than something it called."""
    if trace is None:
        return False
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code.co_code[trace.tb_lasti]
    return code == _RAISE and trace.tb_frame.f_globals["__name__"].startswith("kerasrecipes.")


def fits(kind: Any, value: Any) -> bool:
    """Tell whether a value may be what an annotation says.

    Args:
        kind: The annotation; what is unknown to this function fits.
        value: The value. Numbers must be finite, and whole ones within 64 bits.

    Example:
        >>> fits(list[str] | None, ["a"]), fits(list[str] | None, [1]), fits(float, math.nan)
        (True, False, False)
    """
    if isinstance(kind, str):
        return any(_fits_name(part, value) for part in _alternatives(kind))
    origin, inside = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return any(fits(one, value) for one in inside)
    if origin is Literal:
        return any(type(one) is type(value) and one == value for one in inside)
    if origin is Annotated:
        return fits(inside[0], value)
    if origin is type:
        return isinstance(value, type)
    return _fits_class(origin or kind, inside, value)


def _fits_class(kind: Any, inside: tuple, value: Any) -> bool:
    if kind in (None, NoneType):
        return value is None
    if not isinstance(kind, type) or kind in (object, inspect.Parameter.empty):
        return True
    if kind in _SIMPLE:
        return _SIMPLE[kind](value)
    if kind.__name__ == "ndarray":
        size = getattr(value, "size", None) if hasattr(value, "__array__") else None
        return size != 0 if size is not None else isinstance(value, list | tuple) and bool(value)
    if kind is Callable:
        return callable(value)
    if issubclass(kind, Mapping):
        return (
            isinstance(value, Mapping)
            and _fit_all(inside[:1], value)
            and _fit_all(inside[1:], value.values())
        )
    if issubclass(kind, Iterable):
        return _fits_iterable(kind, inside, value)
    try:
        return isinstance(value, kind)
    except TypeError:  # a protocol that cannot be asked
        return True


def _fits_iterable(kind: type, inside: tuple, value: Any) -> bool:
    if kind not in _SEVERAL:
        return isinstance(value, kind)
    if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
        return False
    if (hasattr(value, "ndim") and not value.ndim) or (
        issubclass(kind, Sequence) and isinstance(value, Mapping | Set)
    ):
        return False
    if kind is tuple and inside and inside[-1] is not Ellipsis:
        sized = hasattr(value, "__len__") and len(value) == len(inside)
        return sized and all(fits(one, v) for one, v in zip(inside, value, strict=True))
    if not hasattr(value, "__len__"):  # looking at it would use it up
        return True
    return _fit_all(inside[:1], value)


def _fit_all(kinds: tuple, values: Iterable[Any]) -> bool:
    return not kinds or all(fits(kinds[0], value) for value in islice(values, _LOOKED_AT))


def _is_text(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return "\0" not in value


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and abs(int(value)) < 2**63


def _is_finite(value: Any) -> bool:
    if isinstance(value, Integral):
        return _is_whole(value)
    return isinstance(value, Real) and math.isfinite(value)


_SIMPLE: dict[Any, Callable[[Any], bool]] = {
    bool: lambda value: type(value).__name__ in {"bool", "bool_"} or _is_whole(value),
    int: _is_whole,
    float: _is_finite,
    str: _is_text,
    bytes: lambda value: isinstance(value, bytes),
    Path: lambda value: _is_text(value) or isinstance(value, PathLike),
}
_BY_NAME = {one.__name__: one for one in _SIMPLE} | {"None": NoneType}


def _alternatives(text: str) -> list[str]:
    """Split an annotation in quotes, whose names need not be imported, at its bars."""
    while (plain := re.sub(r"\[[^\[\]]*\]", "", text)) != text:
        text = plain
    return [part.strip() for part in text.split("|")]


def _fits_name(name: str, value: Any) -> bool:
    name = name.rpartition(".")[2]
    if name in {"Any", "object"}:
        return True
    if name in _BY_NAME:
        return _fits_class(_BY_NAME[name], (), value)
    if name in {"Sequence", "Iterable", "tuple", "list"}:
        return _fits_iterable(tuple, (), value)
    if name == "Callable":
        return callable(value)
    return any(one.__name__ == name for one in type(value).__mro__)


def words(kind: Any, several: bool = False) -> str:
    """Say what an annotation means.

    Args:
        kind: The annotation.
        several: Whether to speak of many such values.

    Example:
        >>> words(int | None), words(list[str])
        ('a whole number or None', 'a list of texts')
    """
    if isinstance(kind, str):
        named = [
            words(_BY_NAME.get(name, name)) if name in _BY_NAME else _a(name)
            for name in (part.rpartition(".")[2] for part in _alternatives(kind))
        ]
        return " or ".join(dict.fromkeys(named)).removeprefix("a " if several else "")
    origin, inside = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(words(one, several) for one in inside))
    if origin is Literal:
        return " or ".join(map(repr, inside))
    if (known := _WORDS.get(kind)) is not None:
        return f"{known.split(' ', 1)[1]}s" if several and known.startswith("a ") else known
    base = origin or kind
    if origin is tuple and inside and inside[-1] is not Ellipsis:
        return f"{len(inside)} values, each {words(inside[0])}"
    if isinstance(base, type) and issubclass(base, Mapping):
        return "a dict"
    if isinstance(base, type) and issubclass(base, Iterable) and inside:
        return f"a list of {words(inside[0], several=True)}"
    name = getattr(base, "__name__", str(base))
    if name == "ndarray":
        return "an array that is not empty"
    return name if several else _a(name)


def _a(name: str) -> str:
    return "a set of examples" if name == "Examples" else f"a {name}"


def _shown(value: Any) -> str:
    try:
        text = printable(repr(value))
    except Exception:  # a number of more digits than Python writes, or a broken `__repr__`
        return f"this {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:50]}… ({type(value).__name__})"
