"""Results as people read them: text in a terminal, tables in a notebook."""

from collections.abc import Iterable
from html import escape
from itertools import groupby
from typing import Any, Union

from kerasrecipes.errors import printable
from kerasrecipes.statistics.tables import Table

Part = Union[str, Table, "Shown"]


class Shown:
    """What is read from top to bottom: lines of text, tables, and further results.

    A subclass says its `parts` once. `print` writes them, and a notebook shows them as HTML.
    """

    def parts(self) -> Iterable[Part]:
        """Return what is shown, in order; an empty line is an empty text."""
        raise NotImplementedError

    def __str__(self) -> str:
        parts = list(self.parts())
        titled = sum(isinstance(part, Table) for part in parts) > 1
        lines: list[str] = []
        for part in parts:
            if isinstance(part, Table):
                lines += [part.title] if titled and part.title else []
                lines += part.lines()
            else:
                lines.append(str(part))
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Return the same as HTML, where everything that was not written here is escaped."""
        found: list[str] = []
        for is_text, group in groupby(self.parts(), key=lambda part: isinstance(part, str)):
            parts: list[Any] = list(group)
            found += _paragraphs("\n".join(parts)) if is_text else map(_html_of, parts)
        return "\n".join(found)


def of_groups(groups: int | None) -> str:
    """Say of how many groups examples are, if any were declared.

    Example:
        >>> f"18 photos{of_groups(3)}"
        '18 photos of 3 groups'
    """
    return "" if groups is None else f" of {groups:,} group{'' if groups == 1 else 's'}"


def _html_of(part: "Table | Shown") -> str:
    return _table(part) if isinstance(part, Table) else part._repr_html_()


def _paragraphs(text: str) -> list[str]:
    blocks = [block.split("\n") for block in text.strip("\n").split("\n\n")]
    return [f"<p>{'<br>'.join(map(safe, lines))}</p>" for lines in blocks if any(lines)]


def _table(table: Table) -> str:
    title = f"<caption>{safe(table.title)}</caption>" if table.title else ""
    head = f"<thead>{_row(table, table.columns, 'th')}</thead>" if any(table.columns) else ""
    body = "".join(_row(table, cells, "td") for cells in table.rows)
    return f"<table>{title}{head}<tbody>{body}</tbody></table>"


def _row(table: Table, cells: Iterable[str], tag: str) -> str:
    sides = {number: "right" for number in table.right}
    written = (
        f'<{tag} style="text-align: {sides.get(number, "left")}">{safe(cell)}</{tag}>'
        for number, cell in enumerate(cells)
    )
    return f"<tr>{''.join(written)}</tr>"


def safe(text: str) -> str:
    """Return text from elsewhere as it may stand in HTML."""
    return escape(printable(text))
