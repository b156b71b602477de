"""From a table or a folder to a `TextSet`: find the texts, and leave out those that say nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from kerasrecipes.arguments import named
from kerasrecipes.data.examples import CLASS
from kerasrecipes.data.findings.check import warn_of_spellings
from kerasrecipes.data.tables.answers import Asked, Label
from kerasrecipes.data.tables.folder import folder_group, walk_folder
from kerasrecipes.data.tables.learnable import DROPPED, Labelled, check_unreadable, in_order
from kerasrecipes.data.tables.remote import here
from kerasrecipes.data.tables.rows import cell_of, check_text, header_of, read_rows
from kerasrecipes.data.tables.table import (
    TEXT_COLUMNS,
    Candidate,
    Content,
    Excluded,
    is_table,
    read_table,
)
from kerasrecipes.errors import DataError, did_you_mean, listed, printable
from kerasrecipes.regular import read_regular
from kerasrecipes.statistics.shown import in_words_of, speaking_of
from kerasrecipes.texts.pairs import PAIR_COLUMNS, joined
from kerasrecipes.texts.text_set import Text, TextSet

SUFFIX = ".txt"
LARGEST = 10_000_000
BLANK = "is blank"


@named
def scan_texts(
    source: str | Path,
    *,
    text: str | Sequence[str] | None = None,
    label: str | None = None,
    labels: str | Sequence[str] | None = None,
    value: str | None = None,
    classes: str | Sequence[str] | None = None,
    group_by: str | None = None,
    max_unreadable_fraction: float = 0.1,
    drop_small_classes: bool = False,
    for_training: bool = True,
) -> TextSet:
    """Find, read and check all texts of a table or a folder.

    A table (CSV, TSV, JSONL in UTF-8, with or without a byte order mark) has a text in each row, in
    a column `text` or one of a like name, and may have `group`, `time` (ISO 8601) and `split`. What
    its texts are answered with is said by a column `label`, `labels`, `value` or `target`, or by
    columns of 0 and 1, as in `scan_photos`. A folder holds one folder per class with a `.txt` file
    for each text; or `train`, `val` and `test` folders of such.

    Blank texts are left out, and told with their rows. Texts are kept as they are written.

    Args:
        source: The table or folder, or its address in an object store; see `scan_photos`.
        text: The table's column of texts, if it is called otherwise, or several could be meant;
            two columns, e.g. `("question", "answer")`, for pairs of texts that are read together.
            Columns like `premise` and `hypothesis`, `sentence1` and `sentence2` are known.
        label: The table's column of one class each; see `scan_photos`.
        labels: The same of several labels each; or the columns of 0 and 1, one per label.
        value: The same of a number each.
        classes: The order of the classes; `"by value"` sorts names that are numbers as such.
        group_by: What texts of one author, thread or customer have in common: a column of the
            table; or `"folder"`, the first folder below the class.
        max_unreadable_fraction: Raise if a larger share of the texts cannot be used.
        drop_small_classes: Leave classes with fewer than 2 texts out instead of raising.
        for_training: Insist on enough to learn from. Pass `False` for texts that a finished model
            is only to be measured on.

    Returns:
        The texts in a stable order, with what was excluded and why.

    Raises:
        ValueError: If an argument is not usable, or is about a table and `source` is a folder.
        DataError: If the table or folder is not as described, or too much of it is unusable.

    Example:
        >>> texts = scan_texts("tickets.jsonl", text="body", label="intent")
    """
    if not 0 <= max_unreadable_fraction <= 1:
        raise ValueError(
            f"`max_unreadable_fraction` must be from 0 to 1, got {max_unreadable_fraction!r}."
        )
    root, cells = here(source), _Cells(_as_columns(text))
    asked = Asked(label, labels, value)
    with speaking_of(TextSet.noun, {"column path": "column text"}):
        if is_table(root):
            found, left_out, ignored, order = _from_table(root, cells, asked, group_by, classes)
        else:
            named_columns = [*(["text"] if text is not None else []), *asked.named]
            found, left_out, ignored, order = _from_folder(root, named_columns, group_by, classes)
        found = replace(found, class_names=order)
        check_unreadable(found, left_out, max_unreadable_fraction, TextSet.noun)
        if for_training:
            found, dropped = found.learnable(drop_small_classes)
            reason = in_words_of(TextSet.noun, DROPPED)
            left_out += [Excluded(Path(one.name), reason, one.row) for one in dropped]
    read = _checked(found, left_out, ignored, ordered=classes is not None)
    return replace(read, pairs=bool(cells.second))


def _checked(
    found: Labelled, left_out: list[Excluded], ignored: list[Path], *, ordered: bool
) -> TextSet:
    """Make a set of texts, and warn of names that a person would read as the same."""
    texts, names = tuple(found.photos), tuple(found.class_names)
    read = TextSet(
        texts,
        names,
        found.root,
        tuple(left_out),
        tuple(ignored),
        target=found.target,
        ordered=ordered,
    )
    warn_of_spellings(read)
    return read


_Found = tuple[Labelled, list[Excluded], list[Path], list[str]]


@dataclass
class _Cells(Content):
    """The texts of a table, in a column, or in two for pairs; blank ones are left out."""

    wanted: tuple[str, ...]
    blank: list[int] = field(default_factory=list)
    second: str = ""

    def column(self, table: Path, found: Sequence[str]) -> str:
        if self.wanted:
            first, *more = (_wanted(table, one, found) for one in self.wanted)
            self.second = more[0] if more else ""
            return first
        pairs = [pair for pair in PAIR_COLUMNS if set(pair) <= set(found)]
        single = TEXT_COLUMNS[0] in found and pairs and TEXT_COLUMNS[0] not in pairs[0]
        if single or len(pairs) > 1:
            told = [TEXT_COLUMNS[0]] * bool(single) + [",".join(pair) for pair in pairs]
            raise DataError(
                f"The table '{printable(table)}' has several columns, or pairs of them, that could "
                f"hold texts: {listed(told)}. Name one by text= (on the command line --text)."
            )
        if pairs:
            first, self.second = pairs[0]
            return first
        if TEXT_COLUMNS[0] in found:
            return TEXT_COLUMNS[0]
        near = [name for name in TEXT_COLUMNS if name in found]
        if len(near) == 1:
            return near[0]
        what = f"several that could hold texts: {listed(near)}" if near else "none that holds texts"
        raise DataError(
            f"The table '{printable(table)}' has no column 'text', and {what}; it has "
            f"{listed(found, 10)}. Name the column by text= (on the command line --text)."
        )

    def cell(self, row: dict[str, object], column: str) -> object:
        return (row.get(column), row.get(self.second)) if self.second else (row.get(column),)

    def taken(self, column: str) -> set[str]:
        return {column, self.second} - {""}

    def read(self, table: Path, number: int, cell: object) -> tuple[Path, str, bytes | None] | None:
        cells = cell if isinstance(cell, tuple) else (cell,)
        if any(cell_of(one) is None for one in cells):
            self.blank.append(number)
            return None
        texts = [str(one) for one in cells]
        text = joined(*texts) if self.second else texts[0]
        check_text("text", text)
        return table, f"row {number}", text.encode()


def _wanted(table: Path, wanted: str, found: Sequence[str]) -> str:
    name = header_of(wanted)
    if name not in found:
        raise DataError(
            f"`text`: the table '{printable(table)}' has no column '{printable(wanted)}'."
            f"{did_you_mean(name, found)} It has {listed(found, 10)}."
        )
    return name


def _as_columns(text: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the columns that were named, none, one or two.

    Raises:
        ValueError: If they can be none.
    """
    if text is None:
        return ()
    names = (text,) if isinstance(text, str) else tuple(text)
    named_all = names and all(isinstance(one, str) for one in names)
    if not named_all or len(names) > 2 or len(set(map(header_of, names))) < len(names):
        raise ValueError(
            f"`text` must be the name of a column, two different ones for pairs, or None, not "
            f"{text!r}."
        )
    return names


def _from_table(
    root: Path,
    cells: _Cells,
    asked: Asked,
    group_by: str | None,
    classes: str | Sequence[str] | None,
) -> _Found:
    candidates, answers = read_table(root, group_by, asked, cells)
    names = answers.class_names({candidate.label for candidate in candidates})
    order = in_order(classes, names, answers.target, ((c.name, c.label) for c in candidates))
    texts = [_text(one, (one.content or b"").decode()) for one in candidates]
    left_out = [Excluded(Path(f"row {number}"), BLANK, number) for number in cells.blank]
    return Labelled(root, list(texts), names, answers.target), left_out, [], order


def _from_folder(
    root: Path,
    columns: Sequence[str],
    group_by: str | None,
    classes: str | Sequence[str] | None,
) -> _Found:
    if group_by not in {None, "folder"}:
        raise ValueError(
            f"`group_by` must be 'folder' or None for a folder of texts, not {group_by!r}."
        )
    candidates, left_out, ignored, names = walk_folder(
        root, lambda name: name.lower().endswith(SUFFIX)
    )
    for option in columns:
        raise ValueError(
            f"`{option}` names columns of a table, and '{printable(root)}' is a folder, which can "
            "only say one class for each text. Pass a table."
        )
    texts: list[Text] = []
    for candidate in candidates:
        try:
            content = read_text(candidate.path)
        except DataError as error:
            left_out.append(Excluded(candidate.path, str(error)))
            continue
        group = folder_group(candidate) if group_by == "folder" else None
        texts.append(_text(replace(candidate, group=group), content))
    labels: list[tuple[str, Label]] = [(one.name, one.label) for one in texts]
    order = in_order(classes, names, CLASS, labels)
    return Labelled(root, list(texts), names, CLASS), left_out, ignored, order


def read_column(table: Path, text: str | Sequence[str] | None = None) -> list[tuple[str, str]]:
    """Return the texts of a table that may say nothing else, each with the name of its row.

    Args:
        table: The table.
        text: The column, or two for pairs; see `scan_texts`.

    Raises:
        DataError: If there is no such column, or a row cannot be read.
    """
    cells = _Cells(_as_columns(text))
    with speaking_of(TextSet.noun, {"column path": "column text"}):
        rows, spelled = read_rows(table)
        column = cells.column(table, [name for name in spelled if name])
        found = (
            (number, cells.read(table, number, cells.cell(row, column))) for number, row in rows
        )
        return [(held[1], (held[2] or b"").decode()) for _, held in found if held is not None]


def is_text_file(name: str) -> bool:
    """Tell by its name whether a file holds one text."""
    return name.lower().endswith(SUFFIX)


def read_text(path: Path) -> str:
    """Read a file that holds one text.

    Args:
        path: The file, in UTF-8.

    Raises:
        DataError: With what is wrong with it.
    """
    try:
        text = read_regular(path, largest=LARGEST).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError("is not UTF-8: save it as UTF-8") from None
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}") from None
    if not text.strip():
        raise DataError(BLANK)
    return text


def _text(candidate: Candidate, text: str) -> Text:
    return Text(
        text=text,
        label=candidate.label,
        name=candidate.name,
        group=candidate.group,
        time=candidate.time,
        split=candidate.split,
        row=candidate.row,
    )
