"""What is wrong with a set of examples, or with a split of it, in plain words."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from kerasrecipes.console import warn
from kerasrecipes.data.examples import CLASS, LABELS, NUMBER, Example, Examples
from kerasrecipes.data.findings import labels, leaks, numbers
from kerasrecipes.data.findings.finding import Finding, Placed
from kerasrecipes.errors import DataError, printable
from kerasrecipes.statistics.shown import Part, Shown, in_words_of
from kerasrecipes.statistics.tables import Table

Check = Callable[[Placed], list[Finding]]
_ORDER = {"error": 0, "warning": 1, "info": 2}
# What is looked for in any examples, by what they are answered with.
_COMMON: dict[str, tuple[Check, ...]] = {
    CLASS: (*labels.CHECKS, *leaks.CHECKS),
    LABELS: (*labels.CHECKS, *leaks.CHECKS),
    NUMBER: (*numbers.CHECKS, *leaks.CHECKS),
}
_HEADINGS = {CLASS: "class", LABELS: "label", NUMBER: "number"}


@dataclass(frozen=True)
class CheckReport(Shown):
    """The findings about photos; the gravest first.

    Args:
        findings: What was found.
        counts: Photos per class or label, of every side (`"all"` where there is no split).
        sizes: Photos of every side.
        target: What they are answered with: `"class"`, `"labels"` or `"number"`.
        numbers: `smallest`, `median` and `largest` of every side, where they have numbers.
        noun: What people call one and several of what was looked at.
    """

    findings: tuple[Finding, ...]
    counts: dict[str, dict[str, int]]
    sizes: dict[str, int]
    target: str = CLASS
    numbers: dict[str, dict[str, float]] = field(default_factory=dict)
    noun: tuple[str, str] = ("photo", "photos")

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
            "target": self.target,
            self.noun[1]: self.sizes,
            "counts": self.counts,
            **({"numbers": self.numbers} if self.numbers else {}),
            "findings": findings,
        }

    def parts(self) -> Iterator[Part]:
        """Yield the photos of each class and side, then the findings."""
        rows: list[tuple[str, ...]] = []
        if self.target == NUMBER:
            for name in ("smallest", "median", "largest"):
                rows.append((name, *(f"{span[name]:g}" for span in self.numbers.values())))
        else:
            for name in dict.fromkeys(name for found in self.counts.values() for name in found):
                rows.append((name, *(str(found.get(name, 0)) for found in self.counts.values())))
        rows.append((self.noun[1], *map(str, self.sizes.values())))
        right = tuple(range(1, 1 + len(self.counts)))
        yield Table("", (_HEADINGS[self.target], *self.sizes), tuple(rows), right, name_width=60)
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
    findings = [
        replace(finding, message=in_words_of(sets[0].noun, finding.message))
        for check in (*checks, *_COMMON[placed.target])
        for finding in check(placed)
    ]
    findings.sort(key=lambda finding: _ORDER[finding.severity])
    numbers = _spans(placed) if placed.target == NUMBER else {}
    return CheckReport(
        tuple(findings), placed.counts(), placed.sizes, placed.target, numbers, sets[0].noun
    )


def warn_of_spellings(examples: Examples) -> None:
    """Warn of labels and groups that a person would read as the same.

    Args:
        examples: What was scanned.
    """
    placed = Placed(examples.items, ("all",) * len(examples), (examples,), near=False)
    for finding in (*labels.find_same_labels(placed), *leaks.find_same_groups(placed)):
        warn(f"{finding.message} {'; '.join(finding.examples)}")


def _spans(placed: Placed) -> dict[str, dict[str, float]]:
    """The smallest, middle and largest number of every side that has any."""
    return {
        side: {
            "smallest": float(numbers[0]),
            "median": float(np.median(numbers)),
            "largest": float(numbers[-1]),
        }
        for side, numbers in placed.numbers().items()
    }
