"""What is known of examples besides their answers: columns of a table, times, measurements."""

from collections.abc import Iterable, Sequence

from kerasrecipes.data.examples import NUMBER, Examples
from kerasrecipes.data.tables.rows import header_of, read_rows
from kerasrecipes.data.tables.table import is_table
from kerasrecipes.errors import DataError, did_you_mean, listed, printable
from kerasrecipes.evaluation.mistakes.suspect import in_words

_OWN = ("label", "group", "time", "split")


def known_columns(
    examples: Examples, names: Iterable[str], measured: Iterable[str] = ()
) -> dict[str, Sequence[object]]:
    """Return what examples can be cut by, of the wished-for names.

    Args:
        examples: The examples; where they are from a table, it is read again.
        names: Columns of the table, or `"label"`, `"group"`, `"time"`, `"split"`.
        measured: Names of what will be measured of each example, which are no columns.

    Returns:
        Each name to one value per example, `None` where there is none; without those that will
        be measured.

    Raises:
        DataError: If there is no such column, or the table is not as it was.
    """
    columns = table_columns(examples)
    found: dict[str, Sequence[object]] = {}
    for name in dict.fromkeys(names):
        header = header_of(name)
        if header in _OWN and any(_own(examples, header)):
            found[name] = _own(examples, header)
        elif header in columns:
            found[name] = columns[header]
        elif name not in measured:
            known = [*(own for own in _OWN if any(_own(examples, own))), *columns, *measured]
            known = list(dict.fromkeys(known))
            raise DataError(
                f"There is no column '{printable(name)}' to cut the {examples.noun[1]} by."
                f"{did_you_mean(name, known)} There are {listed(known, 20)}."
            )
    return found


def _own(examples: Examples, name: str) -> list[object]:
    if name == "group":
        return list(examples.groups)
    values = [getattr(item, name) for item in examples.items]
    if name != "label" or examples.target == NUMBER:
        return values
    return [in_words(value) for value in values]


def table_columns(examples: Examples) -> dict[str, list[object]]:
    """Return every column of the table that examples are from, one value for each of them.

    Args:
        examples: The examples; those of a folder have no columns.

    Raises:
        DataError: If the table is not as it was when they were scanned.
    """
    if not is_table(examples.root):
        return {}
    rows, spelled = read_rows(examples.root)
    by_number = dict(rows)
    wanted = [by_number.get(getattr(item, "row", None) or 0) for item in examples.items]
    for item, row in zip(examples.items, wanted, strict=True):
        if row is None or not examples.is_of(item, row):
            raise DataError(
                f"The table '{printable(examples.root)}' is not as it was when its "
                f"{examples.noun[1]} were scanned. Scan it again."
            )
    return {name: [row.get(name) for row in wanted if row is not None] for name in spelled if name}
