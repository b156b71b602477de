"""What was found when two saved models were asked about the same photos, and a verdict."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kerasrecipes.errors import listed, printable
from kerasrecipes.statistics.paired_change import PairedChange
from kerasrecipes.statistics.shown import Part, Shown, of_groups, told_of
from kerasrecipes.statistics.tables import Table

BETTER, WORSE, MIXED, NOT_SHOWN = "better", "worse", "better and worse", "no difference is shown"
SIGNIFICANCE = 0.05
# Of fewer groups the bootstrap and the normal approximation know little.
FEW = 10


@dataclass(frozen=True)
class Comparison(Shown):
    """A challenger beside the champion, on photos that neither has learned from; print it.

    Differences are challenger minus champion, with 95 % intervals for paired results. P-values are
    corrected for how many of their table were looked at (Holm).

    Args:
        champion: The model that is in use.
        challenger: The one that may replace it.
        task: What both are for; see `kerasrecipes.heads.get_task`.
        photos: Number of photos.
        groups: Number of groups that they are of, by which intervals and tests go; `None` if none
            were declared.
        agreement: Share of photos with the same answer.
        measures: Quality in all, and at the operating points. They decide.
        classes: For each class or label.
        left_out: Photos that were left out since one of the two was trained or chosen on them.
        notes: What else a reader should know.
        noun: What people call one and several of the examples.
    """

    champion: str
    challenger: str
    task: str
    photos: int
    groups: int | None
    agreement: float
    measures: tuple[PairedChange, ...]
    classes: tuple[PairedChange, ...]
    left_out: int = 0
    notes: tuple[str, ...] = ()
    noun: tuple[str, str] = ("photo", "photos")

    @property
    def verdict(self) -> str:
        """Whether the challenger is `"better"`, `"worse"`, both, or no difference is shown."""
        found = {one.verdict(SIGNIFICANCE) for one in self.measures}
        if {1, -1} <= found:
            return MIXED
        return BETTER if 1 in found else WORSE if -1 in found else NOT_SHOWN

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers and the verdict as JSON-safe data."""
        changes = {
            name: [one.to_dict() for one in getattr(self, name)] for name in ("measures", "classes")
        }
        plain = {**vars(self), **changes, "notes": list(self.notes)}
        del plain["noun"]
        return {**plain, "verdict": self.verdict, "says": self._said()}

    def page(self) -> str:
        """Return one self-contained page."""
        from kerasrecipes.report.comparison_page import render_comparison

        return render_comparison(self.to_dict())

    def parts(self) -> Iterator[Part]:
        """Yield the verdict, the tables and the notes."""
        return told_of(self.noun, self._told())

    def _told(self) -> Iterator[Part]:
        yield self._said()
        yield (
            f"{self.photos:,} photos{of_groups(self.groups)}, the same for both; they answer "
            f"{self.agreement:.1%} of them alike."
        )
        yield from self._tables()
        corrected = " and p-values corrected for the number of rows" * (len(self.classes) > 1)
        yield ""
        yield f"In brackets: 95% intervals for paired results{corrected}."
        yield from (f"Note: {printable(note)}" for note in self.notes)

    def _tables(self) -> Iterator[Part]:
        for title, rows in (("In all", self.measures), ("Class by class", self.classes)):
            if rows:
                yield ""
                yield _table(title, rows, self.champion, self.challenger)

    def _said(self) -> str:
        """Say in plain words which is better, and how sure that is."""
        name = f"'{printable(self.challenger)}'"
        better, worse = (
            [one for one in self.measures if one.verdict(SIGNIFICANCE) == sign] for sign in (1, -1)
        )
        if better and worse:
            return (
                f"MIXED: {name} is better in {_in_words(better)}, and worse in {_in_words(worse)}."
            )
        if better or worse:
            told = "BETTER" if better else "WORSE"
            return f"{told}: {name} is {told.lower()} in {_in_words(better or worse)}."
        first = self.measures[0]
        reach = first.written()[2].partition("(")[2].removesuffix(")")
        return (
            f"NO DIFFERENCE IS SHOWN: chance alone could make them differ so (p = "
            f"{min(one.p_value for one in self.measures):.2g}). The true difference in "
            f"{first.name} may be anything from {reach}{' points' if first.is_share else ''}."
        )


def _in_words(changes: Sequence[PairedChange]) -> str:
    told = []
    for one in changes:
        before, after, difference = one.written()
        told.append(f"{one.name}: {after} instead of {before}, {difference}, p = {one.p_value:.2g}")
    return "; and in ".join(told)


def _table(title: str, changes: Sequence[PairedChange], before: str, after: str) -> Table:
    words = {1: "better", -1: "worse", 0: ""}
    rows = tuple(
        (one.name, f"{one.rows:,}", *one.written(), f"{one.p_value:.2g}", words[one.verdict()])
        for one in changes
    )
    columns = ("what", "photos", before, after, "difference", "p", "shown to be")
    return Table(title, columns, rows, right=(1, 2, 3), name_width=44)


def notes_on(groups: int | None, without_photos: Sequence[str]) -> tuple[str, ...]:
    """Say what few groups and missing classes mean.

    Args:
        groups: Number of groups.
        without_photos: Classes that no photo shows.
    """
    notes = []
    if groups is not None and groups < FEW:
        notes.append(f"With {groups} groups, only a large difference can be shown.")
    if without_photos:
        notes.append(f"No photo of {listed(without_photos)}: nothing is known about such.")
    return tuple(notes)
