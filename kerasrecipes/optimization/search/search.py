"""Trying what makes a model smaller and faster, the cheap ways first, on the real files."""

import json
import math
import time
from dataclasses import dataclass, field, replace
from hashlib import sha256
from os.path import lexists
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.console import bar, say
from kerasrecipes.data.examples import Examples
from kerasrecipes.engine.schedule import UnfreezeSchedule
from kerasrecipes.environment import import_keras
from kerasrecipes.errors import (
    DataError,
    DownloadError,
    TrainingError,
    VerificationError,
    is_refusal,
    listed,
    printable,
)
from kerasrecipes.files import TemporaryFolder, told_plainly
from kerasrecipes.optimization.pruning import NORM_PHOTOS, SCORED_PHOTOS
from kerasrecipes.optimization.search.candidate import Candidate, FileJudge
from kerasrecipes.optimization.search.limits import Limits
from kerasrecipes.optimization.search.plans import FITTED, QAT, Plan, plans_of
from kerasrecipes.optimization.search.record import (
    RECORD,
    Record,
    Trained,
    check_unbegun,
    gone_of,
    read_record,
    write_record,
)
from kerasrecipes.optimization.search.result import file_name
from kerasrecipes.optimization.weight_report import model_facts
from kerasrecipes.quantization.sensitivity import layers_to_keep
from kerasrecipes.release.calibration import calibration_inputs
from kerasrecipes.report.run_report import RunReport
from kerasrecipes.settings.judging import Judged
from kerasrecipes.training.refitting import refitted

if TYPE_CHECKING:
    import keras

    from kerasrecipes.training.recipe import Recipe

WITHOUT_TRAINING = ("float32", "float16", "dynamic", "int8")
# A training step of everything costs about as much as so many predictions.
STEP_COST = 4.0
# Part of the time that is kept for writing and measuring files.
MARGIN = 0.1
# Its file is int8 with the most sensitive layers in float, up to this share of weights and work.
MIXED, KEEP_FLOAT = "mixed", 0.05


@dataclass
class Search:
    """One search, as far as it has come; it goes on where an earlier one in its folder ended.

    Args:
        recipe: A fitted recipe.
        train: Photos to learn from.
        val: Photos to judge by.
        limits: When to stop looking.
        max_seconds: Time in all, that of earlier runs in the folder included.
        folder: Where records, files and models are; it exists, and nobody else writes into it.
        students: Recipes to fit to what the fitted one says, judged, by name.
        candidates: What was measured.
        notes: What was not tried, and why.
        recipes: A fitted recipe for each `Candidate.model`.
        spent: Seconds of earlier runs.
        pace: By how much training took longer than estimated so far, for each `Plan.kind`.
    """

    recipe: Any
    train: Examples
    val: Examples
    limits: Limits
    max_seconds: float
    folder: Path
    students: dict[str, Judged] = field(default_factory=dict)
    candidates: list[Candidate] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    recipes: dict[str, Any] = field(default_factory=dict)
    spent: float = 0.0
    pace: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._began = time.monotonic()
        import_keras()
        self._calibration: dict[tuple, np.ndarray] = {}
        self._trained_for: dict[str, float] = {}
        self._judge = FileJudge(
            self.val, self.recipe.output_, self.folder / file_name(FITTED, "float32")
        )
        self._read()
        started = time.monotonic()
        self.recipes[FITTED] = refitted(self.recipe, self.recipe.model_, self.train, self.val)
        self._seconds_per_photo = (time.monotonic() - started) / len(self.val)

    @property
    def seconds(self) -> float:
        """Time spent, in earlier runs, too."""
        return self.spent + time.monotonic() - self._began

    @property
    def _seconds_left(self) -> float:
        """Time in which to train, so that there is some left to measure what comes of it."""
        return self.max_seconds * (1 - MARGIN) - self.seconds

    def run(self) -> None:
        """Try everything that there is time for, until the limits are kept."""
        with bar("searching") as self._show:
            self._try_all()

    def _try_all(self) -> None:
        try:
            for quantization in WITHOUT_TRAINING:
                self._measure(FITTED, quantization)
            self._measure_mixed()
            plans = plans_of(self.recipe, self.students)
            self._restore(plans)
            while plans:
                if self._is_done():
                    rest = ", ".join(plan.name for plan in plans)
                    self._note(f"{rest}: not tried, since the limits are kept without.")
                    break
                plan = plans[0]
                made = plan.name in self.recipes
                if not made and (reason := self._against(plan)):
                    self._note(f"{plan.name}: not tried, since {reason}.")
                elif made or self._make(plan, plans):
                    for quantization in plan.quantizations:
                        self._measure(plan.name, quantization)
                plans = plans[1:]
        except KeyboardInterrupt:
            if not self.candidates:
                raise
            self._note("The search was interrupted; the rest was not tried.")

    def _is_done(self) -> bool:
        """Whether a candidate keeps limits of size or latency, which is all that was asked."""
        return not self.limits.open_ended and self.limits.choose(self.candidates) is not None

    def _against(self, plan: Plan) -> str:
        """Tell why a plan is not worth its time, as far as is known; `""` for nothing."""
        files = {one.quantization: one for one in self.candidates if one.model == plan.base}
        if "float32" not in files:
            return f"there is no {plan.base}"
        lost, most = files["float32"].drop, self.limits.max_drop
        if lost > most:
            return f"{plan.base} loses {100 * lost:.1f} points itself"
        rounded = files.get("int8")
        if plan.kind != QAT or rounded is None:
            return ""
        if rounded.drop > lost or rounded.judged_drop > most or self.limits.refusals(rounded):
            return ""
        return f"{plan.base} loses nothing by rounding"

    def _budget(self, plans: list[Plan]) -> float:
        """Return the seconds for the first plan: its part of what is left for all."""
        known = {one.model for one in self.candidates}
        open_plans = [x for x in plans if x.base not in known or not self._against(x)]
        costs = []
        for plan in open_plans:
            once, epoch = self._estimates(plan)
            costs.append(once + plan.most_epochs * epoch)
        return self._seconds_left * costs[0] / sum(costs)

    def _make(self, plan: Plan, plans: list[Plan]) -> bool:
        """Train the model of the first of the plans left; tell whether there is one then."""
        name = plan.name
        once, epoch = self._estimates(plan)
        epochs = min(plan.most_epochs, math.floor((self._budget(plans) - once) / epoch))
        # Rather this one well than all of them badly.
        half = -(-plan.most_epochs // 2)
        epochs = max(epochs, min(half, math.floor((self._seconds_left - once) / epoch)))
        if epochs < 1:
            self._note(
                f"{name}: not tried for want of time; it would take about "
                f"{(once + epoch) / 60:.1f} minutes at least."
            )
            return False
        self._tell_idle(plan)
        say(f"{self._clock()}  {name}: training for up to {epochs} epochs …")
        started = time.monotonic()
        try:
            base, callbacks = self.recipes[plan.base], [self._deadline()]
            found = plan.make(base, self.train, self.val, epochs, callbacks)
        except DataError:  # photos that changed, which no other plan can do without
            raise
        except (ValueError, TrainingError, DownloadError) as error:
            if not is_refusal(error):
                error.add_note(f"This was raised by the plan {name!r} of the search.")
                raise
            self._note(f"{name}: not possible. {error}")
            return False
        took = (time.monotonic() - started) / (once + epochs * epoch)
        self.pace[plan.kind] = took * self.pace.get(plan.kind, 1.0)
        self.recipes[name] = found
        path = self.folder / f"{name}.keras"
        with told_plainly(self.folder), TemporaryFolder(self.folder) as made:
            found.model_.save(made / path.name)
            (made / path.name).replace(path)
        self._trained_for[name] = time.monotonic() - started
        facts = {"seconds": self._trained_for[name], "report": found.report_.to_dict()}
        write_record(path.with_suffix(".json"), facts)
        return True

    def _tell_idle(self, plan: Plan) -> None:
        if (told := plan.idle_settings) and told not in self.notes:
            self._note(told)

    def _deadline(self) -> "keras.callbacks.Callback":
        """Return a callback that ends a training for which the time was estimated too short."""
        import keras

        end = time.monotonic() + self._seconds_left

        def stop(batch: int, logs: Any = None) -> None:
            self._show(round(self.seconds), round(self.max_seconds))
            if time.monotonic() > end:
                callback.model.stop_training = True

        callback = keras.callbacks.LambdaCallback(on_train_batch_end=stop)
        return callback

    def _estimates(self, plan: Plan) -> tuple[float, float]:
        """Return about how many seconds go by before training, and in each of its epochs."""
        from keras.layers import BatchNormalization

        norms = sum(isinstance(x, BatchNormalization) for x in self.recipe.model_.layers)
        once = self.recipe.views * len(self.train) + STEP_COST * SCORED_PHOTOS
        once += NORM_PHOTOS * norms / 2 + 3 * len(self.val)
        epoch = STEP_COST * plan.share * len(self.train) + len(self.val)
        unit = self._seconds_per_photo * self.pace.get(plan.kind, 1.0)
        return unit * once, unit * epoch

    def _measure(self, model: str, quantization: str, **options: Any) -> None:
        """Write a file and measure it, unless that is done already."""
        from kerasrecipes.export import get_format

        if self._found(model, quantization):
            return
        started = time.monotonic()
        recipe, path = self.recipes[model], self.folder / file_name(model, quantization)
        try:
            get_format("tflite").write(
                recipe.model_,
                path,
                quantization=quantization,
                calibration=self._pixels(recipe) if quantization == "int8" else None,
                contract=recipe.fitted_.contract(),
                **options,
            )
        except VerificationError as error:
            if (model, quantization) == (FITTED, "float32"):
                raise  # nothing can be compared with
            self._note(f"{model} {quantization}: {error}")
            return
        found = self._judge.measure(
            path,
            model,
            quantization,
            self._trained_for.get(model, 0.0) + time.monotonic() - started,
            recipe.fitted_.golden.own_answers,
            multiply_adds=model_facts(recipe.model_).get("multiply_adds"),
        )
        # The first one is what the others are compared with.
        at = 0 if (model, quantization) == (FITTED, "float32") else len(self.candidates)
        self.candidates.insert(at, found)
        self._save()
        say(
            f"{self._clock()}  {found.name}: {found.quality_name} {found.quality} "
            f"({0.0 - 100 * found.drop:+.1f} {found.points}), {found.size_bytes / 1e6:.2f} MB, "
            f"{found.latency_ms:.3g} ms ({found.latency_ratio:.2f} of float)"
        )

    def _measure_mixed(self) -> None:
        """Leave the most sensitive layers in float, where rounding them costs anything."""
        kept: frozenset[str] = frozenset()
        if not self._found(MIXED, "int8"):
            rounded = self._found(FITTED, "int8")
            costs = rounded and (rounded.drop > 0 or self.limits.refusals(rounded))
            if not costs or self._is_done():
                return
            recipe = self.recipes[FITTED]
            kept, _ = layers_to_keep(recipe.model_, self._pixels(recipe), KEEP_FLOAT)
            if not kept:
                self._note(f"{MIXED} int8: not tried, since no sensitive layer is small enough.")
                return
        self.recipes[MIXED] = self.recipes[FITTED]
        self._measure(MIXED, "int8", keep_float=tuple(sorted(kept)))

    def _found(self, model: str, quantization: str) -> Candidate | None:
        same = (one for one in self.candidates if one.model == model)
        return next((one for one in same if one.quantization == quantization), None)

    def _pixels(self, recipe: "Recipe") -> np.ndarray:
        """Return calibration photos in a recipe's size."""
        shape = tuple(recipe.model_.input.shape[1:])
        if shape not in self._calibration:
            self._calibration[shape] = calibration_inputs(
                self.train, shape, self.recipe.seed, model=self.recipe.model_
            )
        return self._calibration[shape]

    def _note(self, note: str) -> None:
        self.notes.append(note)
        say(f"{self._clock()}  {note}")

    def _clock(self) -> str:
        minutes, seconds = divmod(round(self.seconds), 60)
        return f"[{minutes}:{seconds:02} of {self.max_seconds / 60:g} min]"

    def _restore(self, plans: list[Plan]) -> None:
        """Load the models that are there already."""
        for plan in plans:
            path = self.folder / f"{plan.name}.keras"
            if lexists(path) and lexists(path.with_suffix(".json")):
                self.recipes[plan.name] = self._restored(plan, path)

    def _restored(self, plan: Plan, path: Path) -> Any:
        from kerasrecipes.bundles.model_file import load_model

        facts = read_record(path.with_suffix(".json"), Trained)
        self._trained_for[plan.name] = facts.seconds
        report = RunReport.from_dict(facts.report)
        # A backbone of one's own is not in a report, and the schedule may have been cut.
        schedule = report.recipe.get("schedule")
        fitted = replace(self.recipe.fitted_, model=load_model(path), report=report)
        schedule = schedule and UnfreezeSchedule.from_dict(schedule)
        before = plan.settings.with_fitted(fitted, schedule=schedule)
        return refitted(before, before.model_, self.train, self.val)

    def identity(self) -> dict[str, str]:
        """Return what the records of a folder hold for."""
        weights = sha256()
        for values in self.recipe.model_.get_weights():
            weights.update(np.ascontiguousarray(values).tobytes())
        return {
            "weights": weights.hexdigest(),
            "train": self.train.digest(),
            "val": self.val.digest(),
            "seed": str(self.recipe.seed),
            "list of students": json.dumps(
                [judged.recipe.get_config() for judged in self.students.values()]
            ),
        }

    def _read(self) -> None:
        path = self.folder / RECORD
        if not lexists(path):
            check_unbegun(self.folder)
            self._save()
            return
        record = read_record(path, Record)
        before = record.identity
        self.candidates, self.spent, self.pace = record.candidates, record.seconds, record.pace
        differing = [name for name, value in self.identity().items() if before.get(name) != value]
        if differing:
            raise DataError(
                f"The search in '{printable(self.folder)}' began with another "
                f"{' and '.join(differing)}. Name another folder, or go on with what it began with."
            )
        for one in list(self.candidates):
            if gone := gone_of(one, self.folder, trained=one.model not in {FITTED, MIXED}):
                say(f"{one.name} is made and measured again: there is no {listed(gone)} any more.")
                self.candidates.remove(one)
        say(f"Going on with {len(self.candidates)} candidates in '{printable(self.folder)}'.")

    def _save(self) -> None:
        write_record(
            self.folder / RECORD,
            {
                "identity": self.identity(),
                "candidates": [one.to_dict() for one in self.candidates],
                "seconds": self.seconds,
                "pace": self.pace,
            },
        )
