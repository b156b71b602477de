"""A long table: a row for each step, with the recording that it belongs to, and its time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from kerasrecipes.data.tables.answers import KINDS, Answers, Asked, find_answers
from kerasrecipes.data.tables.rows import Row, header_of, name_of, read_rows, refuse_rows
from kerasrecipes.data.tables.table import Candidate, Excluded, find_side
from kerasrecipes.errors import DataError, did_you_mean, listed, printable
from kerasrecipes.signals.recording import (
    TIMES,
    Recording,
    as_values,
    check_values,
    number_of,
    rate_of,
)

IDS = ("id", "recording", "series", "sequence", "session")
_ABOUT = ("group", "split")


@dataclass(frozen=True)
class Columns:
    """The columns of a long table, as people name them; `None` for the usual names.

    Args:
        id: The recording.
        time: When the step was.
        channels: The values; `None` for all others that hold numbers.
        group: What recordings have in common.
    """

    id: str | None = None
    time: str | None = None
    channels: Sequence[str] | None = None
    group: str | None = None


Found = tuple[list[tuple[Candidate, Recording]], list[Excluded], Answers]


def read_long_table(table: Path, named: Columns, asked: Asked) -> Found:
    """Read the recordings of a long table.

    Args:
        table: A `.csv`, `.tsv`, `.jsonl` or `.ndjson` file in UTF-8.
        named: Its columns.
        asked: The columns that say what a recording is answered with.

    Returns:
        Each recording with what is said of it, in the order in which they begin; what cannot be
        used; and what read the answers.

    Raises:
        DataError: If a column is missing, or rows contradict each other.
    """
    rows, spelled = read_rows(table, "step")
    known = [name for name in spelled if name]
    by = _column(table, known, "id", named.id, IDS)
    at = _column(table, known, "time", named.time, TIMES, needed=named.time is not None)
    group = _column(table, known, "group_by", named.group, ("group",), needed=bool(named.group))
    wanted = None if named.channels is None else [header_of(one) for one in named.channels]
    for name in wanted or ():
        _column(table, known, "channels", name, ())
    others = {name for name in known if name not in KINDS} if not asked.named else {by}
    answers = find_answers(table, rows, spelled, asked, others)
    taken = {by, at, group, *answers.columns, *_ABOUT}
    channels = wanted or [name for name in known if name not in taken]
    if not channels:
        raise DataError(f"The table '{printable(table)}' has no column with values of a channel.")
    members: dict[str, list[Row]] = {}
    lost: list[tuple[int, str]] = []
    for number, row in rows:
        if (called := name_of(row.get(by))) is None:
            lost.append((number, f"has no {by}"))
        else:
            members.setdefault(called, []).append((number, row))
    if lost:
        refuse_rows(table, lost)
    spelling = tuple(spelled[name] for name in channels)
    found, left_out = [], []
    for name, own in members.items():
        own = _in_time(table, own, at)
        one = _candidate(table, name, own, group, answers)
        try:
            values = _values(own, channels)
            rate = rate_of(_seconds(own, at)) if at and len(own) > 1 else None
            recording = check_values(Recording(values, spelling, rate))
            found.append((replace(one, time=_began(own, at)), recording))
        except DataError as error:
            left_out.append(Excluded(Path(name), str(error), one.row))
    return found, left_out, answers


def _column(
    table: Path,
    known: list[str],
    option: str,
    name: str | None,
    usual: Iterable[str],
    needed: bool = True,
) -> str:
    """Return the column that somebody named, or one of a usual name; `""` if there need be none."""
    if name is not None:
        if header_of(name) in known:
            return header_of(name)
        raise DataError(
            f"`{option}`: the table '{printable(table)}' has no column '{printable(name)}'."
            f"{did_you_mean(header_of(name), known)} It has {listed(known, 10)}."
        )
    found = [one for one in usual if one in known]
    if found or not needed:
        return found[0] if found else ""
    raise DataError(
        f"The table '{printable(table)}' has neither a column 'path', with a file for each "
        f"recording, nor one that says to which recording a step belongs; it has "
        f"{listed(known, 10)}. Name that column by id= (on the command line --id)."
    )


def _in_time(table: Path, own: list[Row], at: str) -> list[Row]:
    if not at:
        return own
    try:
        return sorted(own, key=lambda one: _moment(one[1].get(at)))
    except (ValueError, TypeError):
        for number, row in own:
            try:
                _moment(row.get(at))
            except ValueError:
                told = f"has the {at} '{printable(row.get(at))}', which is neither a number nor "
                refuse_rows(table, [(number, told + "ISO 8601")])
        refuse_rows(table, [(own[0][0], f"has a {at} of another kind than later rows")])


def _moment(cell: object) -> float:
    """Return seconds, of a number or of ISO 8601."""
    text = str(cell).strip()
    try:
        return float(text)
    except ValueError:
        return datetime.fromisoformat(text).timestamp()


def _seconds(own: list[Row], at: str) -> np.ndarray:
    return np.array([_moment(row.get(at)) for _, row in own])


def _began(own: list[Row], at: str) -> datetime | None:
    try:
        return datetime.fromisoformat(str(own[0][1].get(at)).strip()) if at else None
    except ValueError:
        return None


def _values(own: list[Row], channels: list[str]) -> np.ndarray:
    values = np.empty((len(own), len(channels)))
    for step, (number, row) in enumerate(own):
        for place, name in enumerate(channels):
            try:
                values[step, place] = number_of(row.get(name))
            except ValueError:
                raise DataError(
                    f"has '{printable(row.get(name))[:40]}' in row {number} of '{name}', which is "
                    "no number"
                ) from None
    return as_values(values)


def _candidate(table: Path, name: str, own: list[Row], group: str, answers: Answers) -> Candidate:
    """Return what is said of a recording, which all of its rows must say."""
    first = own[0][0]
    told: list[tuple] = []
    for number, row in own:
        try:
            split = find_side(side) if (side := name_of(row.get("split"))) else None
            told.append((answers.of(row), name_of(row.get(group)) if group else None, split))
        except DataError as error:
            refuse_rows(table, [(number, str(error))])
        if told[-1] != told[0]:
            said = listed([str(one[0]) for one in (told[0], told[-1])])
            raise DataError(
                f"In the table '{printable(table)}', row {number} says something else of "
                f"'{printable(name)}' than row {first}: {said}. All steps of a recording have one "
                "answer, one group and one split; divide it into recordings that do."
            )
    label, of_group, side = told[0]
    return Candidate(table, name, label, group=of_group, split=side, row=first)
