"""Cutting examples into slices by one thing that is known of them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from kerasrecipes.data.tables.spelling import in_one_spelling, written
from kerasrecipes.errors import DataError, printable
from kerasrecipes.evaluation.scores import check_rows

NOT_GIVEN = "(not given)"
PARTS = 4
# So many different numbers are amounts, of which ranges are looked at; fewer may be names.
_AMOUNTS = 8


def cut(column: str, values: Sequence[object], rows: int) -> dict[str, np.ndarray]:
    """Cut examples by a column: names as they are, numbers and times into four equal parts.

    Args:
        column: What it is called.
        values: One per example: a name, a number, a time; blank ones are a slice of their own.
        rows: Number of examples.

    Returns:
        Name of each slice to the rows in it, bool, shape `(n,)`; of names in their order, of
        amounts from low to high.

    Raises:
        DataError: If there is not one value per example, all are the same, or so many differ
            that hardly any belong together.
    """
    check_rows(f"columns[{printable(column)!r}]", values, rows, "example")
    kept = [one if isinstance(one, datetime) else written(one) for one in values]
    known = np.array([one is not None for one in kept])
    given = [one for one in kept if one is not None]
    amounts = _numbers(given)
    if amounts is None:
        names = np.array(in_one_spelling(None if one is None else str(one) for one in kept), object)
        found = {str(name): names == name for name in sorted({n for n in names if n is not None})}
    else:
        found = _parts(amounts, known, dated=isinstance(given[0], datetime))
    if not known.all():
        found[NOT_GIVEN] = ~known
    _check_cut(column, found, rows)
    return found


def _check_cut(column: str, found: dict[str, np.ndarray], rows: int) -> None:
    if len(found) < 2:
        only = printable(next(iter(found), NOT_GIVEN))
        raise DataError(
            f"All {rows} examples have the same `{printable(column)}`, '{only}': there is nothing "
            "to compare. Name a column in which they differ."
        )
    if len(found) > rows / 2:
        raise DataError(
            f"`{printable(column)}` has {len(found)} different values for {rows} examples, so "
            "hardly any belong together. Name a column of fewer."
        )


def amounts_of(values: Sequence[object]) -> np.ndarray | None:
    """Return one number per example where they are amounts, NaN for blank ones; else `None`."""
    kept = [one if isinstance(one, datetime) else written(one) for one in values]
    numbers = _numbers([one for one in kept if one is not None])
    if numbers is None:
        return None
    found = np.full(len(kept), np.nan)
    found[[i for i, one in enumerate(kept) if one is not None]] = numbers
    return found


def _numbers(given: list[Any]) -> np.ndarray | None:
    """Return values as numbers, if they are amounts or times; `None` if they are names."""
    if given and all(isinstance(one, datetime) for one in given):
        return np.array([_moment(one) for one in given])
    try:
        numbers = np.array([float(one) for one in given])
    except (TypeError, ValueError):
        return None
    many = len(np.unique(numbers)) > _AMOUNTS
    return numbers if many and np.isfinite(numbers).all() else None


def _moment(time: datetime) -> float:
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _parts(amounts: np.ndarray, known: np.ndarray, dated: bool) -> dict[str, np.ndarray]:
    """Cut at quartiles; equal values stay together."""
    ends = np.unique(np.quantile(amounts, np.linspace(0, 1, PARTS + 1)[1:-1], method="lower"))
    place = np.searchsorted(ends, amounts)
    found = {}
    for part in np.unique(place):
        inside = place == part
        low, high = (_shown(end, dated) for end in (amounts[inside].min(), amounts[inside].max()))
        rows = np.zeros(len(known), bool)
        rows[np.flatnonzero(known)[inside]] = True
        name = low if low == high else f"{low} to {high}"
        # Two parts of one day are told apart by their number.
        found[name if name not in found else f"{name}, part {part + 1}"] = rows
    return found


def _shown(end: float, dated: bool) -> str:
    return f"{datetime.fromtimestamp(end, UTC):%Y-%m-%d}" if dated else f"{end:.4g}"
