"""Sides of a split that stay for ever: what tested a model once never teaches its successors."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from kerasrecipes.data.examples import Example, Examples
from kerasrecipes.data.seen import FIT_SIDES

TRAIN, VAL, TEST = "train", "val", "test"


@dataclass(frozen=True)
class Sides:
    """Examples, split as before and new ones by a hash.

    Args:
        train: To learn from.
        val: To choose by.
        test: To measure on.
        new: How many examples of each side no version has seen.
    """

    train: Examples
    val: Examples
    test: Examples
    new: Mapping[str, int]


def stable_sides(
    examples: Examples, seen: Mapping[str, str], val_fraction: float, test_fraction: float
) -> Sides:
    """Split examples so that each stays on its side, now and in all splits to come.

    What belongs together, one group, stays together. A group of which a model has seen something
    is on that side; if it was on several, on the one that keeps the test clean. New ones go by the
    hash of their group, or of their file: whatever comes later, they stay there.

    Args:
        examples: All examples, old and new.
        seen: The side of each that the model in use has met, by the SHA-256 of its file.
        val_fraction: Share of new groups that are chosen by.
        test_fraction: Share of new groups that are measured on.
    """
    units = [item.key if item.group is None else f"group {item.group}" for item in examples.items]
    known: dict[str, str] = {}
    for unit, item in zip(units, examples.items, strict=True):
        if item.key in seen:
            side = _former(seen[item.key])
            known[unit] = max(known.get(unit, TRAIN), side, key=_ORDER.index)
    places: dict[str, list[int]] = {TRAIN: [], VAL: [], TEST: []}
    for place, (unit, item) in enumerate(zip(units, examples.items, strict=True)):
        side = known.get(unit) or _declared(item) or _hashed(unit, val_fraction, test_fraction)
        places[side].append(place)
    new = {
        side: sum(examples.items[place].key not in seen for place in found)
        for side, found in places.items()
    }
    train, val, test = (examples.select(places[side]) for side in (TRAIN, VAL, TEST))
    return Sides(train, val, test, new)


# The later one counts where a group was on several.
_ORDER = (TRAIN, VAL, TEST)


def _former(side: str) -> str:
    """Return which side a model met an example on; a test may have any name."""
    return side if side == VAL else TRAIN if side in FIT_SIDES else TEST


def _declared(item: Example) -> str | None:
    return item.split if item.split in (TRAIN, VAL, TEST) else None


def _hashed(unit: str, val_fraction: float, test_fraction: float) -> str:
    digits = hashlib.sha256(f"side of {unit}".encode(errors="surrogateescape")).hexdigest()[:8]
    place = int(digits, 16) / 2**32
    if place < test_fraction:
        return TEST
    return VAL if place < test_fraction + val_fraction else TRAIN
