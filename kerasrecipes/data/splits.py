"""Training, validation and test sets that do not leak into each other."""

import warnings
from collections import defaultdict
from numbers import Integral

import numpy as np

from kerasrecipes.data.strata import SIDES, join_units, stratify
from kerasrecipes.errors import DataError, listed, unknown_name
from kerasrecipes.photos.photo_set import PhotoSet


def split_photos(
    photos: PhotoSet,
    *,
    test_fraction: float = 0.2,
    val_fraction: float = 0.2,
    by: str = "auto",
    seed: int = 0,
    near: bool = True,
) -> tuple[PhotoSet, PhotoSet, PhotoSet]:
    """Split photos into a training, a validation and a test set.

    Identical files and near duplicates always stay together. The result depends on the seed and
    on the contents of the photos, not on their names or order.

    Args:
        photos: A scanned set.
        test_fraction: Share of all photos for the test set; 0 leaves it empty.
        val_fraction: Share of all photos for the validation set; 0 leaves it empty. Where a
            declared split lacks one of the two, its fraction of the declared training photos
            is cut from them.
        by: `"random"`: stratified. `"group"`: stratified as far as possible, a group is never
            on two sides; declared groups are the authority, so look-alikes of different groups
            may part. `"time"`: the oldest photos train, the newest test; photos of one time
            stay together, and so do look-alikes, at their latest time. `"auto"`: the declared
            split if there is one, else by group if groups are declared, else at random.
        seed: Decides among equally good splits.
        near: Keep near duplicates together. Pass `False` only if photos that look alike are
            known to show different things.

    Returns:
        `(train, val, test)`; all have the class names of `photos`.

    Raises:
        ValueError: If an argument is not usable.
        DataError: If a class has too few photos or groups for all sides, or if photos lack the
            group or time that `by` needs.

    Reference:
        Sechidis et al., 2011, "On the Stratification of Multi-Label Data": the order in which
        units are placed, rarest class first.
    """
    _check_fractions(test_fraction, val_fraction)
    if by not in {"auto", "random", "group", "time"}:
        raise unknown_name("by", by, ["auto", "random", "group", "time"], "split_photos")
    if not isinstance(seed, Integral) or seed < 0:
        raise ValueError(f"`seed` must be a whole number of at least 0, got {seed!r}.")
    if not len(photos):
        raise DataError("There are no photos to split. Scan a folder that has some.")
    grouped = any(photo.group is not None for photo in photos.photos)
    fractions = {"val": val_fraction, "test": test_fraction}
    if by == "auto" and any(photo.split for photo in photos.photos):
        sides = _declared(photos, fractions, grouped, seed, near)
    elif by == "time":
        sides = _by_time(photos, fractions, near)
    else:
        if by == "group":
            _need(photos, "group")
        units = join_units(photos.photos, grouped and by != "random", near)
        sides = stratify(photos, range(len(photos)), units, fractions, seed)
    _warn_of_gaps(photos, sides)
    train, val, test = (photos.select(sorted(sides[side])) for side in SIDES)
    return train, val, test


def _check_fractions(test_fraction: float, val_fraction: float) -> None:
    for name, value in (("test_fraction", test_fraction), ("val_fraction", val_fraction)):
        if not 0 <= value < 1:
            raise ValueError(f"`{name}` must be at least 0 and less than 1, got {value!r}.")
    if test_fraction + val_fraction >= 1:
        raise ValueError(
            f"`test_fraction` and `val_fraction` must leave photos to train on, got "
            f"{test_fraction!r} and {val_fraction!r}, together {test_fraction + val_fraction:g}."
        )


def _need(photos: PhotoSet, name: str) -> None:
    without = [photo.path for photo in photos.photos if getattr(photo, name) is None]
    if without:
        how = (
            "Pass group_by (--group-by), or a table with a column group."
            if name == "group"
            else "Scan a table with a column time."
        )
        raise DataError(
            f"`by={name!r}`: {len(without)} of {len(photos)} photos have no {name}: "
            f"{listed(without)}. {how}"
        )


def _declared(
    photos: PhotoSet, fractions: dict[str, float], grouped: bool, seed: int, near: bool
) -> dict[str, list[int]]:
    """Respect the declared split; cut what it lacks from its training photos."""
    without = [photo.path for photo in photos.photos if photo.split not in SIDES]
    if without:
        raise DataError(
            f"{len(without)} of {len(photos)} photos have no declared split: {listed(without)}. "
            "Declare it for all or for none, or pass by='random' (on the command line "
            "--split-by random)."
        )
    sides = {
        side: [i for i, photo in enumerate(photos.photos) if photo.split == side] for side in SIDES
    }
    if not sides["train"]:
        raise DataError(
            "The declared split has no train photos. Declare some, or pass by='random' (on the "
            "command line --split-by random) to ignore the declared split."
        )
    lacking = {side: f for side, f in fractions.items() if f > 0 and not sides[side]}
    if lacking:
        among = sides["train"]
        units = join_units(photos.photos, grouped, near, among)
        cut = stratify(photos, among, units, lacking, seed)
        sides["train"] = cut["train"]
        sides |= {side: cut[side] for side in lacking}
    return sides


def _by_time(photos: PhotoSet, fractions: dict[str, float], near: bool) -> dict[str, list[int]]:
    """Cut the line of time twice, between different times, nearest to the fractions."""
    _need(photos, "time")
    at: dict[object, list[int]] = defaultdict(list)
    for unit in join_units(photos.photos, by_group=False, near=near):
        # At the latest time: what is in training is then never newer than what tests it.
        at[max(photos.photos[i].time for i in unit)] += unit
    moments = [at[time] for time in sorted(at)]
    sides = [side for side in SIDES if side == "train" or fractions[side] > 0]
    if len(moments) < len(sides):
        raise DataError(
            f"`by='time'` needs at least {len(sides)} different times for {', '.join(sides)}, "
            f"found {len(moments)}. Photos of one time and photos that look alike stay together. "
            "Split by 'random' or 'group', or pass near=False if photos that look alike show "
            "different things."
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
            start = min(options, key=lambda k: (abs(ends[k - 1] - share * len(photos)), -k))
        result[side] = [i for moment in moments[start:stop] for i in moment]
        stop = start
    return result


def _warn_of_gaps(photos: PhotoSet, sides: dict[str, list[int]]) -> None:
    """Refuse a class without training photos, warn of one that is not measured."""
    labels = photos.labels
    everything = set(labels.tolist())
    untrained = everything - set(labels[sides["train"]].tolist())
    if untrained:
        raise DataError(
            "The training set has no photo of "
            f"{listed(photos.class_names[label] for label in sorted(untrained))}, so the model "
            "could never predict it. Move photos of it to train, or split by 'random' or 'group'."
        )
    for side in ("val", "test"):
        lacking = everything - set(labels[sides[side]].tolist())
        if sides[side] and lacking:
            names = listed(photos.class_names[label] for label in sorted(lacking))
            warnings.warn(
                f"The {side} set has no photo of {names}, so nothing is measured for it there.",
                stacklevel=3,
            )
