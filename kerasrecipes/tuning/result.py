"""What a search found: the trials, the pick, and how good that is on examples nobody looked at."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.evaluation.base import Result
from kerasrecipes.report.section import Section
from kerasrecipes.statistics.clustered import clustered_error
from kerasrecipes.statistics.estimate import Estimate, encode_float
from kerasrecipes.statistics.intervals import z_of
from kerasrecipes.statistics.shown import Part, Shown, of_groups
from kerasrecipes.statistics.tables import Table
from kerasrecipes.tuning.measure import Measure
from kerasrecipes.tuning.picking import Picked
from kerasrecipes.tuning.space import Settings, in_words

_SHOWN = 12


@dataclass(frozen=True)
class TuningRow:
    """One candidate that was measured.

    Args:
        settings: How it differs from the recipe that was begun with.
        cost: The mean cost of its answers, in cross-validation.
        better: By how much that is less than the cost of the recipe as it is.
        error: The standard error of that, example by example.
        seconds: How long it took.
    """

    settings: Settings
    cost: float
    better: float
    error: float
    seconds: float


@dataclass(frozen=True)
class OnTest:
    """What the search never saw: examples that were set aside.

    Args:
        before: The recipe as it was, on them.
        after: The one that was picked.
        better: By how much its answers cost less, with the 95 % interval, example by example.
        cost: The mean cost of its answers.
    """

    before: Result
    after: Result
    better: Estimate
    cost: float


@dataclass(frozen=True)
class Tuning(Shown):
    """A search for better settings of a head; print it.

    Args:
        recipe: The recipe to train: the one that was begun with, unless another is better by more
            than the error of the difference.
        settings: How it differs from the one that was begun with.
        rows: The candidates that were measured, the one that was begun with first.
        picked: Why this one.
        measure: What was compared.
        test: How good it is on examples that were set aside; `None` if none were.
        planned: How many candidates there are.
        examples: How many examples judged, and how many groups they are of.
        importance: Setting to its share of what differs.
        minutes: How long the search took, and how long it was allowed to.
        interrupted: Whether it was ended by Ctrl-C.
        folder: Where its trials are kept; `None` for nowhere.
        noun: What one example is called, and several.
    """

    recipe: Any
    settings: Settings
    rows: tuple[TuningRow, ...]
    picked: Picked
    measure: Measure
    test: OnTest | None
    planned: int
    examples: tuple[int, int | None]
    importance: Mapping[str, float] = field(default_factory=dict)
    minutes: tuple[float, float] = (0.0, 0.0)
    interrupted: bool = False
    folder: Path | None = None
    noun: tuple[str, str] = ("photo", "photos")

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-safe data."""
        table = {row.name: row for row in self.recipe.table}
        rows = [
            {
                "settings": {k: table[k].kind.to_plain(v) for k, v in row.settings.items()},
                "cost": row.cost,
                "better": row.better,
                "error": encode_float(row.error),
                "seconds": row.seconds,
            }
            for row in self.rows
        ]
        test = self.test and {
            "before": self.test.before.to_dict(),
            "after": self.test.after.to_dict(),
            "cost": self.test.cost,
            "better": self.test.better.to_list(),
        }
        return {
            "recipe": self.recipe.get_config(),
            "changed": {k: table[k].kind.to_plain(v) for k, v in self.settings.items()},
            "measure": self.measure.label,
            "gain": {
                "seen": self.picked.seen,
                "fair": self.picked.gain,
                "error": self.picked.error,
            },
            "cost": self.picked.cost.to_list(),
            "test": test,
            "trials": rows,
            "planned": self.planned,
            "importance": dict(self.importance),
            "minutes": list(self.minutes),
            "interrupted": self.interrupted,
        }

    @property
    def verdict(self) -> str:
        """What to take, and why, in a sentence or two."""
        best, picked = self.rows[self.picked.best], self.picked
        if len(self.rows) == 1:
            return "Keep the recipe as it is: nothing else was measured."
        if not picked.best:
            return "Keep the recipe as it is: none that was tried does better."
        name, gain = self.measure.label, self.measure.gain
        luck = (
            f"In {name} it is {gain(picked.seen)} as the search saw it, and {gain(picked.gain)} "
            f"without the luck of having been picked among {len(self.rows)}, give or take "
            f"{gain(picked.error).lstrip('+')}."
        )
        if picked.chosen:
            return f"Take {in_words(best.settings)}. {luck}"
        return (
            f"Keep the recipe as it is: the best, {in_words(best.settings)}, is not shown to be "
            f"better. {luck}"
        )

    def parts(self) -> Iterator[Part]:
        """Yield what was tried, the best of it, what to take, and the honest number."""
        spent, allowed = self.minutes
        count, groups = self.examples
        yield (
            f"{len(self.rows)} of {self.planned} heads were compared by cross-validation on "
            f"{count:,} {self.noun[1]}{of_groups(groups)}, in {spent:.1f} of {allowed:g} minutes."
        )
        if len(self.rows) < self.planned:
            yield "The rest was not reached. The same call goes on where a run folder is named."
        yield from ("", self.table(_SHOWN), "", self.verdict)
        shown, fair = self.measure.shown, self.picked.cost
        low, high = sorted((shown(fair.low), shown(fair.high)))
        yield (
            f"So the head itself is to be expected to have a {self.measure.label} of "
            f"{shown(fair.value)} ({low} to {high}); the choice is paid for in that."
        )
        yield from self._on_test()

    def _on_test(self) -> Iterator[Part]:
        if self.test is None:
            yield "No examples were set aside, so no test says more."
            return
        test, better = self.test, self.test.better
        yield from ("", f"On {test.after.n:,} {self.noun[1]} that the search never saw:")
        yield test.after
        if self.picked.chosen:
            gain = self.measure.gain
            yield (
                f"Against the recipe as it was: {gain(better.value)} in {self.measure.label} "
                f"({gain(better.low)} to {gain(better.high)}), {self.noun[0]} by {self.noun[0]}."
            )

    def table(self, most: int | None = None) -> Table:
        """Return the candidates, the best first, the one that was begun with among them.

        Args:
            most: Of so many rows; `None` for all.
        """
        order = sorted(range(len(self.rows)), key=lambda i: (self.rows[i].cost, i))
        chosen = order[:most]
        chosen += [] if 0 in chosen else [0]
        cells = []
        for i in chosen:
            row = self.rows[i]
            gain = self.measure.gain
            cells.append(
                (
                    in_words(row.settings),
                    self.measure.shown(row.cost),
                    f"{gain(row.better)} ± {gain(row.error).lstrip('+')}" if i else "",
                    f"{row.seconds:.1f} s",
                    "taken" if i == self.picked.chosen else "",
                )
            )
        heads = ("head", self.measure.label, "better by", "took", "")
        return Table("", heads, tuple(cells), right=(1, 2, 3), name_width=60)

    def html(self) -> str:
        """Return the search as one page that opens anywhere."""
        from kerasrecipes.report.tuning_page import render_tuning

        means = [row.cost for row in self.rows]
        errors = [row.error for row in self.rows]
        sections = [Section("How good it is", tuple(self._on_test()))]
        sections.append(Section("All that was tried", (self.table(),)))
        return render_tuning(
            self.verdict,
            self.measure.cost_label,
            [(mean, error) for mean, error in zip(means, errors, strict=True)],
            self.picked.chosen,
            self.importance,
            sections,
        )


def on_test(
    measure: Measure,
    results: tuple[Result, Result],
    costs: tuple[np.ndarray, np.ndarray],
    units: np.ndarray,
) -> OnTest:
    """Compare two recipes on examples that were set aside.

    Args:
        measure: What is compared.
        results: Of the recipe as it was, and of the one that was picked.
        costs: What their answers cost.
        units: What each example belongs to.
    """
    apart = costs[0] - costs[1]
    mean, half = float(apart.mean()), z_of(0.95) * clustered_error(apart, units)
    better = Estimate(mean, mean - half, mean + half)
    return OnTest(*results, better, float(costs[1].mean()))
