"""Which columns of a table say what a photo is answered with, and what their cells say."""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from kerasrecipes.data.examples import CLASS, LABELS, NUMBER
from kerasrecipes.data.tables.rows import Row, cell_of, check_text, header_of, name_of
from kerasrecipes.data.tables.spelling import meaning, written
from kerasrecipes.errors import DataError, closest, did_you_mean, listed, printable, repeated

# What a column of this name says, where nobody names another.
KINDS = {"label": CLASS, "labels": LABELS, "value": NUMBER, "target": NUMBER}
_FLAGS = {meaning(text): text in {"1", "true"} for text in ("0", "1", "false", "true")}
_CHOOSE = {"label": "label='label'", "labels": "labels='labels'"}

Label = str | tuple[str, ...] | float


@dataclass(frozen=True)
class Asked:
    """The columns that say what a photo is answered with, as people name them.

    Args:
        label: The column of one class each.
        labels: The column of several labels each, or the columns of 0 and 1, one per label.
        value: The column of a number each.

    Raises:
        ValueError: If more than one is named.
    """

    label: str | None = None
    labels: str | Sequence[str] | None = None
    value: str | None = None

    def __post_init__(self) -> None:
        if len(self.named) > 1:
            raise ValueError(
                f"Pass only one of {', '.join(f'`{name}`' for name in self.named)}: a photo is "
                "answered with a class, with labels or with a number."
            )
        if self.labels is not None and not self.labels:
            raise ValueError("`labels` must name at least one column of the table.")

    @property
    def named(self) -> dict[str, str | Sequence[str]]:
        """What was named."""
        found = {"label": self.label, "labels": self.labels, "value": self.value}
        return {name: columns for name, columns in found.items() if columns is not None}


UNNAMED = Asked()


@dataclass(frozen=True)
class Answers:
    """What reads the answer of a row.

    Args:
        target: `"class"`, `"labels"` or `"number"`.
        columns: Their columns, as `header_of` names them.
        names: The labels where each has a column of its own, as the table spells them.
        separator: What stands between labels in one cell.
    """

    target: str
    columns: tuple[str, ...]
    names: tuple[str, ...] = ()
    separator: str = "|"

    def of(self, row: dict[str, object]) -> Label:
        """Return the answer of a row.

        Raises:
            DataError: With what is wrong with the row.
        """
        if self.names:
            said = zip(self.columns, self.names, strict=True)
            return tuple(sorted(name for column, name in said if _is_set(row.get(column), name)))
        cell = row.get(self.columns[0])
        read: dict[str, Callable[[object], Label]] = {
            CLASS: self._class,
            LABELS: self._labels,
            NUMBER: self._number,
        }
        return read[self.target](cell)

    def class_names(self, found: Collection[Label]) -> list[str]:
        """Return all classes or labels of a table, sorted, given the answers of its rows."""
        if self.target == NUMBER:
            return []
        if self.target == CLASS:
            return sorted({str(label) for label in found})
        several = (label for label in found if isinstance(label, tuple))
        return sorted({name for labels in several for name in labels} | set(self.names))

    def _class(self, cell: object) -> str:
        label = name_of(cell)
        if label is None:
            raise DataError(f"has no {printable(self.columns[0])} (blank or NaN)")
        check_text("label", label)
        return label

    def _labels(self, cell: object) -> tuple[str, ...]:
        if isinstance(cell, list):
            parts = [name_of(part) for part in cell]
        else:
            parts = [written(part) for part in (name_of(cell) or "").split(self.separator)]
        labels = {part for part in parts if part is not None}
        for label in labels:
            check_text("label", label)
        return tuple(sorted(labels))

    def _number(self, cell: object) -> float:
        text, column = cell_of(cell), printable(self.columns[0])
        if text is None:
            raise DataError(f"has no {column} (blank or NaN)")
        try:
            number = float(text)
        except ValueError:
            hint = " (write a decimal point)" if "," in text else ""
            raise DataError(
                f"has the {column} '{printable(text)}', which is not a number{hint}"
            ) from None
        if not math.isfinite(number):
            raise DataError(f"has the {column} '{printable(text)}', which is not finite")
        return number


def find_answers(
    table: Path, rows: list[Row], spelled: dict[str, str], asked: Asked, others: Collection[str]
) -> Answers:
    """Find out which columns say what a photo is answered with.

    Args:
        table: The table, for messages.
        rows: Its rows.
        spelled: How it spells the name of each column.
        asked: What people named.
        others: Columns that say something else.

    Raises:
        DataError: If a named column is missing, nothing is found, or several could be meant.
    """
    for option, wanted in asked.named.items():
        columns = [header_of(c) for c in ([wanted] if isinstance(wanted, str) else wanted)]
        _check_named(table, option, columns, spelled)
        if isinstance(wanted, str):
            return _from_one(KINDS[option], columns[0], rows, spelled)
        return _one_per_label(columns, spelled)
    found = [name for name in KINDS if name in spelled]
    if len(found) > 1:
        choices = ", ".join(_CHOOSE.get(name, f"value='{name}'") for name in found)
        raise DataError(
            f"The table '{printable(table)}' has the columns {listed(found)}, each of which says "
            f"what a photo is answered with. Choose one: {choices} (on the command line --label, "
            "--labels, --value)."
        )
    if found:
        return _from_one(KINDS[found[0]], found[0], rows, spelled)
    rest = [name for name in spelled if name and name not in others]
    near = next((match for name in KINDS if (match := closest(name, rest))), None)
    if rest and not near and all(_is_flag(row.get(name)) for _, row in rows for name in rest):
        return _one_per_label(rest, spelled)
    hint = f" Rename '{printable(near)}' if you mean that." if near else ""
    raise DataError(
        f"The table '{printable(table)}' has no column 'label'; it has "
        f"{listed([name for name in spelled if name], 10)}.{hint} A table needs the column path "
        "and one of label (a class), labels ('scratch|dent') and value (a number), or one column "
        "of 0 and 1 per label. Columns of other names are named by label=, labels= or value=."
    )


def _check_named(table: Path, option: str, columns: list[str], spelled: dict[str, str]) -> None:
    known = [name for name in spelled if name]
    if doubled := repeated(columns):
        raise DataError(f"`{option}` names the column {listed(doubled)} more than once.")
    missing = [name for name in columns if name not in known]
    if missing:
        raise DataError(
            f"`{option}`: the table '{printable(table)}' has no column {listed(missing)}."
            f"{did_you_mean(missing[0], known)} It has {listed(known, 10)}."
        )


def _one_per_label(columns: Sequence[str], spelled: dict[str, str]) -> Answers:
    return Answers(LABELS, tuple(columns), tuple(spelled[name] for name in columns))


def _from_one(target: str, column: str, rows: list[Row], spelled: dict[str, str]) -> Answers:
    cells = [row.get(column) for _, row in rows]
    said = any(cell_of(cell) for cell in cells if not isinstance(cell, list | dict))
    if target == LABELS and said and all(map(_is_flag, cells)):
        return _one_per_label([column], spelled)
    # A label may hold the separator that its table does not use.
    piped = any("|" in str(row.get(column)) for _, row in rows)
    return Answers(target, (column,), separator="|" if piped else ";")


def _is_flag(cell: object) -> bool:
    """Tell whether a cell could say that a label is set or not, or say nothing."""
    if isinstance(cell, list | dict):
        return False
    text = written(cell)
    return text is None or meaning(text) in _FLAGS


def _is_set(cell: object, label: str) -> bool:
    text = name_of(cell)
    if text is None:
        raise DataError(f"does not say whether it has '{printable(label)}': write 0 or 1")
    if meaning(text) not in _FLAGS:
        raise DataError(f"has '{printable(text)}' for '{printable(label)}', not 0 or 1")
    return _FLAGS[meaning(text)]
