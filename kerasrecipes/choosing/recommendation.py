"""Which backbone to take, as data and as a table to read."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from kerasrecipes.choosing.candidates import BackboneFile, BackboneLimits
from kerasrecipes.data.examples import LABELS
from kerasrecipes.errors import printable
from kerasrecipes.evaluation.file_limits import pareto_front
from kerasrecipes.evaluation.task import Task
from kerasrecipes.heads import get_head
from kerasrecipes.statistics.shown import Part, Shown, of_groups
from kerasrecipes.statistics.tables import Table

# Numbers of an evaluation in the table, besides the quality.
_OTHERS = 2


@dataclass(frozen=True)
class Recommendation(Shown):
    """Backbones measured on photos and on this machine, and the one to take; print it.

    Args:
        candidates: What could be measured.
        failed: What could not, with the reason.
        limits: What was asked for.
        best: The recommended file; `None` if none keeps to the limits.
        reason: Why, in one sentence or two.
        photos: Number of photos that were looked at.
        test_photos: Number of photos that were set aside for the final test.
        splits: Number of splits into photos to learn from and photos to judge by.
        groups: Number of groups of the photos to judge by: of parts, and of photos that look
            alike; `None` where that was not counted.
        head: The head that is to be trained; see `kerasrecipes.list_heads`.
    """

    candidates: tuple[BackboneFile, ...]
    failed: Mapping[str, str]
    limits: BackboneLimits
    best: BackboneFile | None
    reason: str
    photos: int
    test_photos: int
    splits: int
    groups: int | None = None
    head: str = "classification"

    @property
    def _task(self) -> Task:
        return get_head(self.head).task

    @property
    def _front(self) -> list[BackboneFile]:
        return pareto_front(self.candidates, lambda one: one.costs)

    def to_dict(self) -> dict:
        """Return everything as JSON-safe data."""
        rows = [
            {
                **candidate.to_dict(),
                "misses": [miss.text for miss in self.limits.misses(candidate)],
                "on_front": candidate in self._front,
            }
            for candidate in self.candidates
        ]
        best = self.best and {key: self.best.to_dict()[key] for key in ("backbone", "quantization")}
        return {
            "recommended": best,
            "reason": self.reason,
            "limits": asdict(self.limits),
            "candidates": rows,
            "failed": dict(self.failed),
            "photos": self.photos,
            "test_photos": self.test_photos,
            "splits": self.splits,
            "groups": self.groups,
        }

    def parts(self) -> Iterator[Part]:
        """Yield what was measured, what its numbers mean, and the recommendation."""
        times = "1 split" if self.splits == 1 else f"{self.splits} splits"
        yield (
            f"Measured on {self.photos:,} photos in {times} (the {self.test_photos:,} test photos "
            "were not looked at):"
        )
        yield from ("", self._table(), "")
        name = self._task.quality_name
        good, linear, adds = "accurate", "classifier", "adds to it"
        if name != "accuracy":
            good, linear, adds = "good", "model", "does better"
        yield f"* No other file is as {good}, as fast and as small at once."
        yield (
            f"{name.capitalize()} is that of a linear {linear} on the frozen backbone; fine-tuning "
            f"usually {adds}."
        )
        yield (
            f"In brackets: 95% confidence intervals from photos{of_groups(self.groups)}; those of "
            "one part, and look-alikes, count as far as they differ."
        )
        yield "Times are medians for one photo on this machine; a phone's will differ."
        for name, why in self.failed.items():
            yield f"Not measured: {printable(name)}: {printable(why)}"
        yield from ("", self.reason)

    def _table(self) -> Table:
        found = {name: "" for one in self.candidates for name in _cells(one, self._task)}
        heads = ("  backbone", "file", self._task.quality_name, *found, "1 thread", "2 threads")
        rows = []
        for candidate in self.candidates:
            rows.append(
                (
                    f"{'*' if candidate in self._front else ' '} {printable(candidate.backbone)}",
                    candidate.quantization,
                    candidate.in_words,
                    *(found | _cells(candidate, self._task)).values(),
                    *(f"{times.median_ms:.1f} ms" for times in candidate.latency.values()),
                    f"{candidate.size_bytes / 1e6:.1f} MB",
                    self._verdict(candidate),
                )
            )
        return Table("", (*heads, "size", ""), tuple(rows), name_width=60)

    def _verdict(self, candidate: BackboneFile) -> str:
        if candidate is self.best:
            return "recommended"
        return ", ".join(dict.fromkeys(miss.short for miss in self.limits.misses(candidate)))


def _cells(file: BackboneFile, task: Task) -> dict[str, str]:
    """Return what is said of a file's answers besides their quality, by the heading."""
    cells = {}
    if file.evaluation is not None:
        others = [one for one in file.evaluation.tiles() if one.name.lower() != task.quality_name]
        cells = {one.name: f"{one.value} ({one.interval})" for one in others[:_OTHERS]}
    if file.recalls:
        weakest = file.weakest_class
        told = f"{printable(weakest)} {file.recalls[weakest].percent()}" if weakest else "–"
        cells[f"weakest {'label' if task.target == LABELS else 'class'}"] = told
    return cells
