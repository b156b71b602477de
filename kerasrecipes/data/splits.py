"""Training, validation and test sets that do not leak into each other."""

import warnings
from collections import defaultdict
from collections.abc import Iterable
from numbers import Integral
from typing import Any, TypeVar

import numpy as np

from kerasrecipes.data.examples import Examples
from kerasrecipes.data.strata import SIDES, join_units, stratify
from kerasrecipes.errors import DataError, listed, unknown_name
from kerasrecipes.statistics.shown import speaking_of

Set = TypeVar("Set", bound=Examples)


def split_examples(
    examples: Set,
    *,
    test_fraction: float,
    val_fraction: float,
    split_by: str,
    seed: int,
    near: bool,
) -> tuple[Set, Set, Set]:
    """Split examples into three sets; see `kerasrecipes.split_photos` for the arguments."""
    _check_fractions(test_fraction, val_fraction, examples.noun)
    if not isinstance(seed, Integral) or seed < 0:
        raise ValueError(f"`seed` must be a whole number of at least 0, got {seed!r}.")
    fractions = {"val": val_fraction, "test": test_fraction}
    with speaking_of(examples.noun):
        return _split(examples, fractions, split_by, seed, near)


def _split(
    examples: Set, fractions: dict[str, float], split_by: str, seed: int, near: bool
) -> tuple[Set, Set, Set]:
    if split_by not in {"auto", "random", "group", "time"}:
        raise unknown_name(
            "split_by", split_by, ["auto", "random", "group", "time"], "split_photos"
        )
    if not len(examples):
        raise DataError("There are no photos to split. Scan a folder that has some.")
    grouped = any(item.group is not None for item in examples.items)
    way = split_by
    if split_by == "auto" and any(item.split for item in examples.items):
        way = "declared"
        sides = _declared(examples, fractions, grouped, seed, near)
    elif split_by == "time":
        sides = _by_time(examples, fractions, near)
    else:
        if split_by == "group":
            _need(examples, "group")
        way = "group" if grouped and split_by != "random" else "random"
        units = join_units(examples, way == "group", near)
        sides = stratify(examples, range(len(examples)), units, fractions, seed)
    _warn_of_gaps(examples, sides)
    train, val, test = (examples.select(sorted(sides[side])).as_side(way) for side in SIDES)
    return train, val, test


def _check_fractions(test_fraction: float, val_fraction: float, noun: tuple[str, str]) -> None:
    for name, value in (("test_fraction", test_fraction), ("val_fraction", val_fraction)):
        if not 0 <= value < 1:
            raise ValueError(f"`{name}` must be at least 0 and less than 1, got {value!r}.")
    if test_fraction + val_fraction >= 1:
        raise ValueError(
            f"`test_fraction` and `val_fraction` must leave {noun[1]} to train on, got "
            f"{test_fraction!r} and {val_fraction!r}, together {test_fraction + val_fraction:g}."
        )


def _need(examples: Examples, name: str) -> None:
    without = [item.name for item in examples.items if getattr(item, name) is None]
    if without:
        how = (
            "Pass group_by (--group-by), or a table with a column group."
            if name == "group"
            else "Scan a table with a column time."
        )
        raise DataError(
            f"`split_by={name!r}`: {len(without)} of {len(examples)} photos have no {name}: "
            f"{listed(without)}. {how}"
        )


def _declared(
    examples: Examples, fractions: dict[str, float], grouped: bool, seed: int, near: bool
) -> dict[str, list[int]]:
    """Respect the declared split; cut what it lacks from its training photos."""
    without = [item.name for item in examples.items if item.split not in SIDES]
    if without:
        raise DataError(
            f"{len(without)} of {len(examples)} photos have no declared split: {listed(without)}. "
            "Declare it for all or for none, or pass split_by='random' (on the command line "
            "--split-by random)."
        )
    sides = {
        side: [i for i, item in enumerate(examples.items) if item.split == side] for side in SIDES
    }
    if not sides["train"]:
        raise DataError(
            "The declared split has no train photos. Declare some, or pass split_by='random' (on "
            "the command line --split-by random) to ignore the declared split."
        )
    lacking = {side: f for side, f in fractions.items() if f > 0 and not sides[side]}
    if lacking:
        among = sides["train"]
        units = join_units(examples, grouped, near, among)
        cut = stratify(examples, among, units, lacking, seed)
        sides["train"] = cut["train"]
        sides |= {side: cut[side] for side in lacking}
    return sides


def _by_time(examples: Examples, fractions: dict[str, float], near: bool) -> dict[str, list[int]]:
    """Cut the line of time twice, between different times, nearest to the fractions."""
    _need(examples, "time")
    at: dict[Any, list[int]] = defaultdict(list)
    for unit in join_units(examples, by_group=False, near=near):
        # At the latest time: what is in training is then never newer than what tests it.
        times: list[Any] = [examples.items[i].time for i in unit]
        at[max(times)] += unit
    moments = [at[time] for time in sorted(at)]
    sides = [side for side in SIDES if side == "train" or fractions[side] > 0]
    if len(moments) < len(sides):
        raise DataError(
            f"`split_by='time'` needs at least {len(sides)} different times for "
            f"{', '.join(sides)}, found {len(moments)}. Photos of one time and photos that look "
            "alike stay together. Split by 'random' or 'group', or pass near=False if photos that "
            "look alike show different things."
        )
    ends = np.cumsum([len(moment) for moment in moments])
    result: dict[str, list[int]] = {side: [] for side in SIDES}
    stop = len(moments)
    share = 1.0
    for place, side in reversed(list(enumerate(sides))):
        share -= fractions.get(side, share)
        start = 0
        if place:
            # Leave at least one moment for every side, this one included.
            options = range(place, stop)
            start = min(options, key=lambda k: (abs(ends[k - 1] - share * len(examples)), -k))
        result[side] = [i for moment in moments[start:stop] for i in moment]
        stop = start
    return result


def _warn_of_gaps(examples: Examples, sides: dict[str, list[int]]) -> None:
    """Refuse a class without anything to train on, warn of one that is not measured."""

    def names(indices: Iterable[int]) -> set[str]:
        return {name for i in indices for name in examples.names_of(examples.items[i])}

    one, everything = examples.noun[0], names(range(len(examples)))
    untrained = everything - names(sides["train"])
    if untrained:
        raise DataError(
            f"The training set has no {one} of {listed(sorted(untrained))}, so the model could "
            "never predict it. Move photos of it to train, or split by 'random' or 'group'."
        )
    for side in ("val", "test"):
        lacking = everything - names(sides[side])
        if sides[side] and lacking:
            warnings.warn(
                f"The {side} set has no {one} of {listed(sorted(lacking))}, so nothing is measured "
                "for it there.",
                stacklevel=5,
            )
