"""Columns of text that stay in line in a terminal, whatever script the names are in."""

import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from kerasrecipes.errors import printable

_NAME_WIDTH = 28


@dataclass(frozen=True)
class Table:
    """Cells of text with a heading, for a terminal or a page.

    Args:
        title: What the table is about.
        columns: Heading of each column; empty texts for none.
        rows: Equally many cells each; the first one names the row.
        right: Numbers of the columns that are aligned to the right.
        verbatim: Numbers of the columns whose headings are names of the user's.
        name_width: Columns of a terminal that the first cell of a row may take.

    Example:
        >>> rows = ("ok", "120"), ("crack", "8")
        >>> print("\\n".join(Table("Classes", ("class", "n"), rows, right=(1,)).lines()))
        class    n
        ─────  ───
        ok     120
        crack    8
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[int, ...] = ()
    verbatim: tuple[int, ...] = ()
    name_width: int = _NAME_WIDTH

    def lines(self) -> list[str]:
        """Return the table for a terminal, without its title; long names are cut."""
        width = self.name_width
        cells = [[printable(cell) for cell in row] for row in self.rows]
        rows: list[Sequence[str]] = [(shorten_text(first, width), *rest) for first, *rest in cells]
        if not any(self.columns):
            return align_columns(rows, self.right) if rows else []
        rows = [[printable(head) for head in self.columns], *rows]
        return underlined(align_columns(rows, self.right), rows)


def align_columns(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """Pad the cells of a table, two spaces apart.

    Args:
        rows: Equally many cells each; they must be printable.
        right: Numbers of the columns that are aligned to the right.

    Returns:
        One line per row, without blanks at the end.

    Example:
        >>> align_columns([("class", "n"), ("漢", "12")], right={1})
        ['class   n', '漢     12']
    """
    widths = [max(map(_cells, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(_padded(cell, widths[i], right=i in right) for i, cell in enumerate(row)).rstrip()
        for row in rows
    ]


def underlined(lines: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Draw a line under the first of some lines that `align_columns` made.

    Args:
        lines: What `align_columns` returned.
        rows: What it was given.
    """
    widths = [max(map(_cells, column)) for column in zip(*rows, strict=True)]
    return [lines[0], "  ".join("─" * width for width in widths), *lines[1:]]


def shorten_text(text: str, width: int) -> str:
    """Cut a text to so many columns of a terminal.

    Example:
        >>> shorten_text("scratch", 5)
        'scra…'
    """
    if _cells(text) <= width:
        return text
    while _cells(text) >= width:
        text = text[:-1]
    return text + "…"


def _cells(text: str) -> int:
    """Count terminal columns: wide characters (CJK, emoji) take two, combining ones none."""
    return sum(
        0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in text
    )


def _padded(text: str, width: int, right: bool) -> str:
    space = " " * (width - _cells(text))
    return space + text if right else text + space
