"""What people decided about single examples, in a table beside them: right, wrong, or no use.

A row stands for one example, known by its path and the digest of its content, so that a decision
about a file that was replaced is noticed. The file is whole at any time: each decision rewrites it.
"""

import csv
import io
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from kerasrecipes.data.tables.rows import EXTRA, Row, cell_of, name_of, read_rows, refuse_rows
from kerasrecipes.data.tables.table import TABLE_SUFFIXES
from kerasrecipes.errors import DataError, did_you_mean, printable
from kerasrecipes.files import complete_file, held, told_plainly
from kerasrecipes.regular import open_regular

BESIDE = "beside"
KEEP, RELABEL, EXCLUDE, CANNOT_TELL = "keep", "relabel", "exclude", "cannot tell"
DECISIONS = (KEEP, RELABEL, EXCLUDE, CANNOT_TELL)
_SHA256 = re.compile("[0-9a-f]{64}")
# What a spreadsheet would take for a formula; an apostrophe before it is how these mark text.
_FORMULA = re.compile(r"'*[=+\-@]")


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody decided about one example.

    Args:
        path: Its path relative to the folder of the examples or of their table, with `/`.
        sha256: Hex digest of its content at that time.
        decision: `"keep"`, `"relabel"`, `"exclude"` or `"cannot tell"`.
        label: What it shows, if it is `"relabel"`.
        was: The label that it had.
        who: Who decided.
        when: When, ISO 8601.
    """

    path: str
    sha256: str
    decision: str
    label: str = ""
    was: str = ""
    who: str = ""
    when: str = ""


COLUMNS = tuple(Decision.__dataclass_fields__)


def decisions_file(root: Path) -> Path:
    """Return where the decisions about the examples of a folder or table lie.

    Example:
        >>> decisions_file(Path("photos/tiles.csv")).as_posix()
        'photos/tiles.labels.csv'
    """
    table = root.suffix.lower() in TABLE_SUFFIXES and not root.is_dir()
    return root.with_suffix(".labels.csv") if table else root / "labels.csv"


def holds_decisions(file: Path) -> bool:
    """Tell whether a file is there that begins as a table of decisions, however it was saved."""
    with suppress(OSError), open_regular(file) as opened:
        # Also in UTF-16, which is refused where it is read, and below Excel's `sep=;`.
        first = b"\n".join(opened.read(10_000).replace(b"\0", b"").lower().splitlines()[:2])
        return b"sha256" in first and b"decision" in first
    return False


def name_among(path: Path, root: Path) -> str:
    """Return the path of an example as its decision has it.

    Args:
        path: The example.
        root: The folder or table that it came from.
    """
    return Path(os.path.relpath(path, root if root.is_dir() else root.parent)).as_posix()


def read_decisions(file: Path) -> dict[str, Decision]:
    """Read decisions, by path.

    Args:
        file: The table.

    Raises:
        DataError: If it cannot be read, or a row is wrong; the rows are listed.
    """
    rows, spelled = read_rows(file, "decision")
    if missing := [name for name in COLUMNS[:4] if name not in spelled]:
        raise DataError(
            f"'{printable(file)}' is no table of decisions: it has no column '{missing[0]}'. Name "
            "one that `kerasrecipes review` wrote; a table of labels stands in place of the photos."
        )
    problems, found = [], {}
    for number, row in rows:
        try:
            one = _decision(row)
            if one.path in found:
                raise DataError(f"is a second one about '{printable(one.path)}'")
            found[one.path] = one
        except DataError as error:
            problems.append((number, str(error)))
    if problems:
        refuse_rows(file, problems)
    return found


def _decision(row: dict[str, object]) -> Decision:
    if EXTRA in row:
        raise DataError(f"has {row[EXTRA]} (quote a path that has a comma in it)")
    path = _plain(cell_of(row.get("path")))
    cells = {name: _plain(name_of(row.get(name))) for name in COLUMNS[1:]}
    cells["decision"] = cells["decision"].lower()
    if not path:
        raise DataError("has no path")
    if not _SHA256.fullmatch(cells["sha256"]):
        raise DataError("has a sha256 that is not one: 64 digits and letters from a to f")
    if cells["decision"] not in DECISIONS:
        raise DataError(
            f"has the decision '{printable(cells['decision'])}', which is none of "
            f"{', '.join(DECISIONS)}.{did_you_mean(cells['decision'], DECISIONS)}"
        )
    if cells["decision"] == RELABEL and not cells["label"]:
        raise DataError("says relabel, but not as what")
    if cells["when"]:
        try:
            datetime.fromisoformat(cells["when"])
        except ValueError:
            raise DataError(
                f"has the time '{printable(cells['when'])}', which is not ISO 8601 like "
                "2026-03-31T14:05:00"
            ) from None
    return Decision(path, **cells)


def write_decision(file: Path, path: str, decision: Decision | None) -> None:
    """Put a decision in place of an earlier one about the same example, or take that away.

    Others may write into the file at the same time; what they decide stays, and so do columns of
    other names.

    Args:
        file: The table; it is made with the first decision, and removed with the last.
        path: The example, as in `Decision`.
        decision: What was decided; `None` to take it back.

    Raises:
        DataError: If the file holds something else.
        OSError: If it cannot be written; it is as it was then.
    """
    with told_plainly(file.parent), held(file.parent):
        rows, spelled = ([], {}) if not file.exists() else _as_written(file)
        by_path = {_plain(cell_of(row.get("path"))): row for _, row in rows}
        before = by_path.pop(path, {})
        kept = list(by_path.values())
        if decision is not None:
            kept.append({**before, **{k: _safe(v) for k, v in asdict(decision).items()}})
        if kept:
            _write(file, list(dict.fromkeys([*COLUMNS, *filter(None, spelled)])), kept)
        elif file.exists():
            file.unlink()


def _as_written(file: Path) -> tuple[list[Row], dict[str, str]]:
    read_decisions(file)  # nothing is written into what was not understood
    return read_rows(file)


def _write(file: Path, columns: list[str], rows: Iterable[dict[str, object]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="", quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with complete_file(file) as opened:
        opened.write(text.getvalue().encode(errors="surrogateescape"))


def _safe(cell: str) -> str:
    return f"'{cell}" if _FORMULA.match(cell) else cell


def _plain(cell: str | None) -> str:
    found = cell or ""
    return found[1:] if found.startswith("'") and _FORMULA.match(found) else found
