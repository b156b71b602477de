"""What was measured of the exports of a bundle, as data, as a table and as a picture."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from kerasrecipes.data.examples import CLASS
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.errors import printable
from kerasrecipes.heads import get_task
from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.statistics.shown import Part, Shown, of_groups, told_of
from kerasrecipes.statistics.tables import Table, shorten_text
from kerasrecipes.verify.latency import Latency
from kerasrecipes.verify.wording import to_plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kerasrecipes.export.tflite.profile import OperatorTime

_KERNELS = 8
_NAME = 24


@dataclass(frozen=True)
class Variant:
    """One exported file.

    Args:
        name: E.g. `"tflite-int8"`.
        quantization: E.g. `"int8"`.
        size_bytes: Size of the file.
        load_ms: Milliseconds until it is ready, in a process of its own.
        memory_bytes: Peak memory of loading and running it there, beyond the runtime's own;
            `None` where the system does not tell.
        latency: Threads to milliseconds for one decoded photo.
        accuracy: Against the labels, with a 95 % interval; of another task than to name a class
            the mean of `Task.quality`.
        agreement: Fraction of photos with the same answer as the original.
        worst_class: The class that it finds least of; empty where there are no classes.
        worst_recall: The share that it finds of that, with a 95 % interval.
        int8_fraction: Share of the layers with weights that compute in 8 bits.
        int8_work_fraction: Share of the multiply-adds that are done in 8 bits.
        ops: How often each operator occurs in the file.
    """

    name: str
    quantization: str
    size_bytes: int
    load_ms: float | None
    memory_bytes: int | None
    latency: Mapping[int, Latency]
    accuracy: Estimate
    agreement: float
    worst_class: str
    worst_recall: Estimate | None
    int8_fraction: float
    int8_work_fraction: float
    ops: Mapping[str, int]

    @property
    def format(self) -> str:
        """The format of the file, e.g. `"tflite"`."""
        return self.name.removesuffix(f"-{self.quantization}")

    def to_dict(self) -> dict[str, object]:
        """Return the numbers as plain values for JSON; an estimate is `[value, low, high]`."""
        known = {name: getattr(self, name) for name in ("accuracy", "worst_recall")}
        estimates = {name: one and one.to_list() for name, one in known.items()}
        return {**to_plain(asdict(self)), **estimates}


@dataclass(frozen=True)
class Benchmark(Shown):
    """All exports of a bundle, measured alike on this machine; print it.

    Args:
        folder: The bundle.
        photos: Number of photos that the exports were judged by.
        golden: Whether these are the golden photos of the bundle.
        left_out: Photos that were left out since the model learned from them.
        reference: Whose answers count as the original's.
        original_accuracy: Of the original model; `None` if it was not asked.
        variants: One per export.
        profiles: Export to the time of its kernels, where asked for.
        notes: What a reader should know, in plain words.
        task: What the model is for; see `kerasrecipes.heads.get_task`.
        unit: Unit of its answers, where they are numbers.
        groups: Number of groups that the photos are of, by which intervals go; `None` if none
            were declared.
        noun: What people call one and several of the examples.
    """

    folder: str
    photos: int
    golden: bool
    left_out: int
    reference: str
    original_accuracy: Estimate | None
    variants: tuple[Variant, ...]
    profiles: Mapping[str, tuple["OperatorTime", ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    task: str = "classification"
    unit: str = ""
    groups: int | None = None
    noun: tuple[str, str] = ("photo", "photos")

    def to_dict(self) -> dict[str, object]:
        """Return the numbers as plain values for JSON; an estimate is `[value, low, high]`."""
        original = self.original_accuracy
        return {
            **{name: getattr(self, name) for name in ("folder", "photos", "golden", "left_out")},
            "reference": self.reference,
            "original_accuracy": None if original is None else original.to_list(),
            "variants": [variant.to_dict() for variant in self.variants],
            "profiles": {
                name: [asdict(row) for row in rows] for name, rows in self.profiles.items()
            },
            "notes": list(self.notes),
            **({} if self.groups is None else {"groups": self.groups}),
        }

    def plot(self) -> "Figure":
        """Draw quality against time and against size, one point per export."""
        from kerasrecipes.report.plots.trade_off import TradeOff, plot_trade_off

        threads = self._threads()[0]
        return plot_trade_off(
            [
                # A runtime that cannot be told a number of threads has its own.
                TradeOff(
                    v.name,
                    v.accuracy,
                    v.latency.get(threads, v.latency[min(v.latency)]).median_ms,
                    v.size_bytes,
                )
                for v in self.variants
            ],
            get_task(self.task),
            self._output,
            threads,
        )

    def parts(self) -> Iterator[Part]:
        """Yield what was measured: quality, costs, kernels, and what to know of them."""
        return told_of(self.noun, self._told())

    def _told(self) -> Iterator[Part]:
        kind = "golden photos" if self.golden else "photos"
        count = f"{len(self.variants)} export{'' if len(self.variants) == 1 else 's'}"
        photos = f"{self.photos:,} {kind}{of_groups(self.groups)}"
        yield f"{count} of {printable(self.folder)}, judged by {photos}"
        if self.left_out:
            yield f"{self.left_out:,} photos are left out: the model learned from them."
        yield from ("", self._quality(), "", self._costs())
        for name, rows in self.profiles.items():
            yield from ("", *_profile(name, rows))
        yield ""
        yield (
            "In brackets: 95% confidence intervals. Times are for one photo on this machine; a "
            "phone's will differ. Memory is the peak beyond the runtime's own."
        )
        if self.original_accuracy is None:
            yield f"The answers of the original are taken from {printable(self.reference)}."
        yield from (f"Note: {printable(note)}" for note in self.notes)

    def _threads(self) -> list[int]:
        return sorted({count for variant in self.variants for count in variant.latency})

    def _quality(self) -> Table:
        task = get_task(self.task)
        same = "same top class" if task.target == CLASS else "same answer"
        heads = ("export", task.quality_name, same, "worst class", "8-bit layers, work")
        rows = []
        if self.original_accuracy is not None:
            rows.append(("the original", self._in_words(self.original_accuracy), "", "", ""))
        for found in self.variants:
            worst = "–"
            if found.worst_recall is not None:
                name = shorten_text(printable(found.worst_class), _NAME)
                worst = f"{name} {found.worst_recall.percent()}"
            rows.append(
                (
                    found.name,
                    self._in_words(found.accuracy),
                    f"{100 * found.agreement:.1f} %",
                    worst,
                    f"{100 * found.int8_fraction:.0f} %, {100 * found.int8_work_fraction:.0f} %",
                )
            )
        return Table("", heads, tuple(rows), right=(2,))

    def _in_words(self, quality: Estimate) -> str:
        return get_task(self.task).estimate_in_words(quality, self._output)

    @property
    def _output(self) -> OutputSpec:
        return OutputSpec(name="", task=self.task, unit=self.unit)

    def _costs(self) -> Table:
        counts = self._threads()
        titles = [f"{n} thread{'s' if n > 1 else ''}: p50, p95, p99" for n in counts]
        rows = []
        for found in self.variants:
            memory = found.memory_bytes
            rows.append(
                (
                    found.name,
                    f"{found.size_bytes / 1e6:.2f} MB",
                    "–" if memory is None else f"{memory / 1e6:.1f} MB",
                    "–" if found.load_ms is None else f"{found.load_ms:.1f} ms",
                    *(_times(found.latency.get(n)) for n in counts),
                )
            )
        return Table("", ("export", "size", "memory", "load", *titles), tuple(rows), (1, 2, 3))


def _times(found: Latency | None) -> str:
    if found is None:
        return "–"
    return f"{found.median_ms:.2f}, {found.p95_ms:.2f}, {found.p99_ms:.2f} ms"


def _profile(name: str, rows: Sequence["OperatorTime"]) -> Iterator[Part]:
    total = sum(row.ms for row in rows)
    cells = tuple(
        (row.name, str(row.count), f"{row.ms:.3f} ms", f"{row.ms / total:.0%}")
        for row in rows[:_KERNELS]
        if total
    )
    yield Table("", (f"kernels of {name}", "number", "time", "share"), cells, right=(1, 2, 3))
    if (more := len(rows) - _KERNELS) > 0:
        yield f"and {more} more kinds, with {sum(r.ms for r in rows[_KERNELS:]):.3f} ms"
