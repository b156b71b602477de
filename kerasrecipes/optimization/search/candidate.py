"""One smaller or faster file, and what it was found to be."""

import math
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.data.examples import Examples
from kerasrecipes.data.shapes import stand_in
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.evaluation.scores import group_numbers
from kerasrecipes.heads import get_task
from kerasrecipes.statistics.clustered import clustered_error
from kerasrecipes.statistics.estimate import encode_float
from kerasrecipes.statistics.intervals import units_of
from kerasrecipes.statistics.paired import mean_difference_interval
from kerasrecipes.statistics.shares import share_of

if TYPE_CHECKING:
    from kerasrecipes.verify import Tolerance


@dataclass(frozen=True)
class Candidate:
    """A file that was really written, run on validation photos, and timed.

    Args:
        model: What was done to the model: `"fitted"` for nothing, `"mixed"` if its most sensitive
            layers stay in float, else e.g. `"channels-0.5"`.
        quantization: How the file was written, e.g. `"int8"`.
        accuracy: Share of the validation photos that the file gets right; of another task the
            mean of `Task.quality`, an error with a minus.
        drop: How much lower that is than the float file of the model as it was fitted; where
            answers are numbers, as a fraction of how far they spread.
        drop_interval: Its 95 % interval, of the same photos.
        drop_error: Its standard error, from the photos on which the two differ.
        recalls: Share of each class that the file finds, in the order of the classes; `None`
            for a class without photos; empty where there are no classes.
        worst_class: The class that lost most; empty where there are none.
        worst_drop: How much it lost.
        size_bytes: Size of the file.
        latency_ms: Median time for one photo, one thread.
        latency_ratio: The same by that of the float file, timed in turns with it.
        seconds: What it took to train and write it; what it was made of is not counted.
        photos: Number of the validation photos.
        agreement: Share of them that the file calls the same as the model that is in it.
        model_accuracy: Share of them that this model gets right.
        largest_gap: Largest difference between a score of the two.
        multiply_adds: Arithmetic for one photo, where it can be counted.
        task: What the file is for; see `kerasrecipes.heads.get_task`.
        unit: Unit of its answers, where they are numbers.
        drop_unit: What a drop and a gap are a fraction of: 1, or how far numbers spread.
        accuracy_interval: The 95 % interval of `accuracy`, where that is a share.
        groups: Number of groups that the photos are of, by which intervals and errors go; `None`
            if none were declared.
        mean_gap: Mean over the photos of the largest difference of a photo's scores.
    """

    model: str
    quantization: str
    accuracy: float
    drop: float
    drop_interval: tuple[float, float]
    drop_error: float
    recalls: tuple[float | None, ...]
    worst_class: str
    worst_drop: float
    size_bytes: int
    latency_ms: float
    latency_ratio: float
    seconds: float
    photos: int
    agreement: float
    model_accuracy: float
    largest_gap: float
    multiply_adds: int | None = None
    task: str = "classification"
    unit: str = ""
    drop_unit: float = 1.0
    accuracy_interval: tuple[float, float] | None = None
    groups: int | None = None
    mean_gap: float | None = None

    @property
    def name(self) -> str:
        """What to call it, e.g. `"channels-0.5 int8"`."""
        return self.quantization if self.model == "fitted" else f"{self.model} {self.quantization}"

    @property
    def quality_name(self) -> str:
        """What `accuracy` is called."""
        return get_task(self.task).quality_name

    @property
    def quality(self) -> str:
        """`accuracy` in words."""
        return get_task(self.task).in_words(self.accuracy, self.output)

    @property
    def output(self) -> OutputSpec:
        """What is known of its answers."""
        return OutputSpec(name="", task=self.task, unit=self.unit)

    @property
    def points(self) -> str:
        """What a drop is told in, a hundredth of its unit: of 100 %, or of a spread of numbers."""
        return "points" if self.drop_unit == 1 else "% of how far the numbers spread"

    @property
    def judged_drop(self) -> float:
        """The drop that it is judged by: one standard error worse than what was seen, since
        the best of many candidates was also lucky."""
        return self.drop + self.drop_error

    @property
    def costs(self) -> tuple[float, float, float]:
        """Errors, size and time, by which no other file may beat it on the Pareto front."""
        return -self.accuracy, self.size_bytes, self.latency_ratio

    def cost(self, reference: "Candidate") -> float:
        """Return size and latency in one number: the geometric mean of both by another's."""
        return math.sqrt(self.size_bytes / reference.size_bytes * self.latency_ratio)

    def refusals(self, tolerance: "Tolerance") -> tuple[str, ...]:
        """Say why an export of the file would be refused, by the numbers of these photos.

        Args:
            tolerance: How far a file may differ from the model that is in it.
        """
        from kerasrecipes.verify.verification import find_failures

        found = {
            "photos": self.photos,
            "agreement": self.agreement,
            "accuracy": self.accuracy,
            "reference_accuracy": self.model_accuracy,
            "accuracy_difference": self.accuracy - self.model_accuracy,
            "largest_gap": self.largest_gap,
            "mean_gap": self.mean_gap,
            "task": self.task,
            "drop_unit": self.drop_unit,
        }
        # What is answered with NaN agrees with nothing.
        return find_failures(found, tolerance, bad_rows=0)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-safe data."""
        return {**asdict(self), "drop_interval": tuple(map(encode_float, self.drop_interval))}


@dataclass
class FileJudge:
    """Measures exported files on the same photos, against the same float file.

    Args:
        val: The photos, which no candidate was trained on.
        output: What the files answer with.
        reference: The float file.
        answers: What that one says about each photo; measured at first use.
    """

    val: Examples
    output: OutputSpec
    reference: Path
    answers: np.ndarray | None = None

    def __post_init__(self) -> None:
        self._task = get_task(self.output.task)
        self._targets = self._task.targets(self.val, self.output)
        self._groups = group_numbers(self.val.groups, len(self.val))

    def measure(
        self,
        path: Path,
        model: str,
        quantization: str,
        seconds: float,
        scores: np.ndarray | None = None,
        **facts: Any,
    ) -> Candidate:
        """Run a file on all photos and time it in turns with the float file.

        Args:
            path: The file.
            model: What was done to the model.
            quantization: How the file was written.
            seconds: What it took so far.
            scores: What the model in the file says about the photos, shape `(n, width)`;
                `None` for the answers of the float file.
            **facts: Further arguments of `Candidate`.

        Returns:
            The `Candidate`.

        Raises:
            DataError: If a photo cannot be read, or changed since it was scanned.
        """
        answers = file_answers(path, self.val, self.output)
        if self.answers is None:
            same = path == self.reference
            self.answers = answers if same else file_answers(self.reference, self.val, self.output)
        unit = self._task.gap_unit(self.answers)
        median, ratio = self._latency(path)
        return Candidate(
            model=model,
            quantization=quantization,
            accuracy=float(self._quality(answers).mean()),
            **self._drop(answers, self.answers, unit),
            **self._of_classes(answers, self.answers),
            size_bytes=path.stat().st_size,
            latency_ms=median,
            latency_ratio=ratio,
            seconds=seconds,
            **self._likeness(answers, self.answers if scores is None else scores),
            task=self.output.task,
            unit=self.output.unit,
            drop_unit=unit,
            **facts,
        )

    def _quality(self, answers: np.ndarray) -> np.ndarray:
        return self._task.quality(self._targets, answers, self.output)

    def _drop(self, answers: np.ndarray, exact: np.ndarray, unit: float) -> dict[str, Any]:
        """Compare a file's answers with those of the float file."""
        before, now = self._quality(exact), self._quality(answers)
        drops, count = (before - now) / unit, len(now)
        total, squares = float(drops.sum()), float((drops**2).sum())
        error = math.sqrt(max(0.0, squares - total**2 / count)) / count
        if self._groups is not None:
            # Where all are of one group, all that is lost might be luck.
            error = min(1.0, clustered_error(drops, self._groups))
        is_share = np.isin(before, (0, 1)).all() and np.isin(now, (0, 1)).all()
        shown = share_of(now, self._groups) if is_share else None
        return {
            "drop": total / count,
            "drop_interval": mean_difference_interval(before / unit, now / unit, self._groups),
            "drop_error": error,
            "accuracy_interval": shown and (shown.low, shown.high),
            "groups": units_of(self._groups),
        }

    def _of_classes(self, answers: np.ndarray, exact: np.ndarray) -> dict[str, Any]:
        """Tell how much of each class is found, where there are classes."""
        right = self._task.right(self._targets, answers, self.output)
        before = self._task.right(self._targets, exact, self.output)
        if right is None or before is None:
            return {"recalls": (), "worst_class": "", "worst_drop": 0.0}
        recalls = self._recalls(right)
        drops = self._recalls(before) - recalls
        worst = int(np.nanargmax(drops))
        return {
            "recalls": tuple(None if np.isnan(r) else float(r) for r in recalls),
            "worst_class": self.output.class_names[worst],
            "worst_drop": float(drops[worst]),
        }

    def _recalls(self, right: np.ndarray) -> np.ndarray:
        shown = [self._targets == k for k in range(len(self.output.class_names))]
        return np.array([right[mask].mean() if mask.any() else np.nan for mask in shown])

    def _likeness(self, answers: np.ndarray, scores: np.ndarray) -> dict[str, Any]:
        """Compare a file's answers with those of the model that is in it."""
        from kerasrecipes.verify.comparing import score_gaps

        return {
            "photos": len(scores),
            "agreement": float(self._task.agree(scores, answers, self.output).mean()),
            "model_accuracy": float(self._quality(scores).mean()),
            **score_gaps(answers, scores, self._task),
        }

    def _latency(self, path: Path) -> tuple[float, float]:
        from kerasrecipes.export import get_format
        from kerasrecipes.verify.latency import time_in_turns

        load = get_format("tflite").load
        models = {"float": load(self.reference), "candidate": load(path)}
        calls = {
            key: partial(model, stand_in(model.shape, model.dtype)[None])
            for key, model in models.items()
        }
        found = time_in_turns(calls, runs=50)
        ratio = found["candidate"].median_ms / found["float"].median_ms
        return found["candidate"].median_ms, 1.0 if path == self.reference else ratio


def file_answers(path: Path, examples: Examples, output: OutputSpec) -> np.ndarray:
    """Return what an exported file says about examples, read one by one from their files.

    Args:
        path: A `.tflite` file.
        examples: The examples.
        output: Which of its answers.

    Returns:
        float32, shape `(n, width)`.

    Raises:
        DataError: If a photo cannot be read, or changed since it was scanned.
    """
    from kerasrecipes.export import get_format
    from kerasrecipes.export.format import ask

    model = get_format("tflite").load(path)
    return ask(model, examples.each(model.shape), output)
