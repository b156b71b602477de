"""The facts of one fit, as data: JSON goes in and out, pictures and pages are made elsewhere."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, ConfigDict

from kerasrecipes.arguments import named
from kerasrecipes.errors import DataError, printable
from kerasrecipes.evaluation.base import Result
from kerasrecipes.heads import get_task
from kerasrecipes.records import Measured, checked, parse_json
from kerasrecipes.report.plain_values import plain
from kerasrecipes.report.words import duration, share
from kerasrecipes.statistics.estimate import decode_float, encode_float
from kerasrecipes.statistics.shown import Part, Shown

SCHEMA = 1
_ON_VAL = "val_"


def _checked_step(step: dict[str, Any]) -> dict[str, Any]:
    """Make sure that a sentence can be made of what was done to a model."""
    for side in ("before", "after"):
        facts = checked(dict[str, Any], step.get(side, {}))
        checked(dict[str, float], {name: one for name, one in facts.items() if is_quality(name)})
    return step


Step = Annotated[dict[str, Any], AfterValidator(_checked_step)]


@dataclass(frozen=True)
class FreezeRow:
    """What one block of a model does in one stage.

    Args:
        block: Name of the block, e.g. `"stem"`, `"block6"`, `"head"`.
        layers: Number of its layers that have weights.
        parameters: Number of its parameters.
        trained: Whether this stage changes them.
        batch_norm: What its batch normalisation does, e.g. `"statistics frozen"`; `""` if none.
    """

    block: str
    layers: int
    parameters: int
    trained: bool
    batch_norm: str = ""


@dataclass
class StageReport:
    """One stage of a schedule, as it ran.

    Args:
        name: Name of the stage, e.g. `"head"`.
        epochs_planned: Epochs that the schedule asked for.
        epochs_run: Epochs that ran.
        best_epoch: Epoch of this stage, counted from 1, whose weights were kept; 0 if none was
            better than the start, `None` if all ran and the last one was.
        learning_rate: Peak learning rate.
        trainable_parameters: Parameters that this stage could change.
        total_parameters: Parameters of the whole model.
        freeze_table: One row per block.
        history: One list per quantity, e.g. `"loss"`, `"val_loss"`, `"val_accuracy"`,
            `"learning_rate"`, with one number per epoch run.
        seconds: Wall time.
        precision: What the backbone computed in, e.g. `"mixed_float16"`; `""` if unknown.
        devices: How many devices shared each batch; 0 if unknown.
    """

    name: str
    epochs_planned: int
    epochs_run: int
    best_epoch: int | None
    learning_rate: float
    trainable_parameters: int
    total_parameters: int
    freeze_table: list[FreezeRow] = field(default_factory=list)
    history: dict[str, list[Measured]] = field(default_factory=dict)
    seconds: float = 0.0
    precision: str = ""
    devices: int = 0

    def __post_init__(self) -> None:
        self.learning_rate = float(self.learning_rate)
        self.seconds = float(self.seconds)
        # Keras hands out numpy and Python numbers mixed; one nan object makes reports comparable.
        self.history = {
            str(key): [decode_float(encode_float(value)) for value in values]
            for key, values in self.history.items()
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the stage as JSON-safe data."""
        found = asdict(self)
        found["history"] = {k: [encode_float(v) for v in vs] for k, vs in self.history.items()}
        return plain(found)

    @classmethod
    @named
    def from_dict(cls, data: Mapping[str, Any]) -> "StageReport":
        """Build the stage from what `to_dict` returned.

        Raises:
            DataError: If something is missing, or of another kind.
        """
        try:
            return checked(cls, data)
        except ValueError as error:
            raise DataError(
                f"The stage is damaged: {error}. Restore its file, or fit again."
            ) from error


@dataclass
class DataReport:
    """The photos that a fit saw.

    Args:
        source: The folder or table that was scanned.
        counts: Photos per split and class, e.g. `{"train": {"ok": 900, "crack": 80}}`.
        digests: SHA-256 of each split's contents and labels.
        excluded: Number of files that could not be used.
        leaks: One sentence per leak found between the splits.
        sizes: Photos per split, where a photo may have several labels, or none.
        split_by: How `split_photos` made the splits: `"random"`, `"group"`, `"time"` or
            `"declared"`; `""` if it did not.
    """

    source: str = ""
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    excluded: int = 0
    leaks: list[str] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    split_by: str = ""

    def __post_init__(self) -> None:
        self.counts = plain(self.counts)
        self.leaks = [str(leak) for leak in self.leaks]

    @property
    def split_sentence(self) -> str:
        """Say how the photos were split, after a space; empty if that is not known."""
        ways = {"declared": "as their source declares", "random": "at random"}
        way = ways.get(self.split_by, f"by {printable(self.split_by)}")
        return f" Split {way}." if self.split_by else ""

    def total(self, split: str) -> int:
        """Number of photos in one split."""
        return self.sizes.get(split, sum(self.counts.get(split, {}).values()))

    def add(self, split: str, counts: Mapping[str, int], size: int, digest: str) -> None:
        """Take down one split.

        Args:
            split: Its name.
            counts: Its photos per class or label.
            size: Number of its photos.
            digest: SHA-256 of its contents and labels.
        """
        self.counts[split], self.digests[split] = plain(counts), digest
        if size != sum(counts.values()):
            self.sizes[split] = size


@dataclass
class RunReport(Shown):
    """Everything worth knowing about one fit.

    Args:
        name: What the user calls the model.
        created: When, ISO 8601 with time zone.
        recipe: The recipe's configuration.
        data: The photos.
        stages: What trained, stage by stage.
        evaluations: Results by split, e.g. `"val"`, `"test"`.
        metrics: What the recipe's `metrics` say, by split and name.
        exports: One dict per exported file: `format`, `quantization`, `file`, `size_bytes` and
            `verification`.
        warnings: What the user should know first.
        interrupted: Whether the fit was stopped by hand before its end.
        seeds: Every seed that was used.
        versions: Library versions.
        weights: Where the pretrained weights are from: `name`, `source`, `licence`.
        callbacks: What callbacks had to say in their `summary()`, by callback.
        choices: What the fit chose and why, a sentence each.
        optimization: What was done to the model after the fit, in order: `name`, `summary`,
            `options`, and facts `before` and `after`.

    Example:
        >>> report = RunReport(name="tiles", created="2026-01-01T00:00:00+00:00")
        >>> RunReport.from_json(report.to_json()) == report
        True
    """

    __pydantic_config__: ClassVar = ConfigDict(arbitrary_types_allowed=True)

    name: str
    created: str
    recipe: dict[str, Any] = field(default_factory=dict)
    data: DataReport = field(default_factory=DataReport)
    stages: list[StageReport] = field(default_factory=list)
    evaluations: dict[str, Result] = field(default_factory=dict)
    metrics: dict[str, dict[str, Measured]] = field(default_factory=dict)
    exports: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    interrupted: bool = False
    seeds: dict[str, int] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    weights: dict[str, str] = field(default_factory=dict)
    callbacks: dict[str, dict[str, Any]] = field(default_factory=dict)
    choices: list[str] = field(default_factory=list)
    optimization: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        # Stored as JSON will give it back, so that a report equals its own copy from a file.
        for name in (
            "recipe", "exports", "warnings", "seeds", "versions", "weights", "callbacks",
            "optimization",
        ):  # fmt: skip
            setattr(self, name, plain(getattr(self, name)))

    @property
    def seconds(self) -> float:
        """Wall time of all stages."""
        return sum(stage.seconds for stage in self.stages)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as data that JSON can hold: no NaN, no numpy, no tuples."""
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        found["data"] = asdict(self.data)
        found["stages"] = [stage.to_dict() for stage in self.stages]
        found["metrics"] = {
            split: {k: encode_float(v) for k, v in own.items()}
            for split, own in self.metrics.items()
        }
        found["evaluations"] = {k: v.to_dict() for k, v in self.evaluations.items()}
        return {"schema": SCHEMA, **plain(found)}

    @classmethod
    @named
    def from_dict(cls, data: Mapping[str, Any]) -> "RunReport":
        """Build a report from what `to_dict` returned.

        Raises:
            DataError: If the data is not a report, or was written by a newer version.
        """
        if not isinstance(data, Mapping) or not isinstance(data.get("schema"), int):
            raise DataError(
                "This is not a run report: it has no 'schema' number. "
                "Pass what RunReport.to_dict() returned, or the report.json of a bundle."
            )
        if data["schema"] > SCHEMA:
            raise DataError(
                f"The run report has schema {data['schema']}, and this version of kerasrecipes "
                f"reads up to {SCHEMA}. Upgrade kerasrecipes."
            )
        try:
            evaluated = checked(dict[str, dict[str, Any]], data.get("evaluations", {}))
            evaluations = {
                split: get_task(found.get("task", "classification")).read(found)
                for split, found in evaluated.items()
            }
            return checked(cls, {**data, "evaluations": evaluations})
        except ValueError as error:
            raise DataError(
                f"The run report is damaged: {str(error).removesuffix('.')}. Restore its file, or "
                "fit again."
            ) from error

    def to_json(self) -> str:
        """Return the report as JSON text that any strict parser reads."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n"

    @classmethod
    @named
    def from_json(cls, text: str | bytes) -> "RunReport":
        """Read what `to_json` wrote.

        Raises:
            DataError: If the text is not JSON, or not a report.
        """
        try:
            data = parse_json(text)
        except ValueError as error:
            raise DataError(
                f"The run report is damaged: {error}. Restore its file, or fit again."
            ) from error
        return cls.from_dict(data)

    @property
    def noun(self) -> str:
        """What people call an example."""
        told = (one.item for one in self.evaluations.values() if one.item != type(one).item)
        return next(told, "photo")

    def parts(self) -> Iterator[Part]:
        """Yield what was trained on what, what to know of it, and how well it does."""
        yield f"{printable(self.name)}, {self.created}"
        if self.interrupted:
            yield "Stopped by hand before its end; the best weights so far were kept."
        splits = [f"{self.data.total(s)} {printable(s)}" for s in self.data.counts]
        if splits:
            left_out = f" ({self.data.excluded} files left out)" if self.data.excluded else ""
            noun = f"{self.noun}s".capitalize()
            yield f"{noun}: {', '.join(splits)}{left_out}.{self.data.split_sentence}"
        yield from map(printable, self.choices)
        yield from map(stage_sentence, self.stages)
        yield from map(optimization_sentence, self.optimization)
        yield from (f"Warning: {printable(text)}" for text in self.warnings)
        yield from (f"Leak: {printable(text)}" for text in self.data.leaks)
        for split, evaluation in self.evaluations.items():
            yield from ("", f"On the {printable(split)} {self.noun}s:", evaluation)
            if own := self.metrics.get(split):
                values = ", ".join(f"{printable(k)} {v:.3g}" for k, v in own.items())
                yield f"Measured besides: {values}."


def stage_sentence(stage: StageReport) -> str:
    """Say in one sentence what a stage did.

    Example:
        >>> stage_sentence(StageReport("head", 5, 5, 4, 1e-3, 200, 1000, seconds=12.0))
        "Stage 'head': 5 of 5 epochs in 12 s, 20% of the parameters trained, epoch 4 was kept."
    """
    trained = share(stage.trainable_parameters, stage.total_parameters)
    kept = f", epoch {stage.best_epoch} was kept" if stage.best_epoch else ""
    if stage.best_epoch == 0:
        kept = ", no epoch was better than the start, which was kept"
    return (
        f"Stage '{printable(stage.name)}': {stage.epochs_run} of {stage.epochs_planned} epochs in "
        f"{duration(stage.seconds)}, {trained} of the parameters trained"
        f"{computing_clause(stage.precision, stage.devices)}{kept}."
    )


def computing_clause(precision: str, devices: int) -> str:
    """Say what training computed in and on, where that is not float32 on one device.

    Example:
        >>> computing_clause("mixed_float16", 2)
        ' in mixed_float16 on 2 devices'
    """
    narrow = f" in {precision}" if precision not in {"", "float32"} else ""
    return narrow + (f" on {devices} devices" if devices > 1 else "")


def optimization_sentence(step: Mapping[str, Any]) -> str:
    """Say in one line what was done to a model after its fit.

    Example:
        >>> optimization_sentence({"name": "prune", "summary": "Half of the channels went.",
        ...     "before": {"val_accuracy": 0.95}, "after": {"val_accuracy": 0.94}})
        'Optimized by prune: Half of the channels went. Accuracy on val: 95.0% before, 94.0% after.'
    """
    before, after = (step.get(side, {}) for side in ("before", "after"))
    compared = ""
    # What is undefined is `None`.
    for fact in (f for f in after if is_quality(f) and None not in (after[f], before.get(f))):
        quality, form = fact.removeprefix(_ON_VAL), ".1%" if "accuracy" in fact else ".3g"
        sides = " before, ".join(format(side[fact], form) for side in (before, after))
        compared = f" {quality.replace('_', ' ').capitalize()} on val: {sides} after."
    name, summary = step.get("name", "?"), step.get("summary", "")
    return f"Optimized by {printable(name)}: {printable(summary)}{compared}"


def is_quality(fact: str) -> bool:
    """Tell whether a fact about a step says how good the model is, rather than what it costs."""
    return fact.startswith(_ON_VAL)
