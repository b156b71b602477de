"""One thing that a check found, and the examples that the checks look at."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.data.examples import NUMBER
from kerasrecipes.data.strata import SIDES
from kerasrecipes.data.tables.table import TABLE_SUFFIXES

EXAMPLES = 5


@dataclass(frozen=True)
class Finding:
    """One kind of fault.

    Args:
        code: A stable name, e.g. `"near-duplicates-across-splits"`.
        severity: `"error"`, `"warning"` or `"info"`.
        message: What it is, what follows from it, what to do.
        count: How many photos, pairs, groups or classes it concerns.
        examples: Up to five of them, as text; escape it before showing it.
        leak: Whether a model sees test photos, or their like, while it trains.
    """

    code: str
    severity: str
    message: str
    count: int
    examples: tuple[str, ...] = ()
    leak: bool = False


@dataclass(frozen=True)
class Placed:
    """Examples, each with the side of the split on which it lies (`"all"` without a split).

    They are typed by the checks of their kind of data, which look at more than all kinds have.
    """

    items: tuple[Any, ...]
    sides: tuple[str, ...]
    sets: tuple[Any, ...]
    near: bool

    @property
    def target(self) -> str:
        """What the examples are answered with."""
        return self.sets[0].target

    @property
    def sizes(self) -> dict[str, int]:
        """Number of examples of every side."""
        return {side: self.sides.count(side) for side in (*SIDES, "all") if side in self.sides}

    @property
    def is_split(self) -> bool:
        """Whether there is more than one side."""
        return len(set(self.sides)) > 1

    def counts(self) -> dict[str, dict[str, int]]:
        """Examples per class of every side."""
        first = self.sets[0]
        found = Counter(
            (side, name)
            for side, item in zip(self.sides, self.items, strict=True)
            for name in first.names_of(item) or ("number",) * (first.target == NUMBER)
        )
        classes = list(dict.fromkeys(name for one in self.sets for name in one.counts()))
        if list(first.class_names) == sorted(first.class_names):
            classes.sort()
        return {side: {name: found[side, name] for name in classes} for side in self.sizes}

    def numbers(self) -> dict[str, np.ndarray]:
        """The numbers of every side, sorted; of examples that are answered with one."""
        numbers = np.array([item.label for item in self.items])
        sides = np.array(self.sides)
        return {side: np.sort(numbers[sides == side]) for side in self.sizes}

    def name(self, name: str | Path) -> str:
        """Name of an example or a file, relative to what was scanned."""
        path = Path(name)
        root = self.sets[0].root
        if root.suffix.lower() in TABLE_SUFFIXES:
            root = root.parent
        return str(path.relative_to(root) if path.is_relative_to(root) else path)

    def examples(self, indices: Iterable[int]) -> tuple[str, ...]:
        """Names of the first examples of `indices`."""
        return tuple(self.name(self.items[i].name) for i in list(indices)[:EXAMPLES])

    def spellings(
        self, same: Iterable[tuple[str, ...]], said: Callable[[Any], Iterable[str | None]]
    ) -> tuple[str, ...]:
        """Show the first names that are written in several ways, and where each stands.

        Args:
            same: Those that a person would read as the same.
            said: What an example says of such names.
        """
        same = list(same)[:EXAMPLES]
        found: dict[str | None, list[int]] = {name: [] for names in same for name in names}
        for i, item in enumerate(self.items):
            for name in said(item):
                if name in found and len(found[name]) < EXAMPLES:
                    found[name].append(i)
        return tuple(
            " = ".join(f"{name!a}{self._where(found[name])}" for name in names) for names in same
        )

    def _where(self, indices: list[int]) -> str:
        """Say in which rows of a table examples stand, or else what the first is called."""
        rows = [row for i in indices if (row := getattr(self.items[i], "row", None)) is not None]
        if not rows:
            return "".join(f" ({self.name(self.items[i].name)})" for i in indices[:1])
        more = ", …" if len(rows) == EXAMPLES else ""
        return f" (row{'s' * (len(rows) > 1)} {', '.join(map(str, rows))}{more})"

    def pairs(self, pairs: Iterable[tuple[int, int]]) -> tuple[str, ...]:
        """Names of the first pairs, with their sides if there is a split."""
        texts = []
        for i, j in list(pairs)[:EXAMPLES]:
            a, b = (
                f"{self.name(self.items[k].name)}" + (f" ({self.sides[k]})" * self.is_split)
                for k in (i, j)
            )
            texts.append(f"{a} = {b}")
        return tuple(texts)


def things(count: int, one: str, many: str | None = None) -> str:
    """Return e.g. `"1 photo"` or `"3 photos"`.

    Example:
        >>> things(2, "class", "classes")
        '2 classes'
    """
    return f"{count} {one if count == 1 else many or one + 's'}"


def left_out(
    placed: Placed, code: str, severity: str, noun: str, told: str, chosen: bool = False
) -> list[Finding]:
    """Report what scanning left out, and why.

    Args:
        placed: The examples.
        code: See `Finding`.
        severity: See `Finding`.
        noun: What one of them is called.
        told: What follows from it, and what to do.
        chosen: Whether people left it out, rather than that it cannot be used.
    """
    found = [item for one in placed.sets for item in one.excluded if item.chosen == chosen]
    if not found:
        return []
    examples = tuple(f"{placed.name(e.path)}: {e.reason}" for e in found[:EXAMPLES])
    return [Finding(code, severity, f"{things(len(found), noun)} {told}", len(found), examples)]


def passed_over(placed: Placed, wanted: str) -> list[Finding]:
    """Report files and folders that a scan did not look at.

    Args:
        placed: The examples.
        wanted: What it looks for, e.g. `"photo"`.
    """
    ignored = [path for one in placed.sets for path in one.ignored]
    if not ignored:
        return []
    examples = tuple(placed.name(path) for path in ignored[:EXAMPLES])
    message = (
        f"Passed over: {things(len(ignored), 'file or folder', 'files or folders')}, no {wanted} "
        "by name or with a name that begins with '.' (or '_', for folders). Rename what should "
        "count."
    )
    return [Finding("ignored", "info", message, len(ignored), examples)]
