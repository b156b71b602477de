"""Exported backbones side by side: what each costs, which keep to limits, which one to take."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.errors import printable, unknown_name
from kerasrecipes.evaluation.base import Result
from kerasrecipes.evaluation.file_limits import FileLimits, Miss, check_limit
from kerasrecipes.evaluation.task import Task
from kerasrecipes.heads import get_task
from kerasrecipes.statistics.clustered import clustered_error
from kerasrecipes.statistics.estimate import Estimate

if TYPE_CHECKING:
    from kerasrecipes.verify import Latency


@dataclass(frozen=True)
class BackboneFile:
    """One backbone with a linear head, in one kind of file.

    Args:
        backbone: The backbone's name.
        quantization: `"int8"` or `"float32"`.
        accuracy: Share of photos that the head gets right, in float32; of another task the
            mean of `Task.quality`, an error with a minus.
        recalls: Share of the photos of each class, or with each label, that the head finds.
        latency: Threads to milliseconds for one photo, on this machine.
        size_bytes: Size of the exported file.
        agreement: Share of photos that the file answers as the head does in float32.
        same_model: Whether that is as close as an export must come to the model it is made of.
        qualities: How good the answer to each photo is, split after split: 1 if its class is
            right, 0 if not; see `Task.quality`.
        task: What the head is for; see `kerasrecipes.heads.get_task`.
        evaluation: All that the task says of these answers; `None` of one class each.
    """

    backbone: str
    quantization: str
    accuracy: Estimate
    recalls: Mapping[str, Estimate]
    latency: Mapping[int, "Latency"]
    size_bytes: int
    agreement: float
    same_model: bool
    qualities: np.ndarray = field(repr=False, compare=False)
    task: str = "classification"
    evaluation: Result | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{printable(self.backbone)} as {self.quantization}"

    @property
    def latency_ms(self) -> float:
        """Median milliseconds for one photo, with one thread."""
        return self.latency[1].median_ms

    @property
    def costs(self) -> tuple[float, float, float]:
        """Errors, time and size, by which no other file may beat it on the Pareto front."""
        return -self.accuracy.value, self.latency_ms, self.size_bytes

    @property
    def weakest_class(self) -> str:
        """The class with the lowest recall, of those that could be measured; `""` if none was."""
        measured = {k: r.value for k, r in self.recalls.items() if not math.isnan(r.value)}
        return min(measured, key=measured.__getitem__, default="")

    @property
    def in_words(self) -> str:
        """`accuracy` as people read it, with its interval."""
        return get_task(self.task).estimate_in_words(self.accuracy, _output(self.task))

    def to_dict(self) -> dict:
        """Return the numbers as JSON-safe data."""
        task = get_task(self.task)
        quality = re.sub(r"\W", "_", task.quality_name)
        judged = {} if self.evaluation is None else {"evaluation": self.evaluation.to_dict()}
        return {
            "backbone": self.backbone,
            "quantization": self.quantization,
            quality: task.shown_estimate(self.accuracy).to_list(),
            "recalls": {name: recall.to_list() for name, recall in self.recalls.items()},
            "latency": {str(threads): asdict(found) for threads, found in self.latency.items()},
            "size_bytes": self.size_bytes,
            "agreement": self.agreement,
            "same_model": self.same_model,
            **judged,
        }


def _output(task: str) -> OutputSpec:
    """Describe answers of which no more is known than what they are for."""
    return OutputSpec(name="", task=task)


@dataclass(frozen=True, kw_only=True)
class BackboneLimits(FileLimits):
    """What a file must keep to, besides size and time; `None` where there is no limit.

    Args:
        min_recall: Smallest recall of the weakest class or label, or of each one that is named.

    Raises:
        ValueError: If a limit is not above 0, or a recall is above 1.
    """

    min_recall: float | Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        recalls = self.min_recall
        for recall in recalls.values() if isinstance(recalls, Mapping) else [recalls]:
            check_limit("min_recall", recall, most=1)

    def check_classes(self, class_names: Iterable[str]) -> None:
        """Raise a `ValueError` if `min_recall` is about a class that there is not."""
        class_names = tuple(class_names)
        if self.min_recall is not None and not class_names:
            raise ValueError(
                "`min_recall` would have no effect: the photos have a number each, and no classes "
                "to be found. Leave it out."
            )
        named = self.min_recall if isinstance(self.min_recall, Mapping) else {}
        for name in named:
            if name not in class_names:
                raise unknown_name("class", name, class_names, "kerasrecipes doctor")

    def recalls(self, candidate: BackboneFile) -> Mapping[str, float]:
        """Return the least recall of each class that is limited."""
        if isinstance(self.min_recall, Mapping):
            return self.min_recall
        weakest = candidate.weakest_class
        return {} if self.min_recall is None or not weakest else {weakest: self.min_recall}

    def misses(self, file: BackboneFile) -> list[Miss]:
        """Say which limits a file breaks.

        Args:
            file: What was measured.
        """
        found = super().misses(file)
        for name, least in self.recalls(file).items():
            recall = file.recalls[name]
            if not recall.value >= least:  # NaN, where the class was not measured, is a miss
                limit = f"less than {100 * least:g}%"
                text = f"finds {recall.percent(1)} of '{printable(name)}', {limit}"
                found.append(Miss("recall too low", text, 1 - np.nan_to_num(recall.value) / least))
        if not file.same_model:
            differing = 1 - file.agreement
            text = f"answers {differing:.0%} of the photos differently from the model itself"
            found.append(Miss("answers differ", text, differing))
        return found


def choose(
    candidates: Sequence[BackboneFile], limits: BackboneLimits, units: np.ndarray
) -> tuple[BackboneFile | None, str]:
    """Choose the fastest file among the accurate ones that keep to the limits.

    A difference in accuracy, or what the task has in its place, counts from one standard error
    on, of the paired difference on the same photos; below it, the faster file is preferred.

    Args:
        candidates: What was measured, on the same photos in the same order.
        limits: What is asked for.
        units: What each photo belongs to, ≥ 0, in the order of `BackboneFile.qualities`.

    Returns:
        The choice, `None` if nothing fits, and the reason.

    Reference:
        Breiman et al., 1984, "Classification and Regression Trees", section 3.4.3: the rule
        of one standard error. Bonett and Price, 2012: the two added photos.
    """
    fitting = [candidate for candidate in candidates if not limits.misses(candidate)]
    if not fitting:
        if not candidates:
            return None, "None fits, because none could be measured."
        nearest, broken = limits.closest(candidates)
        return None, f"None fits: the closest is {nearest}, which {broken}."
    top = max(fitting, key=lambda c: (c.accuracy.value, -c.latency_ms))

    def gap_and_error(candidate: BackboneFile) -> tuple[float, float]:
        lead = top.qualities - candidate.qualities
        # One more photo each way, or two files that differ on one photo would differ for sure.
        most = np.abs(lead).max(initial=0)
        padded = np.append(lead, [most, -most]), np.append(units, [-1, -2])
        return float(lead.mean()), clustered_error(*padded)

    close = [c for c in fitting if c is top or np.subtract(*gap_and_error(c)) <= 0]
    best = min(close, key=lambda c: (c.latency_ms, c.size_bytes))
    gap, error = gap_and_error(best)
    if len(fitting) == 1:
        why = "it is the only one that fits"
    else:
        why = f"of the {len(fitting)} that fit, {_place(get_task(best.task), top, gap, error)}"
    return best, f"Recommended: {best}, because {why}.{_doubts(best, limits)}"


def _place(task: Task, top: BackboneFile, gap: float, error: float) -> str:
    """Say how the choice stands to the best of those that fit."""
    shares = task.quality_name.endswith("accuracy")
    if gap == 0:
        best = "is the most accurate" if shares else f"has the best {task.quality_name}"
        return f"it {best}, and none so good is faster"
    better = f"{100 * gap:.1f} ± {100 * error:.1f} points"
    if not shares:
        better = f"{gap:.3g} ± {error:.2g} {task.unit(_output(task.name))}".strip()
    return (
        f"it is the fastest whose {task.quality_name} cannot be told from the best, {top} "
        f"({better} better)"
    )


def _doubts(best: BackboneFile, limits: BackboneLimits) -> str:
    """Say where the interval of a recall reaches below its limit."""
    doubts = [
        f"'{printable(name)}' may be as low as {best.recalls[name].low:.0%}"
        for name, least in limits.recalls(best).items()
        if not best.recalls[name].low >= least
    ]
    if not doubts:
        return ""
    return f" The recall is not certain, though: that of {', '.join(doubts)}."
