"""For pytest: each line of a budget is a test of a saved model.

[pytest]
kerasrecipes_model = saved_models/tiles
kerasrecipes_budget = tests/budget.toml
"""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from kerasrecipes.promotion.gates import Gates
    from kerasrecipes.promotion.model_check import ModelCheck

MODEL, BUDGET, CHAMPION = (f"kerasrecipes_{name}" for name in ("model", "budget", "champion"))
# What is asked in any case, what only where a line of the budget says so, and all else.
_ALWAYS = ("seal", "golden vectors")
_LINES = {
    "licences": "licence",
    "drift_profile": "drift profile",
    "max_latency_ms": "latency",
    "max_p95_ms": "latency, p95",
    "max_size_mb": "size",
    "max_memory_mb": "memory",
    "photos": "not worse",
    "min_accuracy": "accuracy",
    "min_worst_class": "worst class",
}
_ELSE = "all else"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Say which lines of a configuration are read."""
    parser.addini(MODEL, "The saved model that a budget is asked of.", default="")
    parser.addini(BUDGET, "The TOML file of the budget; each of its lines is a test.", default="")
    parser.addini(CHAMPION, "The version that the model must not be worse than.", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse half of it, which would have no effect."""
    model, budget, champion = (config.getini(name) for name in (MODEL, BUDGET, CHAMPION))
    if bool(model) != bool(budget) or (champion and not model):
        raise pytest.UsageError(
            f"'{MODEL}' and '{BUDGET}' belong together, and '{CHAMPION}' to both: add what lacks."
        )
    if budget and not (config.rootpath / budget).is_file():
        raise pytest.UsageError(
            f"'{BUDGET}' names '{budget}', and there is no such file in '{config.rootpath}'."
        )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Take the budget for a file of tests."""
    budget = parent.config.getini(BUDGET)
    if not budget or file_path.resolve() != (parent.config.rootpath / budget).resolve():
        return None
    found: pytest.Collector = BudgetFile.from_parent(parent, path=file_path)
    return found


class BudgetFile(pytest.File):
    """A budget; the model is measured once, when the first of its tests runs."""

    @cached_property
    def gates(self) -> "Gates":
        """What is asked."""
        from kerasrecipes.promotion.gates import read_gates

        return read_gates(self.path)[0]

    @cached_property
    def report(self) -> "ModelCheck":
        """What came out."""
        from kerasrecipes.promotion.checking import check_bundle

        root, champion = self.config.rootpath, self.config.getini(CHAMPION)
        return check_bundle(
            root / self.config.getini(MODEL),
            budget=self.gates,
            champion=root / champion if champion else None,
        )

    def collect(self) -> Iterator[pytest.Item]:
        """Yield a test for each line."""
        asked = [told for line, told in _LINES.items() if getattr(self.gates, line)]
        for name in (*_ALWAYS, *asked, _ELSE):
            test: pytest.Item = BudgetLine.from_parent(self, name=name)
            yield test


class BudgetLine(pytest.Item):
    """One line of a budget."""

    def runtest(self) -> None:
        """Fail where the model does not keep to it, or where that could not be asked."""
        found: BudgetFile = self.parent  # type: ignore[assignment]
        names = [test.name for test in found.session.items if test.parent is found]
        answers = {one.name: one for one in found.report.checks}
        mine = [answers[self.name]] if self.name in answers else []
        if self.name == _ELSE:
            mine = [one for name, one in answers.items() if name not in names]
        elif not mine:
            pytest.fail("it was not asked, since another check failed first", pytrace=False)
        if failed := [f"{one.name}: {one.told}" for one in mine if not one.passed]:
            pytest.fail("\n".join(failed), pytrace=False)
        self.add_report_section("call", "check", "\n".join(one.told for one in mine))

    def reportinfo(self) -> tuple[Path, None, str]:
        """Say where it stands."""
        return self.path, None, f"budget: {self.name}"
