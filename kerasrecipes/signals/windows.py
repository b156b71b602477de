"""Cutting long recordings into windows."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from kerasrecipes.errors import is_number
from kerasrecipes.signals.signal_set import Signal


def check_windows(window: int | None, stride: int | None) -> int | None:
    """Judge how recordings are to be cut, and return the stride.

    Args:
        window: Steps of a window; `None` for whole recordings.
        stride: Steps from one window to the next; `None` for a window's own.

    Raises:
        ValueError: If one is not usable, or the stride would have no effect.
    """
    if window is None:
        if stride is not None:
            raise ValueError("`stride` would have no effect without `window`. Pass both, or none.")
        return None
    for name, value in (("window", window), ("stride", stride)):
        if value is not None and not is_number(value, 1, 2**31, whole=True):
            raise ValueError(f"`{name}` must be a whole number of steps from 1, not {value!r}.")
    stride = window if stride is None else stride
    if stride > window:
        raise ValueError(
            f"`stride={stride}` is larger than `window={window}`: the steps between would be lost. "
            "Lower it."
        )
    return stride


def cut_all(signals: Sequence[Signal], window: int | None, stride: int | None) -> list[Signal]:
    """Return the windows of all recordings, or these as they are.

    Args:
        signals: The recordings.
        window: Steps of a window; `None` for whole recordings.
        stride: Steps from one window to the next; `None` for whole recordings.
    """
    if window is None or stride is None:
        return list(signals)
    return [part for one in signals for part in _cut(one, window, stride)]


def _cut(signal: Signal, window: int, stride: int) -> Iterator[Signal]:
    """Yield the windows of a recording.

    What is left at its end is a window of its own if it is at least half of one; a recording that
    is shorter than a window stays whole.
    """
    steps = len(signal.values)
    whole = signal.name
    starts = list(range(0, max(1, steps - window + 1), stride))
    if starts and steps - (starts[-1] + stride) >= window / 2:
        starts.append(starts[-1] + stride)
    for start in starts:
        part = signal.values[start : start + window]
        name = f"{whole} [{start}:{start + len(part)}]" if len(starts) > 1 else whole
        yield replace(signal, values=part, name=name, whole=whole, group=signal.group or whole)
