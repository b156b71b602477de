"""From files, folders and tables to a `SignalSet`: what cannot be used is left out, and told."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.data.examples import CLASS
from kerasrecipes.data.findings.check import warn_of_spellings
from kerasrecipes.data.tables.answers import Asked
from kerasrecipes.data.tables.folder import folder_group, walk_folder
from kerasrecipes.data.tables.learnable import DROPPED, Labelled, check_unreadable, in_order
from kerasrecipes.data.tables.remote import here
from kerasrecipes.data.tables.rows import read_rows
from kerasrecipes.data.tables.table import TABLE_SUFFIXES, Candidate, Excluded, read_table
from kerasrecipes.errors import DataError, is_number, listed
from kerasrecipes.signals.layout import Layout, same_rate
from kerasrecipes.signals.long_table import Columns, read_long_table
from kerasrecipes.signals.recording import Recording, is_recording, read_recording
from kerasrecipes.signals.signal_set import Signal, SignalSet
from kerasrecipes.signals.ts_file import read_ts, ts_files
from kerasrecipes.signals.windows import check_windows, cut_all
from kerasrecipes.statistics.shown import in_words_of, speaking_of

NOUN = ("recording", "recordings")


@named
def scan_signals(
    source: str | Path,
    *,
    channels: Sequence[str] | None = None,
    id: str | None = None,
    time: str | None = None,
    rate: float | None = None,
    window: int | None = None,
    stride: int | None = None,
    label: str | None = None,
    labels: str | Sequence[str] | None = None,
    value: str | None = None,
    classes: str | Sequence[str] | None = None,
    group_by: str | None = None,
    max_unreadable_fraction: float = 0.1,
    drop_small_classes: bool = False,
    for_training: bool = True,
) -> SignalSet:
    """Find, read and check all recordings of a folder, a table, or `.ts` files.

    A folder holds one folder per class, with a file for each recording; or `train`, `val` and
    `test` folders of such. A table (CSV, TSV, JSONL in UTF-8) names a file in each row, in a column
    `path`; or it is a long one, with a row for each step, and columns `id` and `time`. A `.ts` file
    is one of the UCR and UEA archives; a folder may hold one for each side of a split.

    A file is CSV (a column for each channel, with or without names; a column `time` of seconds says
    the rate), NPY (`(steps,)` or `(steps, channels)`, no objects) or WAV (scaled to −1…1). Empty
    cells and NaN are missing values, which models mask. Lengths may differ; rate and channels may
    not: recordings that differ from most are left out, and told.

    Args:
        source: The folder, table or file, or its address in an object store; see `scan_photos`.
        channels: The channels to read, by name; `None` for all.
        id: The long table's column of recordings, if it is not called `id` or alike.
        time: The long table's column of times, in seconds or ISO 8601, if it is not called so.
        rate: Steps per second (Hz), where files do not say it.
        window: Cut recordings into windows of so many steps; `None` for whole ones. Windows of one
            recording are never on two sides of a split, and are of one group if none is declared.
        stride: Steps from one window to the next; `None` for windows that do not overlap.
        label: The table's column of one class each; see `scan_photos`.
        labels: The same of several labels each; or the columns of 0 and 1, one per label.
        value: The same of a number each.
        classes: The order of the classes; `"by value"` sorts names that are numbers as such.
        group_by: What recordings of one subject or machine have in common: a column of the table;
            or `"folder"`, the first folder below the class.
        max_unreadable_fraction: Raise if a larger share of the recordings cannot be used.
        drop_small_classes: Leave classes with fewer than 2 signals out instead of raising.
        for_training: Insist on enough to learn from. Pass `False` for recordings that a finished
            model is only to be measured on.

    Returns:
        The signals in a stable order, with what was excluded and why.

    Raises:
        ValueError: If an argument is not usable, or would have no effect on this source.
        DataError: If the source is not as described, or too much of it is unusable.

    Example:
        >>> signals = scan_signals("steps.csv", id="walk", window=128)
    """
    stride = check_windows(window, stride)
    _check_numbers(max_unreadable_fraction, rate)
    _check_names(channels)
    root, asked = here(source), Asked(label, labels, value)
    columns = Columns(id, time, channels, group_by)
    with speaking_of(NOUN):
        found = _found(root, columns, asked)
        kept, left_out, layout = _alike(found, channels, rate)
        layout = replace(layout, window=window, stride=stride)
        labelled = Labelled(root, kept, found.class_names, found.target)
        check_unreadable(labelled, left_out, max_unreadable_fraction, NOUN)
        labelled = _in_order(replace(labelled, photos=cut_all(kept, window, stride)), classes)
        if for_training:
            labelled, dropped = labelled.learnable(drop_small_classes)
            reason = in_words_of(SignalSet.noun, DROPPED)
            left_out += [Excluded(Path(one.name), reason, one.row) for one in dropped]
    read = SignalSet(
        tuple(labelled.photos), tuple(labelled.class_names), root, layout, tuple(left_out),
        tuple(found.ignored), found.target, classes is not None,
    )  # fmt: skip
    warn_of_spellings(read)
    return read


def _in_order(labelled: Labelled, classes: str | Sequence[str] | None) -> Labelled:
    said = ((one.name, one.label) for one in labelled.photos)
    order = in_order(classes, labelled.class_names, labelled.target, said)
    return replace(labelled, class_names=order)


def _check_numbers(most: float, rate: float | None) -> None:
    if not 0 <= most <= 1:
        raise ValueError(f"`max_unreadable_fraction` must be from 0 to 1, got {most!r}.")
    if rate is not None and not is_number(rate, 0, 1e9, above=True):
        raise ValueError(f"`rate` must be a number of steps per second above 0, not {rate!r}.")


def _check_names(channels: object) -> None:
    if isinstance(channels, str):  # whose letters would be taken for names
        raise ValueError(
            f"`channels` must be a list of names, not a text. Pass channels=[{channels!r}]."
        )


@dataclass
class _Found:
    """Recordings with what is said of them, before they are compared with each other."""

    target: str
    class_names: list[str]
    read: list[tuple[Candidate, Recording]]
    left_out: list[Excluded] = field(default_factory=list)
    ignored: list[Path] = field(default_factory=list)


def _found(root: Path, columns: Columns, asked: Asked) -> _Found:
    if files := ts_files(root):
        _refuse(columns, asked, "of a .ts file, which has no columns")
        return _from_ts(files)
    if not (root.is_file() and root.suffix.lower() in TABLE_SUFFIXES):
        _refuse(replace(columns, group=None), asked, "of a folder, which has no such columns")
        return _from_folder(root, columns.group)
    _, spelled = read_rows(root)
    if "path" not in spelled:
        pairs, left_out, answers = read_long_table(root, columns, asked)
        names = answers.class_names({one.label for one, _ in pairs})
        return _Found(answers.target, names, pairs, left_out)
    _refuse(replace(columns, group=None), Asked(), "of a table that names files in `path`")
    candidates, answers = read_table(root, columns.group, asked)
    found = _Found(answers.target, answers.class_names({one.label for one in candidates}), [])
    _read_files(candidates, found)
    return found


def _refuse(columns: Columns, asked: Asked, of: str) -> None:
    """Refuse what names columns where there are none."""
    named = {"id": columns.id, "time": columns.time, "group_by": columns.group}
    given = {**named, **asked.named}
    for option, name in given.items():
        if name is not None:
            raise ValueError(f"`{option}` would have no effect {of}. Leave it out.")


def _from_ts(files: list[tuple[Path, str | None]]) -> _Found:
    found = _Found(CLASS, [], [])
    for path, side in files:
        found.target, lines = read_ts(path)
        for number, recording, label in lines:
            name = f"{path.name} line {number}"
            if isinstance(recording, str):
                found.left_out.append(Excluded(Path(name), recording, number))
            else:
                row = number if len(files) == 1 else None
                one = Candidate(path, name, label, split=side, row=row)
                found.read.append((one, recording))
    if found.target == CLASS:
        found.class_names = sorted({str(one.label) for one, _ in found.read})
    return found


def _from_folder(root: Path, group_by: str | None) -> _Found:
    if group_by not in {None, "folder"}:
        raise ValueError(
            f"`group_by` must be 'folder' or None for a folder of recordings, not {group_by!r}."
        )
    candidates, left_out, ignored, names = walk_folder(root, is_recording)
    found = _Found(CLASS, names, [], left_out, ignored)
    grouped = (replace(one, group=folder_group(one) if group_by else None) for one in candidates)
    _read_files(grouped, found)
    return found


def _read_files(candidates: "Sequence[Candidate] | Iterator[Candidate]", found: _Found) -> None:
    for one in candidates:
        try:
            found.read.append((one, read_recording(one.path)))
        except DataError as error:
            found.left_out.append(Excluded(one.path, str(error), one.row))


def _alike(
    found: _Found, channels: Sequence[str] | None, rate: float | None
) -> tuple[list[Signal], list[Excluded], Layout]:
    """Keep the recordings that have the channels and the rate of most."""
    left_out = list(found.left_out)
    chosen: list[tuple[Candidate, np.ndarray, tuple[str, ...], float | None]] = []
    for one, recording in found.read:
        names = recording.channels or tuple(map(str, range(recording.values.shape[1])))
        values = recording.values
        if channels is not None:
            if missing := [name for name in channels if name not in names]:
                reason = f"has no channel {listed(missing)}; it has {listed(names, 8)}"
                left_out.append(Excluded(one.path, reason, one.row))
                continue
            values, names = values[:, [names.index(name) for name in channels]], tuple(channels)
        chosen.append((one, values, names, recording.rate))
    usual = _most([names for *_, names, _ in chosen])
    told = [own for *_, own in chosen if own is not None]
    if rate is not None and told and not all(same_rate(rate, own) for own in told):
        raise ValueError(
            f"`rate={rate:g}`: the files say {_most(told):g} Hz themselves. Leave `rate` out."
        )
    usual_rate = rate if rate is not None else _most(told)
    signals = []
    for one, values, names, own in chosen:
        if names != usual:
            reason = f"has the channels {listed(names, 8)}, and most have {listed(usual or (), 8)}"
            left_out.append(Excluded(one.path, reason, one.row))
        elif not same_rate(own, usual_rate):
            reason = f"has {own:g} steps per second, and most have {usual_rate:g}: resample it"
            left_out.append(Excluded(one.path, reason, one.row))
        else:
            signals.append(_signal(one, values))
    return signals, left_out, Layout(usual or tuple(channels or ()), usual_rate)


def _most(values: list) -> Any:
    """Return what occurs most; of equally many the smallest."""
    counts = Counter(values)
    return min(counts, key=lambda one: (-counts[one], one)) if counts else None


def _signal(one: Candidate, values: np.ndarray) -> Signal:
    return Signal(
        values=values,
        label=one.label,
        name=one.name,
        group=one.group,
        time=one.time,
        split=one.split,
        row=one.row,
    )
