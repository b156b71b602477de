"""From a folder or a table to a `PhotoSet`: find the photos, read each once, leave out the bad."""

import os
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from kerasrecipes.data.table import TABLE_SUFFIXES, Candidate, read_table
from kerasrecipes.errors import DataError, listed, printable
from kerasrecipes.photos.decoding.policy import DecodePolicy
from kerasrecipes.photos.folder import folder_group, walk_folder
from kerasrecipes.photos.inspection import inspect_photo
from kerasrecipes.photos.photo_set import Excluded, Photo, PhotoFacts, PhotoSet


def scan_photos(
    source: str | Path,
    *,
    group_by: str | None = None,
    policy: DecodePolicy = DecodePolicy(),
    max_unreadable_fraction: float = 0.1,
    drop_small_classes: bool = False,
    for_training: bool = True,
) -> PhotoSet:
    """Find, read and check all photos of a folder or a table.

    A folder holds one folder per class, with any folders inside; or `train`, `val` and `test`
    folders of such. Folders beginning with `.` or `_` are skipped. A table (CSV, TSV, JSONL)
    has the columns `path` and `label` and may have `group`, `time` (ISO 8601) and `split`.

    Args:
        source: The folder or table.
        group_by: What photos of the same part, patient or board have in common: a column of
            the table; `"folder"`, the first folder below the class; or a regular expression
            with one group in parentheses, searched in each photo's relative path.
        policy: How photos become pixels; photos that do not fit are left out.
        max_unreadable_fraction: Raise if a larger share of the photos cannot be used.
        drop_small_classes: Leave classes with fewer than 2 readable photos out instead of
            raising.
        for_training: Insist on two classes with 2 readable photos each. Pass `False` for
            photos that a finished model is only to be measured on.

    Returns:
        The photos in a stable order, with what was excluded and why.

    Raises:
        DataError: If the folder or table is not as described, or too much of it is unusable.

    Example:
        >>> photos = scan_photos("photos", group_by=r"part(\\d+)_")
    """
    if not 0 <= max_unreadable_fraction <= 1:
        raise ValueError(
            f"`max_unreadable_fraction` must be from 0 to 1, got {max_unreadable_fraction!r}."
        )
    root = Path(os.path.abspath(source))
    excluded: list[Excluded] = []
    ignored: list[Path] = []
    if root.is_file() and root.suffix.lower() in TABLE_SUFFIXES:
        pattern = group_by is not None and (group_by == "folder" or "(" in group_by)
        candidates = read_table(root, None if pattern else group_by)
        classes = sorted({candidate.label for candidate in candidates})
        candidates = _grouped(candidates, group_by if pattern else None, policy)
    else:
        candidates, excluded, ignored, classes = walk_folder(root)
        candidates = _grouped(candidates, group_by, policy)
    photos = []
    found = len(candidates) + len(excluded)
    for candidate, facts in _inspect_all(candidates, policy):
        if isinstance(facts, PhotoFacts):
            photos.append(_photo(candidate, facts))
        else:
            excluded.append(Excluded(candidate.path, facts, candidate.row))
    _check_unreadable(root, excluded, found, max_unreadable_fraction)
    if for_training:
        photos, classes = _check_classes(root, photos, classes, drop_small_classes, excluded)
    return PhotoSet(tuple(photos), tuple(classes), root, tuple(excluded), tuple(ignored), policy)


def _photo(candidate: Candidate, facts: PhotoFacts) -> Photo:
    return Photo(
        path=candidate.path,
        label=candidate.label,
        facts=facts,
        group=candidate.group,
        time=candidate.time,
        split=candidate.split,
    )


def _inspect_all(
    candidates: list[Candidate], policy: DecodePolicy
) -> Iterator[tuple[Candidate, PhotoFacts | str]]:
    """Inspect photos in parallel (decoding releases the interpreter lock), in order."""

    def inspect(candidate: Candidate) -> PhotoFacts | str:
        try:
            return inspect_photo(candidate.path, policy)
        except DataError as error:
            return str(error)

    pool = ThreadPoolExecutor(max_workers=min(8, (os.cpu_count() or 1) + 1))
    try:
        yield from zip(candidates, pool.map(inspect, candidates), strict=True)
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C does not wait for the rest


def _grouped(
    candidates: list[Candidate], group_by: str | None, policy: DecodePolicy
) -> list[Candidate]:
    """Set the groups of candidates by `"folder"` or by a regular expression."""
    if group_by is None:
        return candidates
    if group_by == "folder":
        groups = [folder_group(candidate) for candidate in candidates]
        meaning = "lie in no folder below their class"
    else:
        pattern = _pattern(group_by)
        matches = [pattern.search(candidate.name) for candidate in candidates]
        groups = [match[1] if match else None for match in matches]
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
    root: Path, excluded: list[Excluded], found: int, max_unreadable_fraction: float
) -> None:
    if found and len(excluded) / found > max_unreadable_fraction:
        examples = "; ".join(
            f"'{printable(_relative(item.path, root))}': {item.reason}" for item in excluded[:5]
        )
        raise DataError(
            f"{len(excluded)} of {found} photos in '{printable(root)}' cannot be used, more than "
            f"max_unreadable_fraction={max_unreadable_fraction:g} allows: {examples}. "
            "Repair or remove them, or raise max_unreadable_fraction."
        )


def _check_classes(
    root: Path,
    photos: list[Photo],
    classes: list[str],
    drop_small_classes: bool,
    excluded: list[Excluded],
) -> tuple[list[Photo], list[str]]:
    counts = Counter(photo.label for photo in photos)
    small = [name for name in classes if counts[name] < 2]
    if small and not drop_small_classes:
        shown = ", ".join(f"'{printable(name)}' ({counts[name]})" for name in small[:5])
        more = f" and {len(small) - 5} more" if len(small) > 5 else ""
        raise DataError(
            f"{len(small)} of {len(classes)} classes in '{printable(root)}' have fewer than 2 "
            f"readable photos: {shown}{more}. Add photos, or pass drop_small_classes=True "
            "(--drop-small-classes)."
        )
    excluded += [
        Excluded(photo.path, "its class has fewer than 2 readable photos and was dropped")
        for photo in photos
        if photo.label in small
    ]
    photos = [photo for photo in photos if photo.label not in small]
    classes = [name for name in classes if name not in small]
    if len(classes) < 2:
        raise DataError(
            f"'{printable(root)}' has only one class: {listed(classes)}. A classifier needs at "
            "least two; add a folder (or label) for what it is to be told apart from."
            if classes
            else f"'{printable(root)}' has no class with 2 readable photos. Add photos."
        )
    return photos, classes


def _relative(path: Path, root: Path) -> Path:
    return path.relative_to(root) if path.is_relative_to(root) else path
