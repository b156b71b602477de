"""Checks of single signals: left out, missing values, constant channels, odd lengths and shapes."""

import numpy as np

from kerasrecipes.data.findings.finding import Finding, Placed, left_out, passed_over, things
from kerasrecipes.errors import listed

# More steps take minutes to learn from, and what matters is rarely as long.
_LONG = 5000
# From this share of values on, a gap is no accident.
_MUCH = 0.2
# How far the steps of a clock differ at most, of the largest.
_UNEVEN = 0.1


def find_excluded(placed: Placed) -> list[Finding]:
    """Report what scanning left out, and why."""
    cannot = "cannot be used and will not be trained on. Repair them, or remove them."
    return left_out(placed, "unreadable", "warning", "recording", cannot)


def find_ignored(placed: Placed) -> list[Finding]:
    """Report files and folders that were passed over."""
    return passed_over(placed, ".csv, .npy or .wav file")


def find_missing(placed: Placed) -> list[Finding]:
    """Report signals with missing values."""
    shares = [float(np.isnan(one.values).mean()) for one in placed.items]
    found = [i for i, share in enumerate(shares) if share > 0]
    if not found:
        return []
    most = max(shares)
    message = (
        f"{things(len(found), 'signal')} with missing values (NaN or empty), up to {most:.0%} of "
        "one. Models mask them; look at why they are missing, since that may tell the classes "
        "apart."
    )
    severity = "warning" if most >= _MUCH else "info"
    return [Finding("missing-values", severity, message, len(found), placed.examples(found))]


def find_constant(placed: Placed) -> list[Finding]:
    """Report channels that have one value in all signals, and signals in which nothing moves."""
    if not placed.items:
        return []
    spans = np.array([_span(one.values) for one in placed.items])
    names = placed.sets[0].layout.channels
    first = [next(iter(one.values[~np.isnan(one.values[:, c]), c]), np.nan) for one in placed.items
             for c in range(len(names))]  # fmt: skip
    level = np.array(first).reshape(len(placed.items), len(names))
    same = (spans == 0).all(axis=0) & (np.nanmax(level, axis=0) == np.nanmin(level, axis=0))
    dead = [name for name, is_dead in zip(names, same, strict=True) if is_dead]
    found = []
    if dead:
        message = (
            f"{things(len(dead), 'channel')} with one value in all signals: {listed(dead)}. "
            "Nothing can be learned from it. Leave it out by `channels`, or look at the sensor."
        )
        found.append(Finding("constant-channels", "warning", message, len(dead)))
    flat = np.flatnonzero((spans == 0).all(axis=1))
    if len(flat) and len(flat) < len(placed.items):
        message = (
            f"{things(len(flat), 'signal')} in which no channel moves. If the sensor was off, "
            "leave them out."
        )
        found.append(
            Finding("constant-signals", "warning", message, len(flat), placed.examples(flat))
        )
    return found


def _span(values: np.ndarray) -> np.ndarray:
    """Return largest minus smallest value of each channel; 0 where there is none."""
    high = np.where(np.isnan(values), -np.inf, values).max(axis=0)
    low = np.where(np.isnan(values), np.inf, values).min(axis=0)
    return np.where(np.isfinite(high), high - low, 0.0)


def find_lengths(placed: Placed) -> list[Finding]:
    """Report lengths that differ a lot, or are long, and arrays that seem to lie on their side."""
    lengths = np.array([len(one.values) for one in placed.items])
    if not len(lengths):
        return []
    found = []
    longest, shortest = int(lengths.max()), int(lengths.min())
    if longest > 4 * shortest:
        message = (
            f"Lengths differ from {shortest:,} to {longest:,} steps. Models mask what is missing, "
            "but may learn the length: compare the classes, or cut with `window`."
        )
        found.append(Finding("lengths", "info", message, len(lengths)))
    if longest > _LONG:
        where = np.flatnonzero(lengths > _LONG)
        message = (
            f"{things(len(where), 'signal')} of more than {_LONG:,} steps, up to {longest:,}. Cut "
            "them with `window`, or sample more rarely: training on them takes long."
        )
        found.append(Finding("long", "warning", message, len(where), placed.examples(where)))
    channels = len(placed.sets[0].layout.channels)
    if channels > longest:
        message = (
            f"The signals have {channels:,} channels and at most {longest:,} steps. If the arrays "
            "lie on their side, save them as (steps, channels)."
        )
        found.append(Finding("on-their-side", "warning", message, len(lengths)))
    return found


def find_clocks(placed: Placed) -> list[Finding]:
    """Report channels that rise by equal steps in all signals, as clocks and counters do."""
    longer = [one.values for one in placed.items if len(one.values) > 2]
    if not longer:
        return []
    rises = np.all([_rises_evenly(values) for values in longer], axis=0)
    names = placed.sets[0].layout.channels
    clocks = [name for name, is_clock in zip(names, rises, strict=True) if is_clock]
    if not clocks:
        return []
    message = (
        f"{things(len(clocks), 'channel')} rising by equal steps in every signal: "
        f"{listed(clocks)}. It looks like a clock or a counter, by which a model learns where and "
        "how long a signal is. Call a column of seconds 'time', and leave others out by `channels`."
    )
    return [Finding("clock", "warning", message, len(clocks))]


def _rises_evenly(values: np.ndarray) -> np.ndarray:
    """Tell of each channel of a signal whether all its steps are the same, and up."""
    steps = np.diff(values, axis=0)
    low, high = steps.min(axis=0), steps.max(axis=0)
    # Times are written down rounded, often to milliseconds.
    return (low > 0) & (high - low <= _UNEVEN * high)


def find_without_rate(placed: Placed) -> list[Finding]:
    """Say that nothing tells the sampling rate, so that no other one would be noticed."""
    if placed.sets[0].layout.rate is not None or not placed.items:
        return []
    message = (
        "Nothing says at which rate the signals were sampled, so that recordings at another rate "
        "would not be noticed. Pass `rate`, or add a column `time`."
    )
    return [Finding("no-rate", "info", message, len(placed.items))]


CHECKS = (
    find_excluded,
    find_ignored,
    find_missing,
    find_constant,
    find_lengths,
    find_clocks,
    find_without_rate,
)
