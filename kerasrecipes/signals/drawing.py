"""Signals as text: small bars, for pages and pictures on which examples are named."""

from collections.abc import Sequence

import numpy as np

BARS = "▁▂▃▄▅▆▇█"
_WIDTH, _CHANNELS = 24, 3


def drawn(values: np.ndarray, channels: Sequence[str]) -> str:
    """Draw the first channels of a signal as bars, from their smallest to their largest value.

    Args:
        values: float32, shape `(steps, channels)`; a stretch without values is a dot.
        channels: Names of the channels.

    Example:
        >>> drawn(np.array([[0.0], [1.0], [np.nan], [7.0]]), ["x"])
        'x ▁▂·█ (4 steps)'
    """
    parts = []
    for name, column in list(zip(channels, values.T, strict=True))[:_CHANNELS]:
        known = column[~np.isnan(column)]
        low, high = (known.min(), known.max()) if len(known) else (0.0, 0.0)
        bars = ""
        for piece in np.array_split(column, min(_WIDTH, len(column))):
            real = piece[~np.isnan(piece)]
            share = 0.0 if high == low or not len(real) else (real.mean() - low) / (high - low)
            bars += BARS[int(share * (len(BARS) - 1))] if len(real) else "·"
        parts.append(f"{name} {bars}")
    return f"{' '.join(parts)} ({len(values):,} steps)"
