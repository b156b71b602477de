"""How windows of the reference differ from each other: what is ordinary before the first look."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np

from kerasrecipes.data.examples import Example
from kerasrecipes.drift.comparing import compare_with
from kerasrecipes.drift.observed import Observed
from kerasrecipes.drift.profile import FEWEST, MOST_EXAMPLES, ReferenceProfile
from kerasrecipes.drift.shift import p_of_look

# From as many earlier windows on, what is ordinary is learnt from them.
ENOUGH_WINDOWS = 20
# Into so many windows a line of time is cut, if they are large enough.
_WINDOWS = 25


def with_windows(
    profile: ReferenceProfile, seen: Observed, items: Sequence[Example], seed: int = 0
) -> ReferenceProfile:
    """Add to a profile how its own windows differ from the rest of it.

    Args:
        profile: A profile of these examples.
        seen: What was measured of all of them.
        items: The examples, whose times or groups tell the windows; see `windows_of`.
        seed: Seed of what is drawn.

    Returns:
        The same profile where there are fewer than two windows.
    """
    windows = windows_of(items)
    if len(windows) < 2:
        return profile
    seen = replace(profile.sketched(seen), targets=None)
    found = []
    for window in windows:
        rest = np.setdiff1d(np.arange(len(seen)), window)
        rest = np.random.default_rng(seed).permutation(rest)[:MOST_EXAMPLES]
        others = _of_rows(profile, seen.rows(rest).one_of_each_group(FEWEST, seed))
        shifts = compare_with(others, seen.rows(window), seed)
        found.append((len(window), p_of_look(shifts)))
    return replace(profile, facts=profile.facts.model_copy(update={"windows": tuple(found)}))


def windows_of(items: Sequence[Example]) -> list[np.ndarray]:
    """Divide examples into windows as later looks will be: by time, or else by group.

    Args:
        items: Examples.

    Returns:
        The places of each window's examples, 50 or more. Examples of one time stay together; of
        groups, only those that are large enough are windows.
    """
    times = [item.time for item in items]
    if times and None not in times:
        return _by_time(times)
    groups: dict[str, list[int]] = {}
    for place, item in enumerate(items):
        if item.group is not None:
            groups.setdefault(item.group, []).append(place)
    return [np.array(places) for places in groups.values() if len(places) >= FEWEST]


def _by_time(times: list[Any]) -> list[np.ndarray]:
    size = max(FEWEST, len(times) // _WINDOWS)
    order = sorted(range(len(times)), key=times.__getitem__)
    windows: list[list[int]] = [[]]
    for _, moment in groupby(order, key=times.__getitem__):
        windows[-1] += moment
        if len(windows[-1]) >= size:
            windows.append([])
    return [np.array(window) for window in windows if len(window) >= FEWEST]


def ordinary_in(profile: ReferenceProfile, examples: int) -> list[float]:
    """Return the p-values of a profile's own windows that a new one may be ranked among.

    Args:
        profile: The reference.
        examples: Size of the new window; a much smaller one differs less for want of power.
    """
    return [p for size, p in profile.facts.windows if 2 * size >= examples]


def _of_rows(profile: ReferenceProfile, seen: Observed) -> ReferenceProfile:
    inputs = np.array(list(seen.inputs.values()), np.float32).reshape(-1, len(seen)).T
    return replace(profile, inputs=inputs, features=seen.features, answers=seen.answers)
