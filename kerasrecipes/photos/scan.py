"""From a folder or a table to a `PhotoSet`: find the photos, read each once, leave out the bad."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path

from kerasrecipes.arguments import named
from kerasrecipes.console import bar, warn
from kerasrecipes.data.examples import CLASS
from kerasrecipes.data.findings.finding import Placed
from kerasrecipes.data.findings.labels import find_same_labels
from kerasrecipes.data.findings.leaks import find_same_groups
from kerasrecipes.data.tables.answers import Asked, Label
from kerasrecipes.data.tables.decisions import BESIDE
from kerasrecipes.data.tables.folder import folder_group, walk_folder
from kerasrecipes.data.tables.learnable import DROPPED, Labelled, in_order
from kerasrecipes.data.tables.remote import here
from kerasrecipes.data.tables.spelling import trimmed
from kerasrecipes.data.tables.table import (
    RECORDING_SUFFIXES,
    Candidate,
    is_table,
    read_table,
)
from kerasrecipes.errors import DataError, listed, printable
from kerasrecipes.photos.decoding.names import looks_like_a_photo
from kerasrecipes.photos.decoding.policy import DecodePolicy
from kerasrecipes.photos.inspecting import Inspectors, facts_of
from kerasrecipes.photos.likeness.prints import PrintFile
from kerasrecipes.photos.photo_set import Excluded, Photo, PhotoFacts, PhotoSet
from kerasrecipes.photos.sources.decided import Decided, find_decisions

# What waits for a thread takes memory, too.
_TOGETHER = 16
# Photos whose fingerprints take 50 MB of memory; those of more lie in a file.
_MANY = 20_000
# Photos for which it pays to begin processes, and how many one of them is given at a time.
_VERY_MANY, _AT_A_TIME = 50_000, 256


@named
def scan_photos(
    source: str | Path,
    *,
    label: str | None = None,
    labels: str | Sequence[str] | None = None,
    value: str | None = None,
    classes: str | Sequence[str] | None = None,
    group_by: str | None = None,
    policy: DecodePolicy = DecodePolicy(),
    max_unreadable_fraction: float = 0.1,
    drop_small_classes: bool = False,
    for_training: bool = True,
    labels_from: str | Path | None = BESIDE,
    fit: str | None = None,
    channels: int | None = None,
    dtype: str | None = None,
    value_range: tuple[float, float] | None = None,
) -> PhotoSet:
    """Find, read and check all photos of a folder or a table.

    A folder holds one folder per class, with any folders inside; or `train`, `val` and `test`
    folders of such. Folders beginning with `.` or `_` are skipped. A table (CSV, TSV, JSONL,
    Parquet) has the column `path` and may have `group`, `time` (ISO 8601) and `split`. What its
    photos show is said by a column `label`, one class each; by a column `labels`, e.g.
    `"scratch|dent"` or, in a table without `|`, `"scratch;dent"`, where an empty cell means that
    a photo has none of them; by one column of 0 and 1 (or true and false) per label, if it has
    no other columns; or by a column `value` or `target`, a number each. Tar files of WebDataset
    are read as a table: beside each photo a `.cls` with its class, or a `.json` with the columns.
    So are Parquet and Arrow files with a column of photos, as Hugging Face writes them, and a
    folder of its `save_to_disk`, and TFRecord files. Photos stay in them, and are read from there.

    Names of classes, labels and groups are kept without white space and invisible characters
    around them. Those that a person would still read as the same, such as `P1` and `p01`, are
    told with their rows; groups of such count as one.

    Args:
        source: The folder or table; a `.tar` file, or a pattern such as `"shards/*.tar"`; or the
            address of one in an object store, e.g. `"s3://bucket/tiles"`, which is copied first.
        label: The table's column of one class each, if it has other columns, too, that say what
            a photo shows, or calls it differently.
        labels: The same of several labels each; or the columns of 0 and 1, one per label.
        value: The same of a number each.
        classes: The order of the classes, e.g. `("none", "light", "heavy")`; every class must be
            named. `"by value"` sorts names that are numbers as such. `None` sorts names as
            text, numbers too: `"10"` before `"2"`.
        group_by: What photos of the same part, patient or board have in common: a column of
            the table; `"folder"`, the first folder below the class; or a regular expression
            with one group in parentheses, searched in each photo's relative path.
        policy: How photos become pixels; photos that do not fit are left out.
        max_unreadable_fraction: Raise if a larger share of the photos cannot be used.
        drop_small_classes: Leave classes with fewer than 2 readable photos out instead of
            raising; of several labels, the label alone.
        for_training: Insist on two classes with 2 readable photos each, a label that 2 have, or
            two numbers. Pass `False` for photos that a finished model is only to be measured on.
        labels_from: What people decided about single photos, as `review_photos` writes it: a file;
            `"beside"` for the one beside the photos, if there is one, that is `labels.csv` in a
            folder and `tiles.labels.csv` for a table `tiles.csv`; `None` to use none. It is said
            what of it was used.
        fit: How photos of another shape fill the image size of a model, in place of what `policy`
            says: its `resize`, `"stretch"`, `"letterbox"` or `"center_crop"`.
        channels: What photos are decoded to, in place of what `policy` says: 3 for RGB, 1 for
            grey; 2, or 4 to 16, of `.npy` files with arrays `(height, width, channels)`, and of
            TIFF files.
        dtype: `"float32"` to keep more than 8 bits, in place of what `policy` says.
        value_range: What is 0 and what is 255 of `.npy` files, in place of what `policy` says.

    Returns:
        The photos in a stable order, with what was excluded and why.

    Raises:
        ValueError: If an argument is not usable, or is about a table and `source` is a folder.
        DataError: If the folder or table is not as described, or too much of it is unusable.

    Example:
        >>> photos = scan_photos("photos", group_by=r"part(\\d+)_")
    """
    if not 0 <= max_unreadable_fraction <= 1:
        raise ValueError(
            f"`max_unreadable_fraction` must be from 0 to 1, got {max_unreadable_fraction!r}."
        )
    pixels = {"channels": channels, "dtype": dtype, "value_range": value_range}
    policy = policy.having(resize=fit, **pixels)
    root = here(source)
    candidates, excluded, ignored, found = _list_photos(
        root, Asked(label, labels, value), group_by, policy.of_arrays
    )
    order = in_order(classes, found.class_names, found.target, map(_said, candidates))
    candidates = grouped(candidates, _pattern_of(group_by, root), policy)
    found = replace(found, class_names=order, ordered=classes is not None)
    limits = Limits(policy, max_unreadable_fraction, drop_small_classes, for_training)
    file = find_decisions(labels_from, root)
    decided = None if file is None else Decided(file, root, found.target)
    must = labels_from != BESIDE
    photos = read_photos(candidates, found, limits, excluded, decided, must)
    passed_over = tuple(path for path in ignored if path != file)
    return replace(photos, ignored=passed_over, ordered=classes is not None)


@dataclass(frozen=True)
class Limits:
    """What photos must be like; see `scan_photos` for the arguments.

    `max_unreadable_fraction` is `None` for photos all of which must be usable.
    """

    policy: DecodePolicy
    max_unreadable_fraction: float | None
    drop_small_classes: bool
    for_training: bool


def read_photos(
    candidates: Sequence[Candidate],
    found: Labelled,
    limits: Limits,
    excluded: Iterable[Excluded] = (),
    decided: Decided | None = None,
    must: bool = False,
) -> PhotoSet:
    """Read each photo once, and leave out the bad.

    Args:
        candidates: The photos.
        found: What all of them say; its list of photos is filled.
        limits: What they must be like.
        excluded: What was left out already.
        decided: What takes what people decided about single photos.
        must: Whether that has to be about some of them.

    Raises:
        DataError: If too much of it is unusable, or decisions cannot be used.
    """
    left_out = list(excluded)
    count = len(candidates) + len(left_out)
    file = PrintFile() if count > _MANY else None
    for candidate, facts in _inspect_all(candidates, limits.policy):
        if isinstance(facts, PhotoFacts):
            if file is not None:
                facts = replace(facts, fingerprint=file.keep(facts.fingerprint))
            found.photos.append(_photo(candidate, facts))
        else:
            left_out.append(Excluded(candidate.path, facts, candidate.row))
    _check_unreadable(found.root, left_out, count, limits.max_unreadable_fraction)
    if decided is not None:
        decided.apply(found.photos, must)
        found = found.relabelled(decided.photos)
        left_out += decided.excluded
    if limits.for_training:
        found, dropped = found.learnable(limits.drop_small_classes)
        left_out += [Excluded(photo.path, DROPPED) for photo in dropped]
    photos, names = tuple(found.photos), tuple(found.class_names)
    read = PhotoSet(
        photos, names, found.root, tuple(left_out), (), limits.policy, target=found.target
    )
    placed = Placed(photos, ("all",) * len(photos), (read,), near=False)
    for finding in (*find_same_labels(placed), *find_same_groups(placed)):
        warn(f"{finding.message} {'; '.join(finding.examples)}")
    return read


def _list_photos(
    root: Path, asked: Asked, group_by: str | None, arrays: bool
) -> tuple[list[Candidate], list[Excluded], list[Path], Labelled]:
    """List what a folder or table holds; no photo is read yet."""
    if is_table(root):
        column = None if _pattern_of(group_by, root) else group_by
        candidates, answers = read_table(root, column, asked)
        classes = answers.class_names({candidate.label for candidate in candidates})
        return candidates, [], [], Labelled(root, [], classes, answers.target)
    candidates, excluded, ignored, classes = walk_folder(
        root, partial(looks_like_a_photo, arrays=arrays)
    )
    recorded = [path for path in ignored if path.suffix.lower() in RECORDING_SUFFIXES]
    if recorded and not candidates:
        raise DataError(
            f"'{printable(root)}' holds {len(recorded)} files of recordings, and no photo. "
            "Recordings are read by scan_signals, and on the command line by doctor, init, train "
            "and recommend with --recipe sequence_classification. Photos that are .npy arrays are "
            "read where their channels are told, e.g. channels=4."
        )
    for option in asked.named:
        raise ValueError(
            f"`{option}` names columns of a table, and '{printable(root)}' is a folder, which can "
            "only say one class for each photo. Pass a table with the columns path and "
            + {"label": "label.", "labels": "labels.", "value": "value."}[option]
        )
    return candidates, excluded, ignored, Labelled(root, [], classes, CLASS)


def _pattern_of(group_by: str | None, root: Path) -> str | None:
    """Return `group_by` unless it names a column of a table."""
    is_column = group_by and is_table(root) and group_by != "folder" and "(" not in group_by
    return None if is_column else group_by


def _said(candidate: Candidate) -> tuple[str, Label]:
    return candidate.name if candidate.row is None else f"row {candidate.row}", candidate.label


def _photo(candidate: Candidate, facts: PhotoFacts) -> Photo:
    return Photo(
        path=candidate.path,
        label=candidate.label,
        facts=facts,
        group=candidate.group,
        time=candidate.time,
        split=candidate.split,
        content=candidate.content,
        row=candidate.row,
        mask=candidate.mask,
    )


def _inspect_all(
    candidates: Sequence[Candidate], policy: DecodePolicy
) -> Iterator[tuple[Candidate, PhotoFacts | str]]:
    """Inspect photos in parallel (decoding releases the interpreter lock), in order."""
    cores = min(8, os.cpu_count() or 1)
    many = len(candidates) >= _VERY_MANY and cores > 1
    together = _AT_A_TIME if many else _TOGETHER
    with ExitStack() as stack:
        beside = stack.enter_context(Inspectors(cores, policy)) if many else None

        def inspect_some(start: int) -> list[PhotoFacts | str]:
            some = candidates[start : start + together]
            if beside is not None and all(one.content is None for one in some):
                return beside.inspect([one.path for one in some])
            return [facts_of(one.path, policy, one.content) for one in some]

        pool = ThreadPoolExecutor(max_workers=cores if many else min(8, (os.cpu_count() or 1) + 1))
        # Ctrl-C does not wait for the rest.
        stack.callback(pool.shutdown, wait=not many, cancel_futures=True)
        show = stack.enter_context(bar("reading photos"))
        found = pool.map(inspect_some, range(0, len(candidates), together))
        for done, facts in enumerate(chain.from_iterable(found), start=1):
            show(done, len(candidates))
            yield candidates[done - 1], facts


def grouped(
    candidates: list[Candidate], group_by: str | None, policy: DecodePolicy
) -> list[Candidate]:
    """Set the groups of candidates by `"folder"` or by a regular expression.

    Raises:
        DataError: If the expression is not valid, or a photo would have no group.
    """
    if group_by is None:
        return candidates
    if group_by == "folder":
        groups = [folder_group(candidate) for candidate in candidates]
        meaning = "lie in no folder below their class"
    else:
        pattern = _pattern(group_by)
        matches = [pattern.search(candidate.name) for candidate in candidates]
        groups = [trimmed(match[1] or "") if match else None for match in matches]
        meaning = "do not match the regular expression"
    without = [c for c, group in zip(candidates, groups, strict=True) if not group]
    # A file that is left out, since it cannot be read, needs no group.
    if any(isinstance(facts, PhotoFacts) for _, facts in _inspect_all(without, policy)):
        raise DataError(
            f"`group_by='{printable(group_by)}'`: {len(without)} of {len(candidates)} photos "
            f"{meaning}: {listed([c.name for c in without])}. Every photo needs a group."
        )
    return [replace(c, group=group) for c, group in zip(candidates, groups, strict=True)]


def _pattern(group_by: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(group_by)
    except re.error as error:
        raise DataError(
            f"`group_by='{printable(group_by)}'` is not a valid regular expression: {error}."
        ) from error
    if pattern.groups != 1:
        raise DataError(
            f"`group_by='{printable(group_by)}'` must be 'folder', a column of a table, or a "
            "regular expression with exactly one group in parentheses, e.g. 'part(\\d+)_'; it has "
            f"{pattern.groups}."
        )
    return pattern


def _check_unreadable(
    root: Path, excluded: list[Excluded], found: int, max_unreadable_fraction: float | None
) -> None:
    if found and len(excluded) / found > (max_unreadable_fraction or 0):
        examples = "; ".join(
            f"'{printable(_relative(item.path, root))}': {item.reason}" for item in excluded[:5]
        )
        if max_unreadable_fraction is None:
            raise DataError(
                f"{len(excluded)} of {found} photos cannot be used: {examples}. Leave them out."
            )
        raise DataError(
            f"{len(excluded)} of {found} photos in '{printable(root)}' cannot be used, more than "
            f"max_unreadable_fraction={max_unreadable_fraction:g} allows: {examples}. "
            "Repair or remove them, or raise max_unreadable_fraction."
        )


def _relative(path: Path, root: Path) -> Path:
    return path.relative_to(root) if path.is_relative_to(root) else path
