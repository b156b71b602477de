"""What a setting may be: numbers, switches and names, and how each is written in a file."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from kerasrecipes.errors import is_number, unknown_name

# How `None` is written where there is no word for it: in TOML, and on the command line.
NONE = "none"
OR_NONE = f', or "{NONE}"'


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What the value of a setting may be.

    Args:
        optional: Whether it may be `None`.
    """

    # Whether all that is typed is text: else `3` is a number, and `[3, 4]` two of them.
    is_text: ClassVar[bool] = False
    optional: bool = False

    @property
    def words(self) -> str:
        """What is allowed, in a few words for people."""
        raise NotImplementedError

    def allows(self, value: Any) -> bool:
        """Tell whether a value other than `None` is allowed."""
        raise NotImplementedError

    def error(self, name: str, value: Any) -> ValueError:
        """Return what to raise of a value that is not allowed."""
        raise NotImplementedError

    def check(self, name: str, value: Any) -> None:
        """Judge a value.

        Args:
            name: The setting.
            value: What it is set to.

        Raises:
            ValueError: If it is not allowed; the message names the setting.
        """
        if not (self.optional if value is None else self.allows(value)):
            raise self.error(name, value)

    def keys(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the tables that may be written for a value: kind → key → usual value."""
        return {}

    def from_plain(self, value: Any) -> Any:
        """Return the value that plain data stand for; what is not understood, as it is.

        Args:
            value: What a TOML or JSON file says.

        Raises:
            ValueError: If a value cannot be made of a table.
        """
        return None if value == NONE and self.optional else value

    def to_plain(self, value: Any) -> Any:
        """Return a value as plain data, for TOML and JSON; `None` stays `None`."""
        return value


@dataclass(frozen=True, kw_only=True)
class Number(Kind):
    """A number in a range.

    Args:
        low: The smallest.
        high: The largest.
        whole: Whether it must be a whole number.
    """

    low: float
    high: float
    whole: bool = False

    @property
    def words(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        # `inf` is no end.
        ends = f"from {self.low}" if self.high == float("inf") else f"{self.low} to {self.high}"
        return f"{kind}, {ends}" + OR_NONE * self.optional

    def allows(self, value: Any) -> bool:
        return is_number(value, self.low, self.high, whole=self.whole)

    def error(self, name: str, value: Any) -> ValueError:
        kind = "a whole number " if self.whole else ""
        return ValueError(
            f"`{name}` must be {kind}between {self.low} and {self.high}, not {value!r}."
        )


@dataclass(frozen=True, kw_only=True)
class Switch(Kind):
    """`True` or `False`."""

    @property
    def words(self) -> str:
        return "true or false"

    def allows(self, value: Any) -> bool:
        return isinstance(value, bool)

    def error(self, name: str, value: Any) -> ValueError:
        return ValueError(f"`{name}` must be True or False, not {value!r}.")


@dataclass(frozen=True, kw_only=True)
class Choice(Kind):
    """One of some names.

    Args:
        names: Returns them; it may import what it needs.
        called: What a name stands for, in messages; `""` for the name of the setting.
        see: A call that lists the names, or where they are told.
        told: A message of its own for what is none of them, up to "not …".
    """

    is_text: ClassVar[bool] = True
    names: Callable[[], Iterable[str]]
    called: str = ""
    see: str = "ImageClassifier"
    told: str = ""

    @property
    def words(self) -> str:
        return ", ".join(f'"{name}"' for name in self.names()) + OR_NONE * self.optional

    def allows(self, value: Any) -> bool:
        return isinstance(value, str) and value in set(self.names())

    def error(self, name: str, value: Any) -> ValueError:
        if self.told:
            return ValueError(f"{self.told}, not {value!r}.")
        return unknown_name(self.called or name, value, self.names(), self.see)


@dataclass(frozen=True, kw_only=True)
class Text(Kind):
    """A text, or something else of a stated type, that is judged where it is used.

    Args:
        or_else: Returns the other types that are allowed.
        what: What it may be, for people.
        told: What to say of something else, up to "not …"; it may hold `{name}`.
        plain: Turns something else into a text.
    """

    is_text: ClassVar[bool] = True
    or_else: Callable[[], tuple[type, ...]] = tuple
    what: str
    told: str
    plain: Callable[[Any], str] = str

    @property
    def words(self) -> str:
        return self.what

    def allows(self, value: Any) -> bool:
        return isinstance(value, (str, *self.or_else()))

    def error(self, name: str, value: Any) -> ValueError:
        return ValueError(f"{self.told.format(name=name)}, not {value!r}.")

    def to_plain(self, value: Any) -> Any:
        return self.plain(value) if isinstance(value, self.or_else()) else value


@dataclass(frozen=True, kw_only=True)
class NameOrOwn(Kind):
    """A name, or in Python a function or class of one's own, which a file can only name.

    Args:
        names: Returns the names; it may import what it needs.
        called: What a name stands for, in messages.
        see: A call that lists the names.
        register: A call that gives what is one's own a name that files keep.
    """

    is_text: ClassVar[bool] = True
    names: Callable[[], Iterable[str]]
    called: str
    see: str
    register: str

    @property
    def words(self) -> str:
        names = ", ".join(f'"{name}"' for name in self.names())
        return f"{names}, or in Python what makes one" + OR_NONE * self.optional

    def allows(self, value: Any) -> bool:
        return value in set(self.names()) if isinstance(value, str) else callable(value)

    def error(self, name: str, value: Any) -> ValueError:
        if isinstance(value, str) and ":" in value:
            return ValueError(
                f"`{name}` is {value!r}, what somebody's own Python made: a file keeps no more of "
                f"it than where it was. Set it again, or give it a name with {self.register}."
            )
        return unknown_name(self.called, value, self.names(), self.see)

    def to_plain(self, value: Any) -> Any:
        """Return a name, or of what is one's own `module:name`, for people to find it."""
        return own_name(value) if callable(value) else value


def own_name(function: Any) -> str:
    """Return where something that can be called was defined, as `module:name`."""
    function = getattr(function, "func", function)  # of a functools.partial
    kind = type(function)
    module = getattr(function, "__module__", kind.__module__)
    return f"{module}:{getattr(function, '__qualname__', kind.__qualname__)}"
