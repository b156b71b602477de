"""A CSV or JSONL table of photos: which file, what it shows, and maybe group, time, split."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kerasrecipes.data.tables.answers import KINDS, UNNAMED, Answers, Asked, Label, find_answers
from kerasrecipes.data.tables.file_names import called_otherwise
from kerasrecipes.data.tables.rows import (
    EXTRA,
    cell_of,
    check_text,
    header_of,
    name_of,
    read_rows,
    refuse_rows,
)
from kerasrecipes.data.tables.spelling import meaning, trimmed, visible
from kerasrecipes.errors import DataError, closest, did_you_mean, listed, printable

COLUMNS = ("path", *KINDS, "group", "time", "split", "mask")
SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
MISSING = "which does not exist"
TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson")


def find_side(name: object) -> str | None:
    """Return the side of a split that a name stands for, e.g. `"val"` for `"Validation "`."""
    return SPLITS.get(str(meaning(trimmed(name))))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that a folder or table says is a photo, before it was read.

    `name` is its path relative to the folder or as written in the table, with `/`. `content` is
    what the file would hold, if the photo lies in memory.
    """

    path: Path
    name: str
    label: Label
    group: str | None = None
    time: datetime | None = None
    split: str | None = None
    row: int | None = None
    content: bytes | None = None
    mask: Path | None = None


def read_table(
    table: Path, group_column: str | None = None, asked: Asked = UNNAMED
) -> tuple[list[Candidate], Answers]:
    """Read which file shows what, and the optional columns `group`, `time` and `split`.

    Args:
        table: A `.csv`, `.tsv`, `.jsonl` or `.ndjson` file in UTF-8. Paths in it are absolute
            or relative to it.
        group_column: The column that names the group, if it is not called `group`.
        asked: The columns that say what a photo is answered with, if they are not called
            `label`, `labels`, `value` or `target`.

    Returns:
        One candidate per row, in the order of the table, and what read their labels.

    Raises:
        DataError: If a column is missing or any row is wrong; the rows are listed, the header
            of a CSV being row 1.
    """
    group_column = header_of(group_column) if group_column else None
    rows, spelled = read_rows(table)
    found = [name for name in spelled if name]
    _check_paths_and_groups(table, found, group_column)
    others = {"path", "group", "time", "split", "mask", group_column or ""}
    answers = find_answers(table, rows, spelled, asked, others)
    _check_meaning(table, found, {group_column, *answers.columns})
    problems: list[tuple[int, str]] = []
    candidates = []
    for number, row in rows:
        try:
            candidates.append(_candidate(table, number, row, group_column or "group", answers))
        except DataError as error:
            problems.append((number, str(error)))
    problems += _row_conflicts(candidates)
    if problems:
        refuse_rows(table, problems)
    return candidates, answers


def _check_paths_and_groups(table: Path, found: list[str], group_column: str | None) -> None:
    if "path" not in found:
        near = closest("path", [other for other in found if other not in COLUMNS])
        hint = f" Rename '{printable(near)}' if you mean that." if near else ""
        raise DataError(
            f"The table '{printable(table)}' has no column 'path'; it has {listed(found, 10)}."
            f"{hint} A table needs the columns path and label, and may have group, time and split."
        )
    free = [name for name in found if name not in COLUMNS or name == "group"]
    if group_column and group_column not in found:
        raise DataError(
            f"`group_by`: the table '{printable(table)}' has no column "
            f"'{printable(group_column)}'.{did_you_mean(group_column, free)} "
            f"It has {listed(found, 10)}."
        )


def _check_meaning(table: Path, found: Iterable[str], meant: Iterable[str | None]) -> None:
    """Refuse a column that is nearly called like one that means something and is missing."""
    found, meant = list(found), set(meant)
    for name in found:
        if name in COLUMNS or name in meant:
            continue
        near = closest(name, [known for known in COLUMNS if known not in KINDS])
        if near and near not in found and abs(len(name) - len(near)) <= 1:
            raise DataError(
                f"The table '{printable(table)}' has a column '{printable(name)}' that means "
                f"nothing here. Did you mean '{near}'? Rename it."
            )


def _candidate(
    table: Path, number: int, row: dict[str, object], group_column: str, answers: Answers
) -> Candidate:
    if EXTRA in row:
        raise DataError(f"has {row[EXTRA]} (quote a path that has a comma in it)")
    name = cell_of(row.get("path"))
    if name is None:
        raise DataError("has no path")
    label = answers.of(row)
    path = _file(table, name)
    mask = cell_of(row.get("mask"))
    group = name_of(row.get(group_column))
    if group is not None:
        check_text("group", group)
    return Candidate(
        path=path,
        name=name.replace(os.sep, "/"),
        label=label,
        group=group,
        time=_time(name_of(row.get("time"))),
        split=_split(name_of(row.get("split"))),
        row=number,
        mask=None if mask is None else _file(table, mask),
    )


def _file(table: Path, name: str) -> Path:
    path = Path(os.path.normpath(table.parent / name))
    problem = _file_problem(path)
    if problem == MISSING:
        problem += called_otherwise(table.parent, name)
    if problem:
        raise DataError(f"names '{printable(name)}', {problem}")
    return path


def _file_problem(path: Path) -> str | None:
    try:
        if path.is_file():
            return None
        return "which is not a file" if path.exists() else MISSING
    except (OSError, ValueError) as error:
        return f"which cannot be a file ({error})"


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        plain = visible(text).upper()
        # Seconds since 1970 would pass for a date of the Middle Ages.
        if plain.isdigit() and len(plain) != len("20260331"):
            raise ValueError(plain)
        return datetime.fromisoformat(plain)
    except ValueError as error:
        raise DataError(
            f"has the time '{printable(text)}', which is not ISO 8601 like 2026-03-31T14:05:00"
        ) from error


def _split(text: str | None) -> str | None:
    if text is None:
        return None
    side = find_side(text)
    if side is None:
        raise DataError(f"has the split '{printable(text)}', which is not train, val or test")
    return side


def _row_conflicts(candidates: list[Candidate]) -> list[tuple[int, str]]:
    """Find what is wrong between rows: a file named twice, times or splits on some rows only."""
    problems: list[tuple[int, str]] = []
    first: dict[Path, int] = {}
    splits = any(candidate.split for candidate in candidates)
    zones = {candidate.time.tzinfo is None for candidate in candidates if candidate.time}
    for candidate in candidates:
        number = candidate.row or 0
        if candidate.path in first:
            problems.append((number, f"names the same file as row {first[candidate.path]}"))
        first.setdefault(candidate.path, number)
        if splits and not candidate.split:
            problems.append((number, "has no split, while other rows have one"))
        if len(zones) == 2 and candidate.time and candidate.time.tzinfo is None:
            problems.append((number, "has a time without a time zone, while other rows have one"))
    return problems
