"""A number with its interval, and numbers as strict JSON can hold them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


def encode_float(value: float | str | None) -> float | str | None:
    """Write a number for JSON: NaN becomes `None`, infinities `"inf"` and `"-inf"`.

    Example:
        >>> encode_float(0.5), encode_float(float("nan")), encode_float(float("-inf"))
        (0.5, None, '-inf')
    """
    if value is None or math.isnan(number := float(value)):
        return None
    return number if math.isfinite(number) else ("inf" if number > 0 else "-inf")


def decode_float(value: float | str | None) -> float:
    """Read what `encode_float` wrote.

    Example:
        >>> decode_float("inf"), decode_float(None)
        (inf, nan)
    """
    return math.nan if value is None else float(value)


@dataclass(frozen=True, eq=False)
class Estimate:
    """A number measured on a sample, with its confidence interval.

    Args:
        value: The number; NaN where it is undefined.
        low: Lower end of the interval; NaN where there is none.
        high: Upper end of the interval; NaN where there is none.

    Example:
        >>> print(Estimate(0.84, 0.78, 0.89))
        0.84 (0.78–0.89)
    """

    value: float
    low: float = math.nan
    high: float = math.nan

    def __post_init__(self) -> None:
        for name in ("value", "low", "high"):
            object.__setattr__(self, name, float(getattr(self, name)))

    def to_list(self) -> list[float | str | None]:
        """Return `[value, low, high]` as JSON-safe numbers."""
        return [encode_float(number) for number in (self.value, self.low, self.high)]

    @classmethod
    def from_list(cls, numbers: Sequence[float | str | None]) -> "Estimate":
        """Build the estimate from what `to_list` returned."""
        return cls(*map(decode_float, numbers))

    # Two undefined numbers count as equal, so that a result equals its own copy from a file.
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Estimate) and self.to_list() == other.to_list()

    def __hash__(self) -> int:
        return hash(tuple(self.to_list()))

    def percent(self, digits: int = 0) -> str:
        """Write a share as a percentage with its interval.

        Args:
            digits: Digits after the point.

        Returns:
            The text; `"–"` where the share is undefined.

        Example:
            >>> Estimate(0.84, 0.78, 0.89).percent()
            '84% (78–89)'
        """
        if math.isnan(self.value):
            return "–"
        # One digit more where rounding would claim a certainty that is not there.
        digits = max(digits, 1) if 0 < min(self.value, 1 - self.value) < 0.01 else digits
        if math.isnan(self.low):
            return f"{self.value:.{digits}%}"
        low, high = (f"{100 * end:.{digits}f}" for end in (self.low, self.high))
        return f"{self.value:.{digits}%} ({low}–{high})"

    def number(self, digits: int = 3) -> str:
        """Write the number with its interval.

        Example:
            >>> Estimate(0.9351, 0.91, 0.95).number()
            '0.935 (0.910–0.950)'
        """
        if math.isnan(self.value):
            return "–"
        if math.isnan(self.low):
            return f"{self.value:.{digits}f}"
        # A dash before a minus sign would read as two of them.
        to = " to " if self.low < 0 else "–"
        return f"{self.value:.{digits}f} ({self.low:.{digits}f}{to}{self.high:.{digits}f})"

    def __str__(self) -> str:
        return self.number(2)
