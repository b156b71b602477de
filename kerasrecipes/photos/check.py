"""What is wrong with a set of photos, or with a split of it, in plain words."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from kerasrecipes.data import label_findings, leak_findings
from kerasrecipes.data.findings import Finding, Placed
from kerasrecipes.errors import DataError, printable
from kerasrecipes.photos import file_findings
from kerasrecipes.photos.photo_set import Photo, PhotoSet
from kerasrecipes.statistics.shown import Part, Shown
from kerasrecipes.statistics.tables import Table

_ORDER = {"error": 0, "warning": 1, "info": 2}
_CHECKS: tuple[Callable[[Placed], list[Finding]], ...] = (
    *file_findings.CHECKS,
    *label_findings.CHECKS,
    *leak_findings.CHECKS,
)


@dataclass(frozen=True)
class CheckReport(Shown):
    """The findings about photos; the gravest first.

    Args:
        findings: What was found.
        counts: Photos per class, of every side (`"all"` where there is no split).
    """

    findings: tuple[Finding, ...]
    counts: dict[str, dict[str, int]]

    @property
    def leaks(self) -> tuple[Finding, ...]:
        """The findings that let a model see test photos while it trains."""
        return tuple(finding for finding in self.findings if finding.leak)

    @property
    def ok(self) -> bool:
        """Whether there is no finding of severity `"error"`."""
        return all(finding.severity != "error" for finding in self.findings)

    def to_dict(self) -> dict:
        """Return everything as plain values for JSON."""
        findings = [{**asdict(f), "examples": list(f.examples)} for f in self.findings]
        return {
            "ok": self.ok,
            "leaks": len(self.leaks),
            "counts": self.counts,
            "findings": findings,
        }

    def parts(self) -> Iterator[Part]:
        """Yield the photos of each class and side, then the findings."""
        names = sorted({name for counts in self.counts.values() for name in counts})
        rows = [
            (name, *(str(counts.get(name, 0)) for counts in self.counts.values())) for name in names
        ]
        rows.append(("photos", *(str(sum(counts.values())) for counts in self.counts.values())))
        right = tuple(range(1, 1 + len(self.counts)))
        yield Table("", ("class", *self.counts), tuple(rows), right, name_width=60)
        yield ""
        for finding in self.findings:
            yield f"{finding.severity.upper():7} {finding.code}: {finding.message}"
            yield from (f"          {printable(example)}" for example in finding.examples)
        if not self.findings:
            yield "Nothing found."


def check_photos(*sets: PhotoSet, near: bool = True) -> CheckReport:
    """Look for damaged files, leaks between splits, and labels that will not train well.

    Args:
        *sets: One scanned set, whose declared split is judged if it has one; or the sets of a
            split in the order train, val, test.
        near: Also search for near duplicates.

    Returns:
        The findings.

    Raises:
        DataError: If no set is given, or more than three are.

    Example:
        >>> report = check_photos(*split_photos(photos))
        >>> report.leaks
        ()
    """
    if not 1 <= len(sets) <= 3:
        raise DataError(
            f"check_photos takes one scanned set, or train, val and test; got {len(sets)} sets."
        )
    names = ("train", "val", "test")
    photos: list[Photo] = []
    sides: list[str] = []
    for place, one in enumerate(sets):
        photos += one.photos
        sides += [names[place] if len(sets) > 1 else p.split or "all" for p in one.photos]
    placed = Placed(tuple(photos), tuple(sides), sets, near)
    findings = [finding for check in _CHECKS for finding in check(placed)]
    findings.sort(key=lambda finding: _ORDER[finding.severity])
    return CheckReport(tuple(findings), placed.counts())
