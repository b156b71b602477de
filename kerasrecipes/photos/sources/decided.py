"""What people decided about photos, applied to what was scanned."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from kerasrecipes.console import say, warn
from kerasrecipes.data.examples import CLASS
from kerasrecipes.data.tables.decisions import (
    BESIDE,
    CANNOT_TELL,
    EXCLUDE,
    KEEP,
    RELABEL,
    Decision,
    decisions_file,
    holds_decisions,
    name_among,
    read_decisions,
)
from kerasrecipes.errors import DataError, listed, printable
from kerasrecipes.photos.photo_set import Excluded, Photo

_PAST = {
    RELABEL: "relabelled",
    EXCLUDE: "left out",
    CANNOT_TELL: "left out since nobody could tell",
    KEEP: "confirmed",
}


def find_decisions(labels_from: str | Path | None, root: Path) -> Path | None:
    """Return the file of decisions that counts for a folder or table, if there is one.

    Args:
        labels_from: See `scan_photos`.
        root: The folder or table.
    """
    if labels_from is None:
        return None
    if labels_from != BESIDE:
        return Path(labels_from)
    beside = decisions_file(root)
    return beside if holds_decisions(beside) else None


@dataclass
class Decided:
    """Photos after what was decided about them.

    Args:
        file: The table of decisions.
        root: The folder or table of the photos.
        target: What they are answered with, as in `PhotoSet`.
        photos: Those that stay, once decisions were applied.
        excluded: The others.
    """

    file: Path
    root: Path
    target: str
    photos: list[Photo] = field(default_factory=list)
    excluded: list[Excluded] = field(default_factory=list)

    def apply(self, photos: Iterable[Photo], must: bool) -> None:
        """Sort photos into those that stay, under the label that was decided, and others; say so.

        Args:
            photos: What was scanned.
            must: Whether somebody named the file, so that it has to be about these photos.

        Raises:
            DataError: If the file cannot be used, or no row of it is about one of the photos.
        """
        photos, decisions = list(photos), read_decisions(self.file)
        said, replaced = _matched(photos, decisions, self.root)
        for i, photo in enumerate(photos):
            self._take(photo, said.get(i))
        name = printable(self.file)
        if must and not said and not replaced:
            raise DataError(
                f"None of the {len(decisions)} decisions in '{name}' is about one of the "
                f"{len(photos)} photos in '{printable(self.root)}'. Name the file that was written "
                "for these photos, or leave labels_from (--labels-from) out."
            )
        if said:
            counts = Counter(one.decision for one in said.values())
            told = ", ".join(f"{counts[one]} {past}" for one, past in _PAST.items() if counts[one])
            say(f"Labels as decided in '{name}': {told}.")
        if replaced:
            warn(
                f"{len(replaced)} photos were replaced since somebody decided about them, so that "
                f"they count as they are: {listed(replaced)}. Review them again."
            )

    def _take(self, photo: Photo, one: Decision | None) -> None:
        if one is None or one.decision == KEEP:
            self.photos.append(photo)
        elif one.decision == RELABEL:
            if self.target != CLASS:
                raise DataError(
                    f"'{printable(self.file)}' gives photos a new class, and these have no single "
                    "class each. Correct their table, and pass labels_from=None "
                    "(--labels-from none)."
                )
            self.photos.append(replace(photo, label=one.label))
        else:
            who = f" by {one.who}" if one.who else ""
            reason = f"{_PAST[one.decision]}{who} in '{self.file.name}'"
            self.excluded.append(Excluded(photo.path, reason, photo.row, chosen=True))


def _matched(
    photos: list[Photo], decisions: dict[str, Decision], root: Path
) -> tuple[dict[int, Decision], list[str]]:
    """Return the decision about each photo, and the names of photos that were replaced since."""
    names = {name_among(photo.path, root): i for i, photo in enumerate(photos)}
    found, replaced = {}, []
    for name, one in decisions.items():
        if name not in names:
            continue
        if photos[names[name]].key == one.sha256:
            found[names[name]] = one
        else:
            replaced.append(name)
    # A photo that was moved is known by its content, if nothing else has that.
    by_content = defaultdict(list)
    for i, photo in enumerate(photos):
        by_content[photo.key].append(i)
    for name, one in decisions.items():
        moved = by_content.get(one.sha256, [])
        if name not in names and len(moved) == 1:
            found.setdefault(moved[0], one)
    return found, replaced
