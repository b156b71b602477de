"""What the recordings of one data set have in common: channels, rate, and how they are cut."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kerasrecipes.arguments import named
from kerasrecipes.errors import DataError

# Two rates are one if they differ by no more than clocks do.
SAME_RATE = 1e-3


@dataclass(frozen=True)
class Layout:
    """How a recording becomes a model's input: which channels, at which rate, in which parts.

    Args:
        channels: Names of the channels, in order; those of files without names are numbers.
        rate: Steps per second (Hz); `None` where nothing says it.
        window: Steps of the windows that recordings are cut into; `None` for whole recordings.
        stride: Steps from the beginning of one window to that of the next; `None` without windows.
    """

    channels: tuple[str, ...]
    rate: float | None = None
    window: int | None = None
    stride: int | None = None

    @classmethod
    @named
    def from_dict(cls, told: Mapping[str, Any]) -> "Layout":
        """Build it from what `to_dict` returned.

        Raises:
            DataError: If it says what this version does not know.
        """
        if set(told) != {"channels", "rate", "window", "stride"}:
            raise DataError(
                "Recordings are prepared by channels, rate, window and stride, not by "
                f"{sorted(told)}. Upgrade kerasrecipes, or save the model again."
            )
        return cls(tuple(told["channels"]), told["rate"], told["window"], told["stride"])

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values for JSON."""
        return {
            "channels": list(self.channels),
            "rate": self.rate,
            "window": self.window,
            "stride": self.stride,
        }


def same_rate(one: float | None, other: float | None) -> bool:
    """Tell whether two sampling rates are the same, as far as both are known.

    Example:
        >>> same_rate(100.0, 100.02), same_rate(100.0, 50.0), same_rate(None, 50.0)
        (True, False, True)
    """
    if one is None or other is None:
        return True
    return abs(one - other) <= SAME_RATE * max(one, other)
