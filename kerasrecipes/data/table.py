"""A CSV or JSONL table of photos: which file, which label, and optionally group, time, split."""

import csv
import io
import json
import math
import os
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kerasrecipes.errors import DataError, closest, did_you_mean, listed, printable

COLUMNS = ("path", "label", "group", "time", "split")
SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that a folder or table says is a photo, before it was read.

    `name` is its path relative to the folder or as written in the table, with `/`.
    """

    path: Path
    name: str
    label: str
    group: str | None = None
    time: datetime | None = None
    split: str | None = None
    row: int | None = None


def read_table(table: Path, group_column: str | None = None) -> list[Candidate]:
    """Read `path,label` and the optional columns `group`, `time` and `split`.

    Args:
        table: A `.csv`, `.tsv`, `.jsonl` or `.ndjson` file in UTF-8. Paths in it are absolute
            or relative to it.
        group_column: The column that names the group, if it is not called `group`.

    Returns:
        One candidate per row, in the order of the table.

    Raises:
        DataError: If a column is missing or any row is wrong; the rows are listed, the header
            of a CSV being row 1.
    """
    group_column = _header(group_column) if group_column else None
    rows = _json_rows(table) if table.suffix.lower() in {".jsonl", ".ndjson"} else _csv_rows(table)
    if not rows:
        raise DataError(f"The table '{printable(table)}' has no rows. Add one row per photo.")
    _check_columns(table, {name: None for _, row in rows for name in row}, group_column)
    problems: list[tuple[int, str]] = []
    candidates = []
    for number, row in rows:
        try:
            candidates.append(_candidate(table, number, row, group_column or "group"))
        except DataError as error:
            problems.append((number, str(error)))
    problems += _row_conflicts(candidates)
    if problems:
        _refuse_rows(table, problems)
    return candidates


def _csv_rows(table: Path) -> list[tuple[int, dict[str, object]]]:
    text = _text(table)
    first = text.split("\n", 1)[0]
    delimiter = max("\t,;", key=first.count) if first else ","
    try:
        # Not splitlines(): file names may hold any of the characters it splits at.
        lines = io.StringIO(text, newline="\n")
        records = list(csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise DataError(
            f"The table '{printable(table)}' is not valid CSV: {error}. Check its quotes."
        ) from error
    header = [_header(cell) for cell in records[0]] if records else []
    if doubled := sorted({name for name in header if name and header.count(name) > 1}):
        raise DataError(
            f"The table '{printable(table)}' has the column {listed(doubled)} more than once. "
            "Rename one."
        )
    rows = []
    for number, cells in enumerate(records[1:], start=2):
        if any(cell.strip() for cell in cells):
            row: dict[str, object] = dict(zip(header, cells, strict=False))
            if len(cells) > len(header):
                row["\0extra"] = f"{len(cells)} cells under {len(header)} columns"
            rows.append((number, row))
    return rows


def _json_rows(table: Path) -> list[tuple[int, dict[str, object]]]:
    rows = []
    problems = []
    for number, line in enumerate(_text(table).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            problems.append((number, f"is not JSON ({error})"))
            continue
        if isinstance(row, dict):
            rows.append((number, {_header(name): value for name, value in row.items()}))
        else:
            problems.append((number, "is not a JSON object"))
    if problems:
        _refuse_rows(table, problems)
    return rows


def _text(table: Path) -> str:
    try:
        data = table.read_bytes()
    except OSError as error:
        raise DataError(f"Cannot read the table '{printable(table)}': {error.strerror}.") from error
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:200]:
        raise DataError(
            f"The table '{printable(table)}' is not UTF-8 (it looks like UTF-16). "
            "Save it as 'CSV UTF-8'."
        )
    # File names may hold any bytes, so that undecodable ones must survive; labels are checked.
    text = data.decode("utf-8-sig", "surrogateescape")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _header(cell: object) -> str:
    return unicodedata.normalize("NFC", str(cell)).strip().strip("\ufeff").lower()


def _check_columns(table: Path, found: Iterable[str], group_column: str | None) -> None:
    found = [name for name in found if name and name != "\0extra"]
    for name in ("path", "label"):
        if name not in found:
            near = closest(name, [other for other in found if other not in COLUMNS])
            hint = f" Rename '{printable(near)}' if you mean that." if near else ""
            raise DataError(
                f"The table '{printable(table)}' has no column '{name}'; it has "
                f"{listed(found, 10)}.{hint} A table needs the columns path and label, and "
                "may have group, time and split."
            )
    free = [name for name in found if name not in COLUMNS or name == "group"]
    if group_column and group_column not in found:
        raise DataError(
            f"`group_by`: the table '{printable(table)}' has no column "
            f"'{printable(group_column)}'.{did_you_mean(group_column, free)} "
            f"It has {listed(found, 10)}."
        )
    for name in found:
        if name in COLUMNS or name == group_column:
            continue
        near = closest(name, COLUMNS)
        if near and near not in found and abs(len(name) - len(near)) <= 1:
            raise DataError(
                f"The table '{printable(table)}' has a column '{printable(name)}' that means "
                f"nothing here. Did you mean '{near}'? Rename it."
            )


def _candidate(table: Path, number: int, row: dict[str, object], group_column: str) -> Candidate:
    if "\0extra" in row:
        raise DataError(f"has {row[chr(0) + 'extra']} (quote a path that has a comma in it)")
    name = _cell(row.get("path"))
    if name is None:
        raise DataError("has no path")
    label = _cell(row.get("label"))
    if label is None:
        raise DataError("has no label (blank or NaN)")
    _check_text("label", label)
    path = Path(os.path.normpath(table.parent / name))
    problem = _file_problem(path)
    if problem:
        raise DataError(f"names '{printable(name)}', {problem}")
    group = _cell(row.get(group_column))
    if group is not None:
        _check_text("group", group)
    return Candidate(
        path=path,
        name=name.replace(os.sep, "/"),
        label=label,
        group=group,
        time=_time(_cell(row.get("time"))),
        split=_split(_cell(row.get("split"))),
        row=number,
    )


def _cell(value: object) -> str | None:
    """Return the text of a cell as it is written, or `None` if it is blank or NaN."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, (dict, list)):
        raise DataError(f"holds {type(value).__name__} where text is expected")
    text = str(value)
    return None if text.strip().lower() in {"", "nan", "<na>"} else text


def _check_text(column: str, text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(f"has a {column} that is not UTF-8: save the table as UTF-8") from error


def _file_problem(path: Path) -> str | None:
    try:
        if path.is_file():
            return None
        return "which is not a file" if path.exists() else "which does not exist"
    except (OSError, ValueError) as error:
        return f"which cannot be a file ({error})"


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise DataError(
            f"has the time '{printable(text)}', which is not ISO 8601 like 2026-03-31T14:05:00"
        ) from error


def _split(text: str | None) -> str | None:
    if text is None:
        return None
    if text.strip().lower() not in SPLITS:
        raise DataError(f"has the split '{printable(text)}', which is not train, val or test")
    return SPLITS[text.strip().lower()]


def _row_conflicts(candidates: list[Candidate]) -> list[tuple[int, str]]:
    """Find what is wrong between rows: a file named twice, times or splits on some rows only."""
    problems = []
    first: dict[Path, int] = {}
    splits = any(candidate.split for candidate in candidates)
    zones = {candidate.time.tzinfo is None for candidate in candidates if candidate.time}
    for candidate in candidates:
        number = candidate.row
        if candidate.path in first:
            problems.append((number, f"names the same file as row {first[candidate.path]}"))
        first.setdefault(candidate.path, number)
        if splits and not candidate.split:
            problems.append((number, "has no split, while other rows have one"))
        if len(zones) == 2 and candidate.time and candidate.time.tzinfo is None:
            problems.append((number, "has a time without a time zone, while other rows have one"))
    return problems


def _refuse_rows(table: Path, problems: list[tuple[int, str]]) -> None:
    problems = sorted(problems)
    shown = "; ".join(f"row {number} {text}" for number, text in problems[:5])
    more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
    rows = "1 row is" if len(problems) == 1 else f"{len(problems)} rows are"
    raise DataError(f"In the table '{printable(table)}' {rows} wrong: {shown}{more}.")
