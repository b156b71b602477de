"""Exported files side by side: which keep to limits, and which no other beats."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from kerasrecipes.errors import is_number

File = TypeVar("File")


class MeasuredFile(Protocol):
    """What is known of a file that limits are held against."""

    @property
    def size_bytes(self) -> int:
        """Size of the file."""

    @property
    def latency_ms(self) -> float:
        """Median milliseconds for one photo, with one thread."""


@dataclass(frozen=True)
class Miss:
    """A limit that a file breaks.

    Args:
        short: For a table.
        text: With the numbers, to follow the file's name.
        excess: By what share of the limit.
    """

    short: str
    text: str
    excess: float


@dataclass(frozen=True, kw_only=True)
class FileLimits:
    """What a file must keep to; `None` where there is no limit.

    Args:
        max_latency_ms: Largest median time for one photo, on this machine with one thread.
        max_size_mb: Largest file, in 10⁶ bytes.

    Raises:
        ValueError: If a limit is not above 0.
    """

    max_latency_ms: float | None = None
    max_size_mb: float | None = None

    def __post_init__(self) -> None:
        check_limit("max_latency_ms", self.max_latency_ms)
        check_limit("max_size_mb", self.max_size_mb)

    def misses(self, file: Any) -> list[Miss]:
        """Say which limits a file breaks.

        Args:
            file: What was measured, a `MeasuredFile`.
        """
        found = []
        for short, value, limit, unit in (
            ("too slow", file.latency_ms, self.max_latency_ms, "ms"),
            ("too large", file.size_bytes / 1e6, self.max_size_mb, "MB"),
        ):
            if limit is not None and value > limit:
                text = f"takes {value:.4g} {unit}, where {limit:g} are allowed"
                found.append(Miss(short, text, value / limit - 1))
        return found

    def closest(self, files: Sequence[File]) -> tuple[File, str]:
        """Find the file that is least beyond the limits in all, and say what it breaks.

        Args:
            files: At least one; none keeps to the limits.
        """
        least = min(files, key=lambda one: sum(miss.excess for miss in self.misses(one)))
        return least, ", and ".join(miss.text for miss in self.misses(least))


def check_limit(name: str, value: object, most: float = math.inf) -> None:
    """Raise a `ValueError` if a limit cannot be kept to.

    Args:
        name: Of the argument.
        value: What was passed; `None` is no limit.
        most: The largest value that makes sense.
    """
    if value is not None and not is_number(value, 0, most, above=True):
        reach = "above 0" if most == math.inf else f"above 0 and at most {most:g}"
        raise ValueError(f"`{name}` must be {reach}, or None for no limit, not {value!r}.")


def pareto_front(files: Sequence[File], costs: Callable[[File], tuple[float, ...]]) -> list[File]:
    """Keep the files that no other beats: nowhere worse, and somewhere better.

    Args:
        files: What was measured.
        costs: What each costs, e.g. its size and its errors; less is better.

    Example:
        >>> pareto_front([(1, 9), (2, 9), (3, 1)], costs=lambda one: one)
        [(1, 9), (3, 1)]
    """

    def beats(one: tuple, other: tuple) -> bool:
        return one != other and all(a <= b for a, b in zip(one, other, strict=True))

    priced = [costs(one) for one in files]
    return [
        one for one, cost in zip(files, priced, strict=True)
        if not any(beats(other, cost) for other in priced)
    ]  # fmt: skip
