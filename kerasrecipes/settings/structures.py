"""Settings that are more than a number or a name: schedules, adapters, options, sizes, devices."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kerasrecipes.engine.devices.devices import check_devices
from kerasrecipes.errors import is_number, listed, printable, unknown_name
from kerasrecipes.settings.kinds import NONE, OR_NONE, Kind

KIND = "kind"
LARGEST_SIDE = 16384
MOST_UNITS = 4096


@dataclass(frozen=True, kw_only=True)
class Made(Kind):
    """An object that one of several calls makes; in a file it is a table of their arguments.

    Args:
        called: What it is, e.g. `"schedule"`.
        types: Returns what the object may be.
        makers: Returns the calls by their names, the usual one first.
        names: Returns the names that stand for such objects and may be set themselves.
        plain: Turns an object into plain data.
        from_list: Makes one of a list of tables; `None` if there is no such way.
        judge: Raises a `ValueError` for something else.
        own: Turns what is somebody's own into plain data; `None` if there is no such thing.
        own_words: What that may be.
    """

    called: str
    types: Callable[[], tuple[type, ...]]
    makers: Callable[[], Mapping[str, Callable[..., Any]]]
    names: Callable[[], Iterable[str]] = tuple
    plain: Callable[[Any], Any]
    from_list: Callable[[list], Any] | None = None
    judge: Callable[[Any], object]
    own: Callable[[Any], Any] | None = None
    own_words: str = ""

    @property
    def words(self) -> str:
        makers, names = list(self.makers()), [f'"{name}"' for name in self.names()]
        if len(makers) > 1:
            names += [f'"{name}"' for name in makers]
        table = f"a table [{self.called}]" + " of one `kind`" * (len(makers) > 1)
        tables = [table] + [f"a list [[{self.called}]]"] * bool(self.from_list)
        own = [self.own_words] if self.own_words else []
        return ", ".join([*names, *tables, *own]) + OR_NONE * self.optional

    def check(self, name: str, value: Any) -> None:
        if value is not None or not self.optional:
            self.judge(value)

    def keys(self) -> Mapping[str, Mapping[str, Any]]:
        return {name: _arguments(make) for name, make in self.makers().items()}

    def from_plain(self, value: Any) -> Any:
        makers = self.makers()
        if isinstance(value, str) and value not in set(self.names()):
            if value == NONE and self.optional:
                return None
            value = {KIND: value} if len(makers) > 1 else value
        if isinstance(value, list) and self.from_list is not None:
            return self.from_list(value)
        if not isinstance(value, Mapping):
            return value
        options = {key: tuple(v) if isinstance(v, list) else v for key, v in value.items()}
        kind = options.pop(KIND, next(iter(makers))) if len(makers) > 1 else next(iter(makers))
        if not isinstance(kind, str) or kind not in makers:
            raise unknown_name(f"kind of {self.called}", kind, makers, self._see)
        known = _arguments(makers[kind])
        for key in options:
            if key not in known:
                owner = self.called if len(makers) == 1 else f"a {kind} {self.called}"
                raise unknown_name(f"setting of {owner}", key, known, self._see)
        needed = [key for key, usual in known.items() if usual is inspect.Parameter.empty]
        if lacking := [key for key in needed if key not in options]:
            raise ValueError(f"`{self.called}` lacks {listed(lacking)}. See {self._see}.")
        given = {k: None if v == NONE and known[k] is None else v for k, v in options.items()}
        return makers[kind](**given)

    @property
    def _see(self) -> str:
        return f"help(kerasrecipes.{self.types()[0].__name__})"

    def to_plain(self, value: Any) -> Any:
        if isinstance(value, self.types()):
            return self.plain(value)
        return value if self.own is None else self.own(value)


def _arguments(make: Callable[..., Any]) -> dict[str, Any]:
    return {name: one.default for name, one in inspect.signature(make).parameters.items()}


@dataclass(frozen=True, kw_only=True)
class Options(Kind):
    """Arguments of something else, by their names.

    Args:
        owner: What they belong to.
        example: Such arguments.
    """

    owner: str = "loss"
    example: str = "{'gamma': 2.0}"

    @property
    def words(self) -> str:
        return f"a table{OR_NONE}"

    def allows(self, value: Any) -> bool:
        return isinstance(value, dict) and all(isinstance(key, str) for key in value)

    def error(self, name: str, value: Any) -> ValueError:
        return ValueError(
            f"`{name}` must be a dict of the {self.owner}'s arguments, e.g. {self.example}, or "
            f"None, not {value!r}."
        )

    def to_plain(self, value: Any) -> Any:
        from kerasrecipes.report.plain_values import plain

        return plain(value)


@dataclass(frozen=True, kw_only=True)
class ImageSize(Kind):
    """Height and width, of which the backbone says how small they may be."""

    @property
    def words(self) -> str:
        return f"[height, width], each at most {LARGEST_SIDE}{OR_NONE}"

    def allows(self, value: Any) -> bool:
        # What is none of these, or too small, a backbone names with the size that it needs.
        sides = value if isinstance(value, tuple | list) else [value]
        return not any(is_number(side, LARGEST_SIDE, float("inf"), above=True) for side in sides)

    def error(self, name: str, value: Any) -> ValueError:
        return ValueError(
            f"`{name}` must be (height, width), each at most {LARGEST_SIDE} pixels, not {value!r}."
        )

    def from_plain(self, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else super().from_plain(value)


@dataclass(frozen=True, kw_only=True)
class Units(Kind):
    """Units of one or two layers, in a list."""

    @property
    def words(self) -> str:
        return f"[units] or [units, units], each 1 to {MOST_UNITS}{OR_NONE}"

    def allows(self, value: Any) -> bool:
        return (
            isinstance(value, tuple | list)
            and len(value) in {1, 2}
            and all(is_number(one, 1, MOST_UNITS, whole=True) for one in value)
        )

    def error(self, name: str, value: Any) -> ValueError:
        return ValueError(
            f"`{name}` must be the units of one or two layers, each 1 to {MOST_UNITS}, e.g. (256,) "
            f"or (256, 64), or None, not {printable(repr(value))}."
        )

    def from_plain(self, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else super().from_plain(value)

    def to_plain(self, value: Any) -> Any:
        return list(value) if isinstance(value, tuple) else value


@dataclass(frozen=True, kw_only=True)
class DeviceWish(Kind):
    """One device, or several by their number or their names."""

    @property
    def words(self) -> str:
        return f'"auto", "workers", a number of GPUs, a list of names{OR_NONE}'

    def check(self, name: str, value: Any) -> None:
        check_devices(value)


def is_made(kind: Kind) -> bool:
    """Tell whether a value of this kind is written as a table."""
    return isinstance(kind, Made | Options)
