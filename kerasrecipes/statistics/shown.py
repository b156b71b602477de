"""Results as people read them: text in a terminal, tables in a notebook."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
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


def in_words_of(noun: tuple[str, str], message: str) -> str:
    """Say of another kind of data what is written of photos, for which most messages are.

    Args:
        noun: What people call one and several of it.
        message: E.g. of a finding.

    Example:
        >>> in_words_of(("text", "texts"), "1 photo is there twice. Split with split_photos.")
        '1 text is there twice. Split with split_texts.'
    """
    one, many = noun
    if one == "photo":
        return message
    words = {"photo": one, "photos": many, "Photo": one.title(), "Photos": many.title()}
    # What stands in quotes or in a path is a name.
    pattern = r"(?<![A-Za-z/'\"])[Pp]hotos?(?![A-Za-z/])"
    return re.sub(pattern, lambda found: words[found[0]], message)


@contextmanager
def speaking_of(noun: tuple[str, str], other: Mapping[str, str] | None = None) -> Iterator[None]:
    """Let what is raised inside speak of another kind of data where it speaks of photos.

    Args:
        noun: What people call one and several of it.
        other: Further words that differ, e.g. the name of a column.
    """
    try:
        yield
    except ValueError as error:
        message = in_words_of(noun, str(error))
        for said, meant in (other or {}).items():
            message = message.replace(said, meant)
        if message == str(error) or isinstance(error, UnicodeError):
            raise
        raise type(error)(message) from error.__cause__


def told_of(noun: tuple[str, str], parts: Iterable[Part]) -> Iterator[Part]:
    """Yield what is shown of photos in words of another kind of data; cells of tables stay.

    Args:
        noun: What people call one and several of it.
        parts: What is shown.
    """
    for part in parts:
        if isinstance(part, str):
            yield in_words_of(noun, part)
        elif isinstance(part, Table):
            columns = tuple(in_words_of(noun, name) for name in part.columns)
            yield replace(part, columns=columns)
        else:
            yield Told(noun, part)


@dataclass(frozen=True)
class Told(Shown):
    """What is shown of photos, in words of another kind of data.

    Args:
        noun: What people call one and several of it.
        of: What is shown.
    """

    noun: tuple[str, str]
    of: Shown

    def parts(self) -> Iterator[Part]:
        """Yield the same parts."""
        return told_of(self.noun, self.of.parts())
