"""What `optimize` found: a table, a picture, a choice with its reasons, and the file itself."""

import shutil
from collections.abc import Iterator
from copy import copy
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasrecipes.arguments import named
from kerasrecipes.data.examples import Examples
from kerasrecipes.errors import DataError, printable
from kerasrecipes.evaluation.file_limits import pareto_front
from kerasrecipes.files import TemporaryFolder
from kerasrecipes.heads import get_task
from kerasrecipes.optimization.quantized_model import evaluated_file
from kerasrecipes.optimization.search.candidate import Candidate, file_answers
from kerasrecipes.optimization.search.limits import Limits
from kerasrecipes.regular import read_regular
from kerasrecipes.statistics.shown import Part, Shown, of_groups
from kerasrecipes.statistics.tables import Table, shorten_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kerasrecipes.evaluation.base import Result
    from kerasrecipes.release.bundle import Bundle
    from kerasrecipes.training.recipe import Recipe

SLOWER = 1.05


@dataclass
class OptimizationResult(Shown):
    """All that was tried, and the pick.

    Args:
        candidates: What was measured; the first one is the float file of the model as it was.
        limits: What was asked for.
        notes: What was not tried, and why.
        minutes: What it took, earlier runs in the same folder included.
        photos: Number of validation photos.
        recipes: A fitted recipe for each `Candidate.model`.
        folder: Where the files are.
        keep_alive: Removes a temporary folder when it is forgotten.
    """

    candidates: list[Candidate]
    limits: Limits
    notes: list[str]
    minutes: float
    photos: int
    recipes: dict[str, Any] = field(repr=False)
    folder: Path = field(repr=False)
    keep_alive: TemporaryFolder | None = field(default=None, repr=False)

    @property
    def pick(self) -> Candidate | None:
        """The best candidate, in size and latency together, within all limits, or `None`."""
        return self.limits.choose(self.candidates)

    @property
    def front(self) -> list[Candidate]:
        """The candidates that none other beats in accuracy, size and latency.

        A file that would be refused is none: it is not the model.
        """
        right = [one for one in self.candidates if not self.limits.refusals(one)]
        return pareto_front(right, lambda one: one.costs)

    @property
    def message(self) -> str:
        """What was picked and why, or that nothing could be, and what comes closest."""
        pick = self.pick
        if pick is None:
            closest, broken = self.limits.closest(self.candidates)
            return f"Not reachable: the closest is '{closest.name}', which {broken}."
        low, high = (100 * end for end in pick.drop_interval)
        reference = self.candidates[0]
        size = pick.size_bytes / reference.size_bytes
        within = sum(not self.limits.misses(one) for one in self.candidates)
        why = (
            f"Picked '{pick.name}': {pick.size_bytes / 1e6:.2f} MB ({size:.0%} of the float file) "
            f"and {pick.latency_ms:.3g} ms ({pick.latency_ratio:.0%}), the best in size and "
            f"latency together of {within} within the limits. "
            f"On {self.photos} validation photos{of_groups(pick.groups)} its {pick.quality_name} "
            f"{'rises' if get_task(pick.task).is_error else 'drops'} by {100 * pick.drop:.1f} "
            f"{pick.points} (95% interval {low:.1f} to {high:.1f}), judged as "
            f"{100 * pick.judged_drop:.1f}."
        )
        if pick.drop_interval[1] > self.limits.max_drop:
            why += (
                f" So many photos cannot rule out a drop of more than "
                f"{100 * self.limits.max_drop:.1f} {pick.points}; measure the pick on test photos "
                "with `evaluate`."
            )
        return why

    @property
    def warnings(self) -> list[str]:
        """What is surprising about the candidates, such as an int8 file that is slower."""
        found = []
        for one in self.candidates[1:]:
            # Against the file of the same model: fewer channels are faster in any case.
            base = next(
                (o for o in self.candidates if (o.model, o.quantization) == (one.model, "float32")),
                None,
            )
            if base is not None and one.latency_ratio > SLOWER * base.latency_ratio:
                found.append(
                    f"{one.name} is slower than {base.name} on this machine: {one.latency_ms:.3g} "
                    f"for {base.latency_ms:.3g} ms."
                )
        for one in self.candidates:
            if refusals := self.limits.refusals(one):
                found.append(
                    f"{one.name} is not picked: its export would be refused, since "
                    f"{'; '.join(refusals)}."
                )
        return found

    @named
    def evaluate(self, photos: Examples, candidate: Candidate | None = None) -> "Result":
        """Measure a candidate's file on photos that it has not seen.

        As with a recipe, `save` afterwards keeps some of them as golden vectors.

        Args:
            photos: Labelled photos of the same classes; none of those that were tuned on.
            candidate: Which one; `None` for the pick.

        Returns:
            The result, with the file's own answers.

        Raises:
            DataError: If there is no pick, or photos were used in the search.
        """
        candidate = self._chosen(candidate)
        recipe = self.recipes[candidate.model]
        recipe.evaluate(photos)
        answers = file_answers(self._file(candidate), photos, recipe.output_)
        return evaluated_file(recipe, photos, answers)

    @named
    def save(self, folder: str | Path, candidate: Candidate | None = None) -> "Bundle":
        """Write a candidate's model as a bundle, with its exported file.

        Args:
            folder: The model's folder; the bundle is its next free version.
            candidate: Which one; `None` for the pick.

        Returns:
            The `Bundle`.

        Raises:
            DataError: If there is no pick.
            VerificationError: If the file is not the model within the limits on the golden
                photos; no bundle is left then.
            OSError: If the folder cannot be written.
        """
        candidate = self._chosen(candidate)
        recipe = self._told(candidate)
        bundle = recipe.save(folder)
        tolerance = self.limits.tolerance(candidate.quantization)
        try:
            # The very file that was measured, not one that is converted again.
            content = read_regular(self._file(candidate))
            bundle.export("tflite", candidate.quantization, content=content, tolerance=tolerance)
        except BaseException:
            # The bundle was for this file: without it, the large model would pass for the pick.
            shutil.rmtree(bundle.folder)
            raise
        return bundle

    def _file(self, candidate: Candidate) -> Path:
        return self.folder / file_name(candidate.model, candidate.quantization)

    def plot(self) -> "Figure":
        """Draw quality against time and against size, as a `matplotlib.figure.Figure`."""
        from kerasrecipes.report.plots.trade_off import TradeOff, plot_trade_off
        from kerasrecipes.statistics.estimate import Estimate
        from kerasrecipes.statistics.intervals import wilson_interval

        def drawn(one: Candidate) -> TradeOff:
            interval = (one.accuracy, one.accuracy)
            if one.accuracy_interval is not None:
                interval = one.accuracy_interval
            elif one.quality_name == "accuracy":  # as an earlier version kept it
                interval = wilson_interval(round(one.accuracy * self.photos), self.photos)
            name = f"{one.name} (pick)" if one == self.pick else one.name
            return TradeOff(name, Estimate(one.accuracy, *interval), one.latency_ms, one.size_bytes)

        files, first = [drawn(one) for one in self.candidates], self.candidates[0]
        return plot_trade_off(files, get_task(first.task), first.output)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-safe data."""
        pick = self.pick
        return {
            "pick": pick and pick.name,
            "message": self.message,
            "warnings": self.warnings,
            "notes": self.notes,
            "minutes": self.minutes,
            "photos": self.photos,
            "candidates": [{"name": one.name, **one.to_dict()} for one in self.candidates],
            "front": [one.name for one in self.front],
        }

    def parts(self) -> Iterator[Part]:
        """Yield the candidates, what is to be known of them, and the pick."""
        heads: tuple[str, ...] = (
            "",
            self.candidates[0].quality_name,
            "drop (95% interval)",
            "worst class",
            "agreement",
            "size",
        )
        heads += ("latency", "")
        rows = tuple(self._row(one) for one in self.candidates)
        yield from (Table("", heads, rows, name_width=60), "")
        yield "* none other is better in accuracy, size and latency at once"
        yield "agreement: share of the photos that the file calls the same as the model in it"
        yield from (f"Note: {note}" for note in self.notes)
        yield from (f"Warning: {warning}" for warning in self.warnings)
        yield from ("", self.message)

    def _row(self, one: Candidate) -> tuple[str, ...]:
        low, high = (100 * end for end in one.drop_interval)
        mark = "*" if one in self.front else ""
        mark += " ← pick" if one == self.pick else " refused" if self.limits.refusals(one) else ""
        return (
            one.name,
            one.quality,
            f"{100 * one.drop:+.1f} ({low:+.1f} to {high:+.1f})",
            _worst(one),
            f"{one.agreement:.1%}",
            f"{one.size_bytes / 1e6:.2f} MB",
            f"{one.latency_ms:.3g} ms ({one.latency_ratio:.2f}×)",
            mark.strip(),
        )

    def _told(self, candidate: Candidate) -> "Recipe":
        """Return the recipe of a candidate with a report that tells of the search."""
        recipe = copy(self.recipes[candidate.model])
        report = recipe.report_
        before, after = (
            {
                "file_accuracy": one.accuracy,
                "file_size_bytes": one.size_bytes,
                "file_latency_ms": one.latency_ms,
            }
            for one in (self.candidates[0], candidate)
        )
        step = {
            "name": "optimize",
            "summary": self.message,
            "options": {**asdict(self.limits), "quantization": candidate.quantization},
            "before": before,
            "after": after,
        }
        report = replace(
            report,
            optimization=[*report.optimization, step],
            warnings=[*report.warnings, *self.warnings],
        )
        recipe.fitted_ = replace(recipe.fitted_, report=report)
        return recipe

    def _chosen(self, candidate: Candidate | None) -> Candidate:
        chosen = self.pick if candidate is None else candidate
        if chosen is None:
            raise DataError(f"{self.message} Pass `candidate` to take one all the same.")
        return chosen


def _worst(one: Candidate) -> str:
    """Name the class that lost most, where there are classes."""
    if not one.recalls:
        return "–"
    return f"{shorten_text(printable(one.worst_class), 20)} {100 * one.worst_drop:+.1f}"


def file_name(model: str, quantization: str) -> str:
    """Return the name of a candidate's file in the folder of a search."""
    return f"{model}-{quantization}.tflite"
