"""The rows of a CSV or JSONL table, by number, and their cells."""

import csv
import io
import re
from pathlib import Path
from typing import NoReturn

from kerasrecipes.data.tables.arrow_files import (
    ARROW,
    PARQUET,
    is_saved_dataset,
    rows_of,
    rows_of_dataset,
)
from kerasrecipes.data.tables.spelling import trimmed, written
from kerasrecipes.data.tables.tars import TAR, samples_of
from kerasrecipes.data.tables.tfrecords import records_of, rows_of_records
from kerasrecipes.errors import DataError, listed, printable, repeated
from kerasrecipes.records import parse_json
from kerasrecipes.regular import read_regular

Row = tuple[int, dict[str, object]]
# Where a row with more cells than columns says so.
EXTRA = "\0extra"
NO_TEXT = {
    b"PK\x03\x04": "a spreadsheet or another zip archive",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet",
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "a gzip archive",
    b"SQLite format 3": "a database",
    b"%PDF": "a PDF",
}
# Millions of rows; more would fill the memory.
LARGEST_TABLE = 1 << 31


def read_rows(table: Path, each: str = "photo") -> tuple[list[Row], dict[str, str]]:
    """Read the rows of a table.

    Args:
        table: A `.csv`, `.tsv`, `.jsonl` or `.ndjson` file in UTF-8; a `.parquet`, `.arrow`,
            `.tfrecord` or `.tar` file; or a folder that was written by `save_to_disk`.
        each: What has a row, for messages.

    Returns:
        Each row's number, the header of a CSV being row 1, and its cells by the names of their
        columns, see `header_of`; and how the table spells the name of each column.

    Raises:
        DataError: If the table cannot be read, or has no rows.
    """
    spelled: dict[str, str] = {}
    read = _READERS.get(table.suffix.lower(), _csv_rows)
    if is_saved_dataset(table):
        read = _arrow_rows
    elif records_of(table):
        read = _member_rows
    rows = read(table, spelled)
    if not rows:
        raise DataError(f"The table '{printable(table)}' has no rows. Add one row per {each}.")
    return rows, spelled


def csv_records(text: str, table: Path) -> list[list[str]]:
    """Divide the text of a CSV or TSV file into cells, line by line.

    Args:
        text: The text, with `\\n` at the ends of its lines.
        table: What to call it in messages.

    Raises:
        DataError: If its quotes are wrong.
    """
    first, _, below = text.partition("\n")
    if named := re.fullmatch(r'"?sep=(.)"?', first.strip(" "), re.IGNORECASE):  # Excel's own line
        delimiter, text = named[1], below
    else:
        delimiter = max("\t,;", key=first.count) if first else ","
    try:
        # Not splitlines(): file names may hold any of the characters it splits at.
        lines = io.StringIO(text, newline="\n")
        return list(csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise DataError(
            f"The table '{printable(table)}' is not valid CSV: {error}. Check its quotes."
        ) from error


def _csv_rows(table: Path, spelled: dict[str, str]) -> list[Row]:
    records = csv_records(_text(table), table)
    header = [header_of(cell) for cell in records[0]] if records else []
    spelled |= {header_of(cell): trimmed(cell) for cell in (records[0] if records else [])}
    if doubled := repeated(filter(None, header)):
        raise DataError(
            f"The table '{printable(table)}' has the column {listed(doubled)} more than once. "
            "Rename one."
        )
    rows = []
    for number, cells in enumerate(records[1:], start=2):
        if any(cell.strip() for cell in cells):
            row: dict[str, object] = dict(zip(header, cells, strict=False))
            if len(cells) > len(header):
                row[EXTRA] = f"{len(cells)} cells under {len(header)} columns"
            rows.append((number, row))
    return rows


def _json_rows(table: Path, spelled: dict[str, str]) -> list[Row]:
    rows = []
    problems = []
    for number, line in enumerate(_text(table).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
        except ValueError as error:
            problems.append((number, f"cannot be read: {error}"))
            continue
        if not isinstance(row, dict):
            problems.append((number, "is not a JSON object"))
        elif doubled := repeated(map(header_of, row)):
            problems.append((number, f"has {listed(doubled)} more than once"))
        else:
            rows.append((number, {header_of(name): value for name, value in row.items()}))
            spelled |= {header_of(name): trimmed(name) for name in row}
    if problems:
        refuse_rows(table, problems)
    return rows


def _member_rows(table: Path, spelled: dict[str, str]) -> list[Row]:
    rows = []
    found = samples_of(table) if table.suffix.lower() == TAR else rows_of_records(table)
    for number, row in enumerate(found, start=1):
        rows.append((number, {header_of(name): value for name, value in row.items()}))
        spelled |= {header_of(name): trimmed(name) for name in row}
    return rows


def _arrow_rows(table: Path, spelled: dict[str, str]) -> list[Row]:
    found = list(rows_of_dataset(table)) if is_saved_dataset(table) else rows_of(table)
    names = list(found[0]) if found else []
    if doubled := repeated(map(header_of, names)):
        raise DataError(f"The table '{printable(table)}' has {listed(doubled)} more than once.")
    spelled |= {header_of(name): trimmed(name) for name in names}
    return [
        (number, {header_of(name): cell for name, cell in row.items()})
        for number, row in enumerate(found, start=1)
    ]


_READERS = {
    ".jsonl": _json_rows, ".ndjson": _json_rows,
    PARQUET: _arrow_rows, ARROW: _arrow_rows, TAR: _member_rows,
}  # fmt: skip


def _text(table: Path) -> str:
    try:
        data = read_regular(table, largest=LARGEST_TABLE)
    except OSError as error:
        raise DataError(f"Cannot read the table '{printable(table)}': {error.strerror}.") from error
    return text_of(data, table)


def text_of(data: bytes, table: Path) -> str:
    """Return the text of a table, with `\\n` at the ends of its lines.

    Args:
        data: Its bytes.
        table: What to call it in messages.

    Raises:
        DataError: If it is no text in UTF-8.
    """
    for beginning, kind in NO_TEXT.items():
        if data.startswith(beginning):
            raise DataError(
                f"The table '{printable(table)}' is {kind}, whatever its name says. Open it in the "
                "program that wrote it, and save it there as 'CSV UTF-8'."
            )
    begin = data[:200]
    # Half of what is Latin in UTF-16 is NUL.
    if begin[:2] in (b"\xff\xfe", b"\xfe\xff") or 4 * begin.count(b"\0") > len(begin):
        raise DataError(
            f"The table '{printable(table)}' is not UTF-8 (it looks like UTF-16). "
            "Save it as 'CSV UTF-8'."
        )
    if (place := data.find(b"\0")) >= 0:
        line = data.count(b"\n", 0, place) + 1
        raise DataError(
            f"The table '{printable(table)}' holds a NUL in line {line}, "
            "as damaged files do. Restore it, or remove that."
        )
    # File names may hold any bytes, so that undecodable ones must survive; labels are checked.
    text = data.decode("utf-8-sig", "surrogateescape")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def header_of(cell: object) -> str:
    """Return the name of a column as it is compared: without case and what surrounds it."""
    return trimmed(cell).lower()


def cell_of(value: object) -> str | None:
    """Return the text of a cell as it is written, or `None` if it is blank or NaN.

    Raises:
        DataError: If the cell of a JSON table holds more than one thing.
    """
    return None if name_of(value) is None else str(value)


def name_of(value: object) -> str | None:
    """Return the name in a cell as it is kept, see `written`, or `None` if it is blank or NaN.

    Raises:
        DataError: If the cell of a JSON table holds more than one thing.
    """
    if isinstance(value, dict | list):
        kind = "dict" if isinstance(value, dict) else "list"
        raise DataError(f"holds {kind} where text is expected")
    return written(value)


def check_text(column: str, text: str) -> None:
    """Refuse text that is not UTF-8.

    Raises:
        DataError: With what the row says.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(f"has a {column} that is not UTF-8: save the table as UTF-8") from error


def refuse_rows(table: Path, problems: list[tuple[int, str]]) -> NoReturn:
    """Say which rows of a table are wrong, up to five.

    Raises:
        DataError: Always.
    """
    problems = sorted(problems)
    shown = "; ".join(f"row {number} {text}" for number, text in problems[:5])
    more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
    rows = "1 row is" if len(problems) == 1 else f"{len(problems)} rows are"
    raise DataError(f"In the table '{printable(table)}' {rows} wrong: {shown}{more}.")
