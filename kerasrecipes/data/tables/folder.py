"""A folder of examples: one folder per class, or train/val/test folders of such."""

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kerasrecipes.data.tables.spelling import trimmed
from kerasrecipes.data.tables.table import Candidate, Excluded, find_side
from kerasrecipes.errors import DataError, did_you_mean, listed, printable

Found = tuple[list[Candidate], list[Excluded], list[Path], list[str]]


def walk_folder(root: Path, wanted: Callable[[str], bool]) -> Found:
    """List the examples below `root` without reading them; messages speak of photos.

    Folders whose names begin with `.` or `_` and files whose names begin with `.` are skipped.
    Links to folders are not followed; links to files count if they stay inside `root`.

    Args:
        root: An absolute path.
        wanted: Tells by its name whether a file is an example.

    Returns:
        Candidates in the order of their names, excluded files, ignored files and folders, and
        the names of all class folders, empty ones included.

    Raises:
        DataError: If the folder is missing, holds no classes, or is a saved model.
    """
    _check_exists(root)
    excluded: list[Excluded] = []
    ignored: list[Path] = []
    walk = _Walk(root, wanted, excluded, ignored)
    folders, loose = walk.children(root)
    candidates: list[Candidate] = []
    classes: set[str] = set()
    for top, split in _tops(root, folders):
        if top != root:
            folders, inside = walk.children(top)
            loose += inside
        for folder in folders:
            label = _label_of(folder)
            classes.add(label)
            for path in walk.below(folder):
                name = path.relative_to(root).as_posix()
                candidates.append(Candidate(path, name, label, split=split))
    if not classes:
        _refuse_no_classes(root, loose)
    reason = "lies outside the class folders, so it has no label"
    excluded += [Excluded(path, reason) for path in loose]
    return candidates, excluded, ignored, sorted(classes)


def folder_group(candidate: Candidate) -> str | None:
    """Return the name of the folder below the class in which a photo lies, if there is one."""
    parts = candidate.name.split("/")[:-1]
    if candidate.row is not None:
        return trimmed(parts[-1]) if parts else None
    below = parts[2 if candidate.split else 1 :]
    return trimmed(below[0]) if below else None


def _check_exists(root: Path) -> None:
    if any((folder / "bundle.json").is_file() for folder in (root, *root.glob("[1-9]*"))):
        raise DataError(
            f"'{printable(root)}' is a saved model, and its photos are only what it is verified "
            "on. Pass the folder of photos."
        )
    if root.is_dir():
        return
    try:
        siblings = [child.name for child in root.parent.iterdir()]
    except OSError:
        siblings = []
    hint = did_you_mean(root.name, siblings)
    if root.is_symlink() and not root.exists():
        raise DataError(f"'{printable(root)}' is a link that leads nowhere. Name what it meant.")
    if root.exists() and not root.is_file():
        raise DataError(
            f"'{printable(root)}' is a pipe, a socket or a device, not a file. Name a folder or a "
            "table."
        )
    if root.exists():
        raise DataError(
            f"'{printable(root)}' is neither a folder nor a table "
            "(.csv, .tsv, .jsonl, .ndjson, .parquet, .arrow, .tfrecord, .tar). Pass a folder with "
            "one folder per class."
        )
    raise DataError(f"There is no folder or table '{printable(root)}'.{hint} Check the path.")


def _tops(root: Path, folders: list[Path]) -> list[tuple[Path, str | None]]:
    """Return the folders that hold class folders: `root`, or ready-made splits below it."""
    splits = [folder for folder in folders if find_side(folder.name)]
    ready_made = len(splits) > 1 or (splits and len(folders) == 1 and _has_folders(splits[0]))
    if not ready_made:
        return [(root, None)]
    names = listed(folder.name for folder in splits)
    if others := [folder.name for folder in folders if folder not in splits]:
        raise DataError(
            f"'{printable(root)}' holds ready-made splits ({names}) and beside them "
            f"{listed(others)}. Move those away, or put one folder per class directly inside."
        )
    sides = [find_side(folder.name) for folder in splits]
    if len(set(sides)) < len(sides):
        raise DataError(
            f"'{printable(root)}' has two folders for the same split: {names}. Merge them."
        )
    if "train" not in sides:
        raise DataError(
            f"'{printable(root)}' has the splits {names} but no train folder. Add it, or put one "
            "folder per class directly inside."
        )
    return list(zip(splits, sides, strict=True))


def _label_of(folder: Path) -> str:
    label = trimmed(folder.name)
    if not label:
        raise DataError(
            f"The name of the class folder '{printable(folder)}' shows nothing, so it cannot be a "
            "label. Rename the folder."
        )
    try:
        folder.name.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(
            f"The name of the class folder '{printable(folder)}' is not valid UTF-8, so it cannot "
            "be a label. Rename the folder."
        ) from error
    return label


def _refuse_no_classes(root: Path, loose: list[Path]) -> None:
    if loose:
        raise DataError(
            f"{len(loose)} photos lie directly in '{printable(root)}', e.g. "
            f"{listed((path.name for path in loose), 3)}, so they have no labels. Make one folder "
            "per class and move them there, or pass a table with the columns path and label."
        )
    raise DataError(
        f"'{printable(root)}' holds no class folders. Make one folder per class with its photos."
    )


def _has_folders(folder: Path) -> bool:
    return any(entry.is_dir(follow_symlinks=False) for entry in _entries(folder, []))


@dataclass(frozen=True)
class _Walk:
    """What a walk looks for, and what it leaves out."""

    root: Path
    wanted: Callable[[str], bool]
    excluded: list[Excluded]
    ignored: list[Path]

    def children(self, folder: Path) -> tuple[list[Path], list[Path]]:
        """Return the subfolders and the examples that lie directly in a folder."""
        folders, found = [], []
        for entry in _entries(folder, self.excluded):
            path = folder / entry.name
            if entry.is_dir(follow_symlinks=False):
                folders.append(path) if entry.name[0] not in "._" else self.ignored.append(path)
            elif entry.is_symlink() and _is_folder(path):
                self.excluded.append(Excluded(path, "a link to a folder, which is not followed"))
            elif entry.name.startswith(".") or not self.wanted(entry.name):
                self.ignored.append(path)
            elif reason := _unusable(path, self.root):
                self.excluded.append(Excluded(path, reason))
            else:
                found.append(path)
        return folders, found

    def below(self, top: Path) -> Iterator[Path]:
        """Yield all examples in a folder and its subfolders."""
        folders = [top]
        while folders:
            subfolders, found = self.children(folders.pop())
            yield from found
            folders += reversed(subfolders)


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except OSError:  # a broken link, or links in a circle
        return False


def _entries(folder: Path, excluded: list[Excluded]) -> list[os.DirEntry]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: os.fsencode(entry.name))
    except OSError as error:
        excluded.append(Excluded(folder, f"the folder cannot be read: {error.strerror}"))
        return []


def _unusable(path: Path, root: Path) -> str | None:
    """Say why a directory entry must not be opened, before anything is opened."""
    try:
        if path.is_symlink():
            target = path.resolve(strict=True)
            if not target.is_relative_to(root.resolve()):
                return "a link that leaves the folder"
        mode = path.stat().st_mode
    except (OSError, RuntimeError):  # a broken link, or links in a circle
        return "a link that leads nowhere"
    return None if stat.S_ISREG(mode) else "a pipe, socket or device, not a file"
