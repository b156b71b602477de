"""What was asked of a model, and what came out: for people, for CI, and for pull requests."""

import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kerasrecipes.arguments import named
from kerasrecipes.bundles.aliases import GateResult
from kerasrecipes.errors import IntegrityError, VerificationError, printable
from kerasrecipes.statistics.shown import Part, Shown
from kerasrecipes.statistics.tables import Table

SEAL = "seal"


@named
@dataclass(frozen=True)
class ModelCheck(Shown):
    """A model before a budget; print it.

    Args:
        model: Its name and version.
        export: The exported file that was asked; empty if it did not come to that.
        checks: What was asked, and what came out.
        seconds: How long it took.
    """

    model: str
    export: str
    checks: tuple[GateResult, ...]
    seconds: float = math.nan

    @property
    def failed(self) -> tuple[GateResult, ...]:
        """What does not hold."""
        return tuple(one for one in self.checks if not one.passed)

    @property
    def passed(self) -> bool:
        """Whether all holds."""
        return not self.failed

    @property
    def exit_code(self) -> int:
        """How a command ends: 0, 3 if something does not hold, 4 if a file was changed."""
        if any(one.name == SEAL for one in self.failed):
            return IntegrityError.exit_code
        return 0 if self.passed else VerificationError.exit_code

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain values for JSON."""
        told = {"model": self.model, "export": self.export, "passed": self.passed}
        checks = [one.model_dump(mode="json") for one in self.checks]
        return {**told, "seconds": round(self.seconds, 3), "checks": checks}

    def parts(self) -> Iterator[Part]:
        """Yield the verdict, and what each check says."""
        yield self._verdict()
        yield ""
        rows = (
            (one.name, "passed" if one.passed else "FAILED", printable(one.told))
            for one in self.checks
        )
        yield Table("", ("check", "", ""), tuple(rows))

    def _verdict(self) -> str:
        of = f" ({self.export})" if self.export else ""
        total = len(self.checks)
        if self.passed:
            return f"{self.model}{of}: all {total} checks passed."
        return f"{self.model}{of}: {len(self.failed)} of {total} checks FAILED."

    def markdown(self) -> str:
        """Return the result as Markdown, e.g. for a pull request; text from data stays text."""
        lines = [f"### {_escaped(self._verdict())}", "", "| check | | |", "|---|---|---|"]
        for one in self.checks:
            sign = "✅" if one.passed else "❌"
            lines.append(f"| {_escaped(one.name)} | {sign} | {_escaped(one.told)} |")
        return "\n".join(lines) + "\n"

    def junit(self) -> str:
        """Return the result as JUnit's XML, one test case for each check."""
        counts = {"tests": str(len(self.checks)), "failures": str(len(self.failed))}
        took = f"{self.seconds:.3f}"
        about = {"name": f"kerasrecipes check {self.model}", **counts, "errors": "0", "time": took}
        root = ElementTree.Element("testsuites")
        suite = ElementTree.SubElement(root, "testsuite", about)
        for one in self.checks:
            case = ElementTree.SubElement(
                suite, "testcase", {"classname": self.model, "name": one.name}
            )
            told = printable(one.told)
            if one.passed:
                ElementTree.SubElement(case, "system-out").text = told
            else:
                ElementTree.SubElement(case, "failure", {"message": told}).text = told
        ElementTree.indent(root)
        return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _escaped(text: str) -> str:
    """Return text that Markdown shows as it is."""
    told = printable(text)
    for sign in "\\`*_[]<>|#!":
        told = told.replace(sign, f"\\{sign}")
    return told
