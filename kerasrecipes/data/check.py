"""What is wrong with a set of examples, or with a split of it, in plain words."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

from kerasrecipes.data import label_findings, leak_findings
from kerasrecipes.data.examples import Example, Examples
from kerasrecipes.data.findings import Finding, Placed
from kerasrecipes.errors import DataError, printable
from kerasrecipes.statistics.shown import Part, Shown
from kerasrecipes.statistics.tables import Table

Check = Callable[[Placed], list[Finding]]
_ORDER = {"error": 0, "warning": 1, "info": 2}
_COMMON: tuple[Check, ...] = (*label_findings.CHECKS, *leak_findings.CHECKS)


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


def check_sets(sets: Sequence[Examples], checks: Sequence[Check], near: bool) -> CheckReport:
    """Run the checks of one kind of data, then those that all kinds have in common.

    Args:
        sets: One set, whose declared split is judged if it has one; or train, val and test.
        checks: What only this kind of data is checked for.
        near: Also search for near duplicates.

    Returns:
        The findings, the gravest first.

    Raises:
        DataError: If no set is given, or more than three are.
    """
    if not 1 <= len(sets) <= 3:
        raise DataError(
            f"A check takes one scanned set, or train, val and test; got {len(sets)} sets."
        )
    names = ("train", "val", "test")
    items: list[Example] = []
    sides: list[str] = []
    for place, one in enumerate(sets):
        items += one.items
        sides += [names[place] if len(sets) > 1 else i.split or "all" for i in one.items]
    placed = Placed(tuple(items), tuple(sides), tuple(sets), near)
    findings = [finding for check in (*checks, *_COMMON) for finding in check(placed)]
    findings.sort(key=lambda finding: _ORDER[finding.severity])
    return CheckReport(tuple(findings), placed.counts())
