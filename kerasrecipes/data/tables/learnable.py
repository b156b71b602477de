"""Whether examples say enough to learn from, and the order of what they say."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kerasrecipes.console import warn
from kerasrecipes.data.examples import CLASS, LABELS, NUMBER
from kerasrecipes.data.tables.answers import Label
from kerasrecipes.data.tables.spelling import alike, trimmed
from kerasrecipes.data.tables.table import Excluded
from kerasrecipes.errors import DataError, did_you_mean, listed, printable, repeated

# Why an example of a small class is left out.
DROPPED = "its class has fewer than 2 readable photos and was dropped"
BY_VALUE = "by value"
_FEWEST = 2


@dataclass(frozen=True)
class Labelled:
    """Examples, and what all of them say; messages speak of photos.

    Args:
        root: Where they came from, for messages.
        photos: The examples, dataclasses with a `label`.
        class_names: All classes or labels, in order, those that no photo has included.
        target: `"class"`, `"labels"` or `"number"`.
        ordered: Whether somebody gave their order.
    """

    root: Path
    photos: list[Any]
    class_names: list[str]
    target: str
    ordered: bool = False

    def learnable(self, drop_small: bool) -> tuple["Labelled", list[Any]]:
        """Return what is left to learn from, and the examples that are not.

        Args:
            drop_small: Leave out what fewer than 2 photos show instead of raising.

        Raises:
            DataError: If there is too little to learn from.
        """
        if self.target == NUMBER:
            return self._with_numbers(), []
        counts = Counter(name for photo in self.photos for name in _names(photo.label))
        small = [name for name in self.class_names if counts[name] < _FEWEST]
        if small and not drop_small:
            self._refuse_small(small, counts)
        classes = [name for name in self.class_names if name not in small]
        if self.target == LABELS:
            return self._with_labels(classes), []
        dropped = [photo for photo in self.photos if photo.label in small]
        photos = [photo for photo in self.photos if photo.label not in small]
        if len(classes) < 2:
            raise DataError(
                f"'{printable(self.root)}' has only one class: {listed(classes)}. A classifier "
                "needs at least two; add a folder (or label) for what it is to be told apart from."
                if classes
                else f"'{printable(self.root)}' has no class with 2 readable photos. Add photos."
            )
        return replace(self, photos=photos, class_names=classes), dropped

    def relabelled(self, photos: list[Any]) -> "Labelled":
        """Return the same of photos some of which were given another label.

        Classes that only a new label names are added, sorted, unless somebody gave an order.

        Args:
            photos: The photos.

        Raises:
            DataError: If somebody gave an order of the classes, and a new one is not in it.
        """
        known = set(self.class_names)
        new = sorted({name for photo in photos for name in _names(photo.label)} - known)
        if not new:
            return replace(self, photos=photos)
        if self.ordered:
            raise DataError(
                f"`classes` does not name {listed(new)}, which somebody decided that photos show."
                f"{did_you_mean(new[0], known)} Correct the decisions, or add them to `classes`."
            )
        warn(
            f"Photos were given classes that no photo had: {listed(new)}."
            f"{did_you_mean(new[0], known)}"
        )
        return replace(self, photos=photos, class_names=sorted([*self.class_names, *new]))

    def _with_labels(self, kept: list[str]) -> "Labelled":
        if not kept:
            raise DataError(
                f"'{printable(self.root)}' has no label that 2 readable photos have. Add photos, "
                "or labels to the photos."
            )
        photos = [
            replace(photo, label=tuple(name for name in _names(photo.label) if name in kept))
            for photo in self.photos
        ]
        return replace(self, photos=photos, class_names=kept)

    def _with_numbers(self) -> "Labelled":
        if len({photo.label for photo in self.photos}) < 2:
            numbers = listed(sorted({photo.label for photo in self.photos}))
            raise DataError(
                f"'{printable(self.root)}' has photos of only one number: {numbers}. Add photos "
                "of other numbers."
                if numbers
                else f"'{printable(self.root)}' has no readable photo. Add photos."
            )
        return self

    def _refuse_small(self, small: list[str], counts: Counter[str]) -> None:
        shown = ", ".join(f"'{printable(name)}' ({counts[name]})" for name in small[:5])
        more = f" and {len(small) - 5} more" if len(small) > 5 else ""
        what = "classes" if self.target == CLASS else "labels"
        hint = ""
        if self.target == CLASS and all(map(_is_number, self.class_names)):
            hint = " If they are numbers to be predicted, name their column by value=."
        if same := [one for one in alike(self.class_names) if set(one) & set(small)]:
            told = "; ".join(listed(one) for one in same[:5])
            hint += f" Or are some of them the same, written in several ways ({told})?"
        raise DataError(
            f"{len(small)} of {len(self.class_names)} {what} in '{printable(self.root)}' have "
            f"fewer than 2 readable photos: {shown}{more}. Add photos, or pass "
            f"drop_small_classes=True (--drop-small-classes).{hint}"
        )


def check_unreadable(
    found: Labelled, left_out: Sequence[Excluded], most: float, noun: tuple[str, str]
) -> None:
    """Refuse examples of which too many cannot be used.

    Args:
        found: Those that can.
        left_out: Those that cannot.
        most: The largest share of them.
        noun: What people call one and several of them.

    Raises:
        DataError: If they are more.
    """
    count = len(found.photos) + len(left_out)
    if count and len(left_out) / count > most:
        shown = "; ".join(f"{printable(one.path)} {one.reason}" for one in left_out[:5])
        raise DataError(
            f"{len(left_out)} of {count} {noun[1]} in '{printable(found.root)}' cannot be used, "
            f"more than max_unreadable_fraction={most:g} allows: {shown}. Fill them in or remove "
            "them, or raise max_unreadable_fraction."
        )


def in_order(
    classes: str | Sequence[str] | None,
    found: list[str],
    target: str,
    said: Iterable[tuple[str, Label]],
) -> list[str]:
    """Return the classes or labels in the order that people want.

    Args:
        classes: The order; `"by value"` for names that are numbers; `None` for `found`.
        found: What occurs, sorted.
        target: `"class"`, `"labels"` or `"number"`.
        said: What to call each photo in messages, and its label.

    Raises:
        ValueError: If `classes` is no such order.
        DataError: If a photo has another class, or the classes are to be numbers and are none.
    """
    if classes is None:
        return found
    if target == NUMBER:
        raise ValueError("`classes` would have no effect: the photos are answered with numbers.")
    if isinstance(classes, str):
        if classes != BY_VALUE:
            raise ValueError(f"`classes` must be a list of names or {BY_VALUE!r}, not {classes!r}.")
        return _by_value(found)
    order = [trimmed(name) for name in classes]
    if doubled := repeated(order):
        raise ValueError(f"`classes` names {listed(doubled)} more than once.")
    known = set(order)
    unknown = [(name, one) for name, label in said for one in _names(label) if one not in known]
    unknown = unknown or [("no photo", one) for one in found if one not in known]
    if unknown:
        shown = "; ".join(f"{name}: '{printable(one)}'" for name, one in unknown[:5])
        more = f"; and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        raise DataError(
            f"`classes` does not name what {len(unknown)} of the photos show: {shown}{more}."
            f"{did_you_mean(unknown[0][1], order)} Correct the labels, or add them to `classes`."
        )
    return order


def _names(label: Label) -> tuple[str, ...]:
    return (label,) if isinstance(label, str) else label if isinstance(label, tuple) else ()


def _by_value(found: list[str]) -> list[str]:
    if not all(map(_is_number, found)):
        raise DataError(
            f"`classes={BY_VALUE!r}`: the classes {listed(found)} are not all numbers. Name them "
            "in their order, e.g. classes=('none', 'light', 'heavy')."
        )
    return sorted(found, key=float)


def _is_number(name: str) -> bool:
    try:
        return math.isfinite(float(name))
    except ValueError:
        return False
