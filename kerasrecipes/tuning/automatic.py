"""From photos to a file within budgets, in one call: check, recommend, tune, train, optimize."""

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from kerasrecipes.arguments import named
from kerasrecipes.bundles.versions import check_model_folder
from kerasrecipes.choosing.bench import scanned
from kerasrecipes.choosing.recommend import recommend_backbone
from kerasrecipes.console import heeds_verbose, kept_if_interrupted, say
from kerasrecipes.errors import DataError, printable
from kerasrecipes.evaluation.base import Result
from kerasrecipes.files import told_plainly, write_whole
from kerasrecipes.heads.head import HEAD_OF
from kerasrecipes.optimization.bundle_optimization import optimize_bundle
from kerasrecipes.optimization.search.limits import Limits
from kerasrecipes.photos.check import check_photos
from kerasrecipes.photos.photo_set import PhotoSet
from kerasrecipes.photos.split import split_photos
from kerasrecipes.records import checked, parse_json
from kerasrecipes.regular import read_regular
from kerasrecipes.settings.judging import judge_recipe
from kerasrecipes.statistics.shown import Part, Shown
from kerasrecipes.statistics.tables import Table
from kerasrecipes.training.image_classifier import ImageClassifier
from kerasrecipes.training.keeping import kept_on_error, save_or_keep
from kerasrecipes.tuning.deadline import Deadline, NothingMeasured
from kerasrecipes.tuning.space import in_words
from kerasrecipes.tuning.tuning import clock_of, tune

RECORD = "auto.json"
# At which share of the minutes each step must have ended.
ENDS = {"check": 0.1, "recommend": 0.3, "tune": 0.45, "train": 0.75, "optimize": 1.0}


@dataclass
class AutoStep:
    """One step of the way.

    Args:
        name: Which one.
        seconds: What it took.
        told: What came of it.
        value: What the next steps need of it, as plain values; `None` where it came to nothing.
    """

    name: str
    seconds: float
    told: str
    value: Any = None


@dataclass(frozen=True)
class Automatic(Shown):
    """What `auto` made of photos; print it.

    Args:
        steps: The steps, with what each took.
        minutes: The budget.
        folder: The trained model.
        small: The model whose file keeps to the limits; `None` if none does.
        message: What was reached, or what comes nearest.
    """

    steps: tuple[AutoStep, ...]
    minutes: float
    folder: Path
    small: Path | None
    message: str

    @property
    def met(self) -> bool:
        """Whether a file keeps to the limits."""
        return self.small is not None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-safe data."""
        return {
            "steps": [{"name": s.name, "seconds": s.seconds, "told": s.told} for s in self.steps],
            "minutes": self.minutes,
            "folder": str(self.folder),
            "small": self.small and str(self.small),
            "met": self.met,
            "message": self.message,
        }

    def parts(self) -> Iterator[Part]:
        """Yield what was spent where, where the models are, and what was reached."""
        rows = tuple((s.name, f"{s.seconds / 60:.1f} min", s.told) for s in self.steps)
        spent = sum(step.seconds for step in self.steps) / 60
        yield f"Spent {spent:.1f} of {self.minutes:g} minutes:"
        yield from ("", Table("", ("step", "took", ""), rows, right=(1,)), "")
        yield f"The trained model: {printable(self.folder)}"
        if self.small is not None:
            yield f"The small one, with its file: {printable(self.small)}"
        yield self.message


@named
@heeds_verbose
def auto(
    photos: PhotoSet | str | Path,
    to: str | Path,
    *,
    minutes: float = 20.0,
    max_size_mb: float | None = None,
    max_latency_ms: float | None = None,
    max_drop: float = 0.01,
    backbones: Sequence[str] | None = None,
    measure: str = "loss",
    group_by: str | None = None,
    split_by: str = "auto",
    seed: int = 0,
    run_folder: str | Path | None = None,
    verbose: bool = True,
) -> Automatic:
    """Make a model of photos, and a file of it that keeps to limits, within minutes.

    One after the other: the photos are checked; backbones are compared, as `recommend_backbone`
    does; settings of the head are searched, as `tune` does; the model is trained, measured on
    photos that were set aside, and saved; and smaller files of it are made, as
    `optimize_bundle` does, until one that was really written and timed keeps to the limits. A step
    that comes to the end of its share of the minutes is left with what it has.

    Args:
        photos: A scanned set, or a folder or table; see `scan_photos`.
        to: The model's folder, e.g. `"saved_models/tiles"`; the small one gets `_small` behind it.
        minutes: How long it may take in all, earlier runs in the same folder included.
        max_size_mb: Largest file, in 10⁶ bytes; `None` for any.
        max_latency_ms: Longest median time for one photo, on this machine with one thread.
        max_drop: Largest drop of accuracy for the sake of the file, as a fraction.
        backbones: What to compare; `None` for those whose weights install with pip. One alone is
            taken without a comparison.
        measure: By what heads are compared; see `tune`.
        group_by: What photos of one part have in common; see `scan_photos`.
        split_by: `"auto"`, `"random"`, `"group"` or `"time"`; see `split_photos`.
        seed: Seed of everything that is drawn.
        run_folder: Keeps what each step found, so that the same call goes on after a break;
            `None` keeps nothing.
        verbose: Whether to print what is done.

    Returns:
        What was made, and what it took; print it. If no file keeps to the limits, `met` is false
        and `message` names the nearest.

    Raises:
        ValueError: If an argument is not usable.
        DataError: If the photos do not suit training, the minutes were over before there was a
            model, or the run folder holds another run.
        MissingDependencyError: If the extra `tune` is not installed.
        OSError: If nothing can be written in a folder.
        KeyboardInterrupt: If interrupted; the steps that ended are kept in the run folder.
    """
    to = Path(to)
    small = to.with_name(f"{to.name}_small")
    limits = Limits(max_drop, max_latency_ms=max_latency_ms, max_size_mb=max_size_mb)
    clock_of(minutes)
    for folder in (to, small):
        check_model_folder(folder)
    found = scanned(photos, group_by)
    names = [limits.max_size_mb, limits.max_latency_ms, max_drop, backbones and list(backbones)]
    identity = {"photos": found.digest(), "asked": [*names, measure, split_by, seed, str(to)]}
    steps = _Steps(None if run_folder is None else Path(run_folder), minutes, identity)
    way = _Way(found, to, small, limits, backbones, measure, split_by, seed, steps)
    with kept_if_interrupted(steps.folder):
        return way.go()


@dataclass
class _Record:
    """What `auto.json` holds."""

    identity: dict[str, Any]
    steps: list[AutoStep]


@dataclass
class _Steps:
    """The steps that were taken, each within its share of the minutes.

    Args:
        folder: Where they are kept; `None` for nowhere.
        minutes: For all of them.
        identity: What must be the same for a run to be gone on with.
    """

    folder: Path | None
    minutes: float
    identity: dict[str, Any]
    done: list[AutoStep] = field(default_factory=list)

    def __post_init__(self) -> None:
        path = self.folder and self.folder / RECORD
        if path is None or not os.path.lexists(path):
            return
        try:
            known = checked(_Record, parse_json(read_regular(path)))
        except ValueError as error:
            raise DataError(
                f"'{printable(path)}' is damaged: {error}. Name another run folder."
            ) from error
        if known.identity != json.loads(json.dumps(self.identity)):
            raise DataError(
                f"'{printable(self.folder)}' holds a run of other photos, or with other arguments. "
                "Name another folder."
            )
        self.done = known.steps

    def inside(self, name: str) -> Path | None:
        """Return the folder in which a step keeps its own things."""
        return self.folder and self.folder / name

    def take(self, name: str, action: Callable[[Deadline], tuple[Any, str]]) -> Any:
        """Take a step, unless it was taken in an earlier run.

        Args:
            name: Which one, of `ENDS`.
            action: Called with the moment when it must have ended; returns a value, and what came
                of it.
        """
        for step in self.done:
            if step.name == name:
                say(f"Step '{name}' was taken already: {step.told}")
                return step.value
        left = ENDS[name] * self.minutes - sum(step.seconds for step in self.done) / 60
        began, value = time.monotonic(), None
        say(f"\nStep '{name}', up to {max(left, 0):.1f} minutes:")
        deadline = Deadline(left)
        try:
            if left <= 0:
                raise KeyboardInterrupt
            with deadline:
                value, told = action(deadline)
        except KeyboardInterrupt:
            if not deadline.passed:
                raise
            told = "not finished within its share of the minutes"
        self.done.append(AutoStep(name, time.monotonic() - began, told, value))
        self._write()
        return value

    def break_off(self, name: str) -> None:
        """Let a step be taken again by the same call with more minutes; its time counts."""
        for step in self.done:
            if step.name == name:
                step.name = f"{name}, broken off"
        self._write()

    def _write(self) -> None:
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        steps = [vars(step) for step in self.done]
        content = json.dumps({"identity": self.identity, "steps": steps}, indent=2)
        with told_plainly(self.folder):
            write_whole(self.folder / RECORD, content.encode())


@dataclass
class _Way:
    """The way from photos to a file; see `auto` for what is asked."""

    photos: PhotoSet
    to: Path
    small: Path
    limits: Limits
    backbones: Sequence[str] | None
    measure: str
    split_by: str
    seed: int
    steps: _Steps
    stopped: bool = False

    def go(self) -> Automatic:
        """Take all steps."""
        self.steps.take("check", self._check)
        backbone = self.steps.take("recommend", self._recommend)
        config = self.steps.take("tune", lambda until: self._tune(backbone, until))
        recipe = self._recipe(backbone) if config is None else ImageClassifier.from_config(config)
        folder = self.steps.take("train", lambda until: self._train(recipe, until))
        if self.stopped:
            raise KeyboardInterrupt
        if folder is None:
            self.steps.break_off("train")
            raise DataError(
                f"{self.steps.minutes:g} minutes were over before there was a model. Pass more "
                "`minutes`, fewer photos, or one small backbone."
            )
        reached = self.steps.take("optimize", lambda until: self._optimize(folder, until))
        small, message = reached or (None, self._unreached())
        done, minutes = tuple(self.steps.done), self.steps.minutes
        return Automatic(done, minutes, Path(folder), small and Path(small), message)

    def _unreached(self) -> str:
        self.steps.break_off("optimize")
        return (
            "The minutes were over before a file was known to keep to the limits. The same call "
            "with more goes on, where a run folder is named."
        )

    @cached_property
    def _sides(self) -> tuple[PhotoSet, PhotoSet, PhotoSet]:
        return split_photos(self.photos, split_by=self.split_by, seed=self.seed)

    def _check(self, until: Deadline) -> tuple[Any, str]:
        found = check_photos(*self._sides)
        say(str(found))
        leaks = len(found.leaks)
        return True, f"{len(self.photos):,} photos, {leaks} leak{'' if leaks == 1 else 's'}"

    def _recommend(self, until: Deadline) -> tuple[Any, str]:
        if self.backbones is not None and len(self.backbones) == 1:
            return self.backbones[0], f"{self.backbones[0]}, as asked for"
        found = recommend_backbone(
            self.photos, backbones=self.backbones, split_by=self.split_by, seed=self.seed,
            max_latency_ms=self.limits.max_latency_ms, max_size_mb=self.limits.max_size_mb,
        )  # fmt: skip
        say(str(found))
        if found.best is not None:
            return found.best.backbone, found.best.backbone
        if not found.candidates:
            return None, "none could be measured, so the usual one is taken"
        # Smaller files of it may keep to the limits yet.
        nearest, broken = found.limits.closest(found.candidates)
        return (
            nearest.backbone,
            f"{nearest.backbone}, the nearest: its {nearest.quantization} file {broken}",
        )

    def _recipe(self, backbone: str | None) -> ImageClassifier:
        head = HEAD_OF[self.photos.target]
        usual = ImageClassifier.backbone
        return ImageClassifier(backbone or usual, head=head, seed=self.seed)

    def _tune(self, backbone: str | None, until: Deadline) -> tuple[Any, str]:
        recipe = self._recipe(backbone)
        if not judge_recipe(recipe).from_probe:
            return None, "left out: it compares heads of one class each"
        how: Any = {"split_by": self.split_by, "run_folder": self.steps.inside("tune")}
        minutes = until.left / 60
        try:
            found = tune(self.photos, recipe=recipe, minutes=minutes, measure=self.measure, **how)
        except NothingMeasured:
            return None, "not one head was measured within its share of the minutes"
        if found.interrupted and not until.passed:
            raise KeyboardInterrupt
        say(str(found))
        told = f"{in_words(found.settings)}, of {len(found.rows)} of {found.planned} heads"
        return found.recipe.get_config(), told

    def _train(self, recipe: ImageClassifier, until: Deadline) -> tuple[Any, str]:
        train, val, test = self._sides
        with kept_on_error(recipe, self.to):
            report = recipe.fit(train, val)
            result = recipe.evaluate(test)
            say(str(result))
        early = ", ended early" if report.interrupted else ""
        self.stopped = report.interrupted and not until.passed
        return str(save_or_keep(recipe, self.to).folder), f"{_in_short(result)}{early}"

    def _optimize(self, folder: str, until: Deadline) -> tuple[Any, str]:
        done = optimize_bundle(
            folder, self.photos, self.small, seed=self.seed, max_minutes=until.left / 60,
            max_drop=self.limits.max_drop, max_size_mb=self.limits.max_size_mb,
            max_latency_ms=self.limits.max_latency_ms, run_folder=self.steps.inside("optimize"),
        )  # fmt: skip
        say(str(done))
        if done.bundle is None and until.passed:
            return None, f"broken off. {done.result.message}"
        if done.bundle is None:
            return (None, done.result.message), "no file keeps to the limits"
        told = f", {_in_short(done.evaluation)}" if done.evaluation is not None else ""
        name = done.result.pick.name if done.result.pick else ""
        return (str(done.bundle.folder), done.result.message), f"{name}{told}"


def _in_short(result: Result) -> str:
    """Say the first number of an evaluation."""
    first = next(iter(result.tiles()))
    return f"{first.name} {first.value} ({first.interval}) on {result.n:,} test photos"
