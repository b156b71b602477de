"""A CSV or JSONL table of examples: where each is, its answer, and maybe group, time, split."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kerasrecipes.data.tables.answers import KINDS, UNNAMED, Answers, Asked, Label, find_answers
from kerasrecipes.data.tables.arrow_files import ARROW, PARQUET, is_saved_dataset
from kerasrecipes.data.tables.file_names import called_otherwise
from kerasrecipes.data.tables.inside import reader_inside
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
from kerasrecipes.data.tables.tars import TAR, tars_of
from kerasrecipes.data.tables.tfrecords import TFRECORD, records_of
from kerasrecipes.errors import DataError, closest, did_you_mean, listed, printable

COLUMNS = (*KINDS, "group", "time", "split", "mask")
SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
# Columns that hold texts by their names, where nobody names one; the first is the usual one.
TEXT_COLUMNS = (
    "text", "sentence", "message", "body", "comment", "question", "query", "utterance", "review",
    "content", "document", "description",
)  # fmt: skip
MISSING = "which does not exist"
# Files that hold one recording each.
RECORDING_SUFFIXES = (".csv", ".tsv", ".npy", ".wav")
TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", PARQUET, ARROW, TFRECORD, TAR)


def is_table(source: Path) -> bool:
    """Tell whether there is a table, or what is read as one: tar files, or a saved data set."""
    there = source.is_file() and source.suffix.lower() in TABLE_SUFFIXES
    return there or is_saved_dataset(source) or bool(tars_of(source) or records_of(source))


def find_side(name: object) -> str | None:
    """Return the side of a split that a name stands for, e.g. `"val"` for `"Validation "`."""
    return SPLITS.get(str(meaning(trimmed(name))))


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a folder or table says is an example, before it was read.

    `name` is its path relative to the folder or as written in the table, with `/`. `content` is
    what the file would hold, if the example lies in memory.
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


@dataclass(frozen=True, slots=True)
class Excluded:
    """What was left out, and why.

    Args:
        path: The file, or what else it is called.
        reason: What is wrong with it.
        row: Its row in the table, if there is one.
        chosen: Whether a person left it out, and nothing is wrong with it.
    """

    path: Path
    reason: str
    row: int | None = None
    chosen: bool = False


class Content:
    """Where a row holds its example: the file of a photo, in a column `path`."""

    def column(self, table: Path, found: Sequence[str]) -> str:
        """Return the column, or raise a `DataError`.

        Args:
            table: The table, for messages.
            found: The names of its columns, as `header_of` compares them.
        """
        if "path" in found:
            return "path"
        near = closest("path", [other for other in found if other not in COLUMNS])
        texts = [name for name in TEXT_COLUMNS if name in found]
        if texts:
            raise DataError(
                f"The table '{printable(table)}' has no column 'path', and '{texts[0]}', which is "
                "taken for texts; photos were to be read. Texts are read by scan_texts, and on the "
                "command line by doctor, init, train, mistakes, over-time and show-augmentation "
                "with --recipe text_classification."
            )
        hint = f" Rename '{printable(near)}' if you mean that." if near else ""
        raise DataError(
            f"The table '{printable(table)}' has no column 'path'; it has {listed(found, 10)}."
            f"{hint} A table needs the columns path and label, and may have group, time and split."
        )

    def cell(self, row: dict[str, object], column: str) -> object:
        """Return what `read` is given of a row."""
        return row.get(column)

    def taken(self, column: str) -> set[str]:
        """Return all columns that it reads, given the one that `column` found."""
        return {column}

    def read(self, table: Path, number: int, cell: object) -> tuple[Path, str, bytes | None] | None:
        """Return the path, the name and perhaps the content of an example; `None` for no example.

        Args:
            table: The table.
            number: The row.
            cell: What stands in the column.

        Raises:
            DataError: With what is wrong with the row.
        """
        name = cell_of(cell)
        if name is None:
            raise DataError("has no path")
        path = _file(table, name)
        return path, name.replace(os.sep, "/"), None


PHOTO_FILES = Content()


def read_table(
    table: Path,
    group_column: str | None = None,
    asked: Asked = UNNAMED,
    content: Content = PHOTO_FILES,
) -> tuple[list[Candidate], Answers]:
    """Read which example shows what, and the optional columns `group`, `time` and `split`.

    Args:
        table: A `.csv`, `.tsv`, `.jsonl` or `.ndjson` file in UTF-8, or a `.parquet` file.
            Paths in it are absolute or relative to it. Or what holds the examples themselves: a
            tar file, or a pattern of such, see `tars_of`; the same of TFRecord files; a Parquet or
            Arrow file with photos; a folder that was written by `save_to_disk`.
        group_column: The column that names the group, if it is not called `group`.
        asked: The columns that say what an example is answered with, if they are not called
            `label`, `labels`, `value` or `target`.
        content: Where a row holds its example.

    Returns:
        One candidate per row, in the order of the table, and what read their labels.

    Raises:
        DataError: If a column is missing or any row is wrong; the rows are listed, the header
            of a CSV being row 1.
    """
    group_column = header_of(group_column) if group_column else None
    rows, spelled = read_rows(table)
    found = [name for name in spelled if name]
    column = content.column(table, found)
    _check_group(table, found, group_column)
    taken = content.taken(column)
    others = {*taken, "group", "time", "split", "mask", group_column or ""}
    answers = find_answers(table, rows, spelled, asked, others)
    if both := taken & set(answers.columns):
        raise DataError(
            f"The column {listed(sorted(both))} of '{printable(table)}' cannot be both what is "
            "learned from and what is to be answered. Name another one for either."
        )
    _check_meaning(table, found, {*taken, group_column, *answers.columns})
    problems: list[tuple[int, str]] = []
    candidates = []
    for number, row in rows:
        try:
            held = _held(table, number, row, column, content)
            if held is not None:
                candidates.append(
                    _candidate(table, number, row, group_column or "group", answers, held)
                )
        except DataError as error:
            problems.append((number, str(error)))
    problems += _row_conflicts(candidates)
    if problems:
        refuse_rows(table, problems)
    return candidates, answers


def _check_group(table: Path, found: list[str], group_column: str | None) -> None:
    free = [name for name in found if name not in ("path", *COLUMNS) or name == "group"]
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


_Held = tuple[Path, str, bytes | None]


def _held(
    table: Path, number: int, row: dict[str, object], column: str, content: Content
) -> _Held | None:
    if EXTRA in row:
        raise DataError(f"has {row[EXTRA]} (quote a {column} that has a comma in it)")
    return content.read(table, number, content.cell(row, column))


def _candidate(
    table: Path,
    number: int,
    row: dict[str, object],
    group_column: str,
    answers: Answers,
    held: _Held,
) -> Candidate:
    label = answers.of(row)
    path, name, content = held
    mask = cell_of(row.get("mask")) if content is None else None
    group = name_of(row.get(group_column))
    if group is not None:
        check_text("group", group)
    return Candidate(
        path=path,
        name=name,
        label=label,
        group=group,
        time=_time(name_of(row.get("time"))),
        split=_split(name_of(row.get("split"))),
        row=number,
        content=content,
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
        if path.is_file() or reader_inside(path) is not None:
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
        if candidate.content is None and candidate.path in first:
            problems.append((number, f"names the same file as row {first[candidate.path]}"))
        first.setdefault(candidate.path, number)
        if splits and not candidate.split:
            problems.append((number, "has no split, while other rows have one"))
        if len(zones) == 2 and candidate.time and candidate.time.tzinfo is None:
            problems.append((number, "has a time without a time zone, while other rows have one"))
    return problems
