"""What a run of a watch found, in plain words and as a page."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from kerasrecipes.arguments import named
from kerasrecipes.drift.history import Look
from kerasrecipes.drift.report import INSUFFICIENT, DriftReport
from kerasrecipes.errors import printable
from kerasrecipes.serve.entry import JournalCounts
from kerasrecipes.statistics.shown import Part, Shown
from kerasrecipes.statistics.tables import Table
from kerasrecipes.watching.alerts import Alarm
from kerasrecipes.watching.budgets import BudgetLook
from kerasrecipes.watching.facts import Facts

DRIFT, QUALITY = "drift", "quality"


@named
@dataclass(frozen=True)
class WatchReport(Shown):
    """Whether a model in use still does what was promised; print it.

    Args:
        model: Its name and version.
        facts: Requests since the last run, in numbers.
        drift: The last look at predictions.
        quality: The last look at those whose label is known by now.
        budgets: Looks at errors and latency.
        counts: How much the journal holds, and what it dropped.
        looks: The last looks at drift, the first one first.
        alarms: What somebody should look at.
        problems: Whom that could not be told, and why.
    """

    model: str
    facts: Facts
    drift: DriftReport
    quality: DriftReport
    budgets: tuple[BudgetLook, ...]
    counts: JournalCounts
    looks: tuple[Look, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def alarm(self) -> bool:
        """Whether there is something to look at."""
        return bool(self.alarms)

    @property
    def is_insufficient(self) -> bool:
        """Whether there was too little for any look."""
        told = (self.drift.verdict, self.quality.verdict)
        return set(told) == {INSUFFICIENT} and not any(one.of for one in self.budgets)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain values for JSON."""
        return {
            "model": self.model,
            "alarms": [asdict(one) for one in self.alarms],
            "facts": self.facts.to_dict(),
            "drift": self.drift.to_dict(),
            "quality": self.quality.to_dict(),
            "budgets": [{**asdict(one), "alarm": one.alarm} for one in self.budgets],
            "journal": asdict(self.counts),
            "problems": list(self.problems),
        }

    def page(self) -> str:
        """Return a dashboard as one HTML page that loads nothing from elsewhere."""
        from kerasrecipes.report.section import Section
        from kerasrecipes.report.watch_page import render_watch

        return render_watch(
            self.model,
            [(one.cause, one.told, one.runbook) for one in self.alarms],
            [look.level for look in self.looks],
            self.drift.looks_per_false_alarm,
            [
                Section("Requests", tuple(self._requests())),
                Section("Drift", (self.drift,)),
                Section("Quality, by labels that came", (self.quality,)),
            ],
        )

    def parts(self) -> Iterator[Part]:
        """Yield what is wrong, and the numbers of every look."""
        for one in self.alarms:
            yield f"ALARM, {one.cause}: {one.told}" + (one.runbook and f" See {one.runbook}")
        if not self.alarms:
            few = "too little to tell" if self.is_insufficient else "no alarm"
            yield f"{self.model}: {few}."
        yield ""
        yield from self._requests()
        for title, look in (("Drift", self.drift), ("Quality", self.quality)):
            yield from ("", f"{title}.", look)
        yield from (f"Not told: {problem}" for problem in self.problems)

    def _requests(self) -> Iterator[Part]:
        facts, counts = self.facts, self.counts
        rows = [("requests", f"{facts.requests:,}"), ("without an answer", f"{facts.errors:,}")]
        if facts.p50_ms == facts.p50_ms:
            times = f"{facts.p50_ms:.1f}, {facts.p95_ms:.1f}, {facts.p99_ms:.1f} ms"
            rows.append(("waited (median, p95, p99)", times))
        if facts.confidence == facts.confidence:
            rows.append(("mean confidence", f"{facts.confidence:.1%}"))
        rows += [("left to a person", f"{facts.abstained:,}"), ("alarms", f"{facts.alarms:,}")]
        if facts.degraded:
            rows.append(("answered by a smaller model", f"{facts.degraded:,}"))
        rows += [(f"answer {printable(name)!r}", f"{count:,}") for name, count in facts.labels]
        rows += [(f"budget of {one.cause}", one.said) for one in self.budgets]
        rows.append(("kept in the journal", f"{counts.entries:,}, {counts.truths:,} labels"))
        if counts.dropped_entries or counts.duplicates:
            dropped = f"{counts.dropped_entries:,}, {counts.duplicates:,} came twice"
            rows.append(("dropped as the oldest", dropped))
        if counts.dropped_at_sources:
            rows.append(("dropped by devices", f"{counts.dropped_at_sources:,}"))
        yield Table("", ("since the last run", ""), tuple(rows))
