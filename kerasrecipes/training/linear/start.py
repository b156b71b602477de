"""A fit that starts from the best linear model, and trains on only where that is shown to help."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.bundles.first_weights import seen_through
from kerasrecipes.console import say
from kerasrecipes.data.examples import CLASS, Examples
from kerasrecipes.data.inference import predict_scores
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.engine.cautions import warn_of_few_photos, warn_of_frozen_mixture
from kerasrecipes.engine.run_folder import RunFolder
from kerasrecipes.engine.schedule import UnfreezeSchedule
from kerasrecipes.engine.stage import StageRunner
from kerasrecipes.errors import NoEffectError
from kerasrecipes.evaluation.calibration import fitted_temperature
from kerasrecipes.evaluation.scores import group_numbers
from kerasrecipes.heads.classification import LOGITS
from kerasrecipes.report.run_report import RunReport
from kerasrecipes.settings.judging import Judged
from kerasrecipes.settings.model_checks import check_branches
from kerasrecipes.statistics.clustered import clustered_error
from kerasrecipes.statistics.intervals import z_of
from kerasrecipes.surgery.converting.rehearsal import rehearse
from kerasrecipes.surgery.rematerialisation import check_blocks
from kerasrecipes.surgery.stochastic_depth import residual_branches
from kerasrecipes.training.fitted import Fitted, OutOfFold
from kerasrecipes.training.fitting import (
    begin,
    describe,
    fit_classifier,
    lesson_of,
    new_report,
    prepare,
    run_stages,
    sides_of,
    told_data,
)
from kerasrecipes.training.linear.choice import Choice
from kerasrecipes.training.linear.depths import (
    DepthFeatures,
    depth_features,
    linear_model,
    usual_depths,
)
from kerasrecipes.training.linear.probe import choice_for
from kerasrecipes.training.linear.regression import (
    BALANCED_SOFTMAX,
    LinearProbe,
    answers_of,
    linear_weights,
    losses_of,
)

if TYPE_CHECKING:
    import keras

# Fewer validation photos could not show that open blocks help, unless it were plain to see.
FEWEST_TO_TELL = 50
# Where nobody asks for it, more examples times depths are not worth a probe: features take their
# room, and open blocks will be worth their while. At 14 depths of photos, these are 5,000.
MOST_FEATURES = 70_000
_TINY = 1e-12


def fit_recipe(
    judged: Judged,
    train: Examples,
    val: Examples,
    callbacks: tuple,
    run: RunFolder | None = None,
    leaks: list[str] | None = None,
) -> Fitted:
    """Run a recipe on examples, from where it says that it starts.

    Args:
        judged: The recipe, judged.
        train: Examples to learn from.
        val: Examples to choose by.
        callbacks: The user's own callbacks.
        run: The `RunFolder` to keep the run in, locked; `None` for none.
        leaks: What was found, and told, of leaks between the sides; `None` to look for them.

    Returns:
        What was fitted; its report is still without evaluations.

    Raises:
        NoEffectError: If there are callbacks, and nothing trains that they could follow.
    """
    depths = judged.recipe.depths or usual_depths(judged.spec)[-1]
    many = judged.recipe.start == "auto" and depths * (len(train) + len(val)) > MOST_FEATURES
    if many or not judged.from_probe:
        if judged.why_no_probe:
            say(judged.why_no_probe)
        return fit_classifier(judged, train, val, callbacks, run, leaks=leaks)
    opening = _opening(judged.schedule)
    if callbacks and opening is None:
        raise NoEffectError(
            "`callbacks` would have no effect: with start='probe', no stage of the schedule is "
            "trained step by step. Leave them out, or pass start='head'."
        )
    data = told_data(judged, train, val, leaks)
    judged = judged.suited(train)
    seen = seen_through(judged.recipe.weights, judged.spec)
    prepare(judged.recipe)
    start = Start.of(judged, train, val)
    cautions = warn_of_frozen_mixture(judged.spec, judged.recipe, opening or judged.schedule)
    cautions += [*train.cautions(), *val.cautions()]
    report = new_report(judged.recipe, judged.spec, data, cautions)
    _tell(report, f"The probe of the frozen backbone is {start.choice.reason}.")
    model = None
    if opening is not None and start.may_tell(report, _followed(callbacks, opening)):
        model = start.opened(opening, report, callbacks, run)
    elif run is not None:
        describe(run, judged.recipe, report, (train, val), "float32")
    output = judged.head.output(train)
    if model is not None:
        return Fitted.of(model, output, report, train, val, seen)
    model, out_of_fold = start.probe_alone(report)
    fitted = Fitted.of(model, output, report, train, val, seen)
    return replace(fitted, out_of_fold=out_of_fold)


def _opening(schedule: UnfreezeSchedule) -> UnfreezeSchedule | None:
    """Return the stages that open blocks; the probe takes the place of the others."""
    stages = tuple(stage for stage in schedule.stages if stage.open_fraction)
    for stage in schedule.stages:
        if stage.callbacks and not stage.open_fraction:
            raise NoEffectError(
                f"Stage {stage.name!r}: `callbacks` would have no effect: with start='probe', a "
                "linear model takes the place of this stage. Leave them out, or pass start='head'."
            )
    return UnfreezeSchedule(stages) if stages else None


def _followed(callbacks: tuple, opening: UnfreezeSchedule) -> bool:
    """Tell whether somebody's own callbacks follow stages that open blocks."""
    return bool(callbacks) or any(stage.callbacks for stage in opening.stages)


def _tell(report: RunReport, line: str) -> None:
    say(line)
    report.choices.append(line)


@dataclass
class Start:
    """A backbone, what it sees of all examples, and the linear model that is best on them.

    Args:
        judged: The recipe, judged.
        train: Examples to learn from.
        val: Examples to choose by.
        backbone: The backbone.
        features: What it sees of `train`, then of `val`.
        choice: The linear model.
    """

    judged: Judged
    train: Examples
    val: Examples
    backbone: "keras.Model"
    features: DepthFeatures
    choice: Choice

    @classmethod
    def of(cls, judged: Judged, train: Examples, val: Examples) -> "Start":
        """Build the backbone, run it over all examples once, and choose."""
        recipe, spec = judged.recipe, judged.spec
        backbone = spec.build(recipe.input_size, recipe.weights_file)
        both = train.with_items((*train.items, *val.items))
        pooling = recipe.pooling
        (features,) = depth_features(backbone, spec, recipe.depths, both, pooling=pooling)
        how = train.split_by
        choice = choice_for(both, features, judged.head, recipe.class_weights, recipe.seed, how)
        return cls(judged, train, val, backbone, features, choice)

    @property
    def output(self) -> OutputSpec:
        """What the answers are."""
        return self.judged.head.output(self.train)

    def targets(self, examples: Examples) -> np.ndarray:
        """Return the classes of examples."""
        found: np.ndarray = self.judged.head.task.targets(examples, self.output)
        return found

    def solved(self, choice: Choice, examples: Examples) -> LinearProbe:
        """Return a linear model that learned from `train`, or from that and `val`.

        Args:
            choice: Which one.
            examples: What it learns from: the first of all.
        """
        wish, loss = self.judged.recipe.class_weights, self.judged.head.loss_name
        weights = linear_weights(examples, self.output, wish, loss)
        rows = self.features.select(np.arange(len(examples)))
        return choice.solve(rows, self.targets(examples), weights)

    def model_of(self, probe: LinearProbe) -> "keras.Model":
        """Return the backbone with a linear model as its head."""
        recipe, head = self.judged.recipe, self.judged.head
        model = linear_model(
            self.backbone, self.judged.spec, head, self.output.width, probe.depths, recipe.seed
        )
        probe.put_into(model)
        return model

    def may_tell(self, report: RunReport, asked: bool) -> bool:
        """Say whether validation can show that open blocks help.

        Args:
            report: Where it is said if not.
            asked: Whether somebody wants stages to be trained anyway.
        """
        if asked or len(self.val) >= FEWEST_TO_TELL:
            return True
        noun = self.val.noun[1]
        _tell(
            report,
            f"No block was opened: {len(self.val)} validation {noun} could not show that it helps "
            f"(at least {FEWEST_TO_TELL} can). start='head' opens them all the same.",
        )
        return False

    def opened(
        self,
        opening: UnfreezeSchedule,
        report: RunReport,
        callbacks: tuple,
        run: RunFolder | None,
    ) -> "keras.Model | None":
        """Open blocks, and return the model if it is better on validation than the probe.

        Args:
            opening: The stages.
            report: Where the facts go.
            callbacks: The user's own callbacks.
            run: The folder of the run.
        """
        count = len(self.judged.spec.blocks)
        fewest = min(count - stage.first_open(count) for stage in opening.stages)
        before = self._probe_on_val()
        model = self.model_of(self.solved(self.choice.among(fewest + 1), self.train))
        untouched = self.backbone.get_weights()
        runner = self._runner(model, opening, report, callbacks)
        begin(runner, report, run)
        try:
            run_stages(runner, opening, report)
        except KeyboardInterrupt:
            report.interrupted = True
        most = max(count - stage.first_open(count) for stage in opening.stages)
        if report.stages and self._helped(model, before, most, report):
            return model
        self.backbone.set_weights(untouched)
        report.stages.clear()
        return None

    def _probe_on_val(self) -> np.ndarray:
        """Return the log-losses on validation of the probe that learned from `train` alone."""
        probe = self.solved(self.choice, self.train)
        held_out = self.features.last(probe.depths)[len(self.train) :]
        return losses_of(probe.answers(held_out), self.targets(self.val), CLASS)

    def _runner(
        self,
        model: "keras.Model",
        opening: UnfreezeSchedule,
        report: RunReport,
        callbacks: tuple,
    ) -> StageRunner:
        recipe, spec = self.judged.recipe, self.judged.spec
        rehearse(model, spec.name)
        report.warnings += warn_of_few_photos(self.val)
        if recipe.rematerialise:
            check_blocks(model, spec, opening, False)
        sides = sides_of(recipe, self.train, self.val, model)
        lesson = lesson_of(self.judged.head, recipe, sides)
        runner = StageRunner.of(recipe, model, spec, lesson, sides, callbacks)
        if recipe.stochastic_depth:
            runner.branches = residual_branches(model, recipe.stochastic_depth)
            check_branches(model, spec, runner.branches, opening)
        return runner

    def _helped(
        self, model: "keras.Model", before: np.ndarray, opened: int, report: RunReport
    ) -> bool:
        """Calibrate a model that was trained on, and say whether it is better than the probe."""
        targets = self.targets(self.val)
        said = predict_scores(model, self.val).astype(np.float64)
        logits = np.log(np.maximum(said, _TINY))
        counts = self._counts_on_val(targets)
        temperature = fitted_temperature(logits, targets, weights=counts)
        unscaled, after = (
            counts * losses_of(answers_of(each, CLASS), targets, CLASS)
            for each in (logits, logits / temperature)
        )
        before = counts * before
        groups = group_numbers(self.val.groups, len(self.val))
        units = np.arange(len(self.val)) if groups is None else groups
        better = float((before - after).mean())
        error = clustered_error(before - after, units)
        helps = better > error
        low, high = (better + side * z_of(0.95) * error for side in (-1, 1))
        blocks = "the last block" if opened == 1 else f"the last {opened} blocks"
        verdict = "kept" if helps else "not kept, since that may be chance"
        _tell(
            report,
            f"Opening {blocks}: log-loss on validation {before.mean():.3f} to {after.mean():.3f}, "
            f"{better:.3f} better ({low:.3f} to {high:.3f}): {verdict}.",
        )
        if helps:
            layer: Any = model.get_layer(LOGITS)
            layer.set_weights([weight / temperature for weight in layer.get_weights()])
            _tell(
                report,
                f"Calibrated by a temperature of {temperature:.2f}, which took that log-loss from "
                f"{unscaled.mean():.3f} to {after.mean():.3f}.",
            )
        return helps

    def _counts_on_val(self, targets: np.ndarray) -> np.ndarray:
        """Return how much each validation example counts, on average 1: alike, unless classes do.

        Weighted in any other case, the few examples of a rare class would decide alone.
        """
        if self.judged.head.loss_name != BALANCED_SOFTMAX:
            return np.ones(len(targets))
        sizes = np.bincount(targets, minlength=len(self.output.class_names))
        counts = 1 / np.maximum(sizes, 1)[targets]
        return np.asarray(counts / counts.mean())

    def probe_alone(self, report: RunReport) -> tuple["keras.Model", OutOfFold | None]:
        """Return the probe as a model that learned from all examples, and what stands for val.

        Args:
            report: Where it is said.
        """
        noun, choice = self.train.noun[1], self.choice
        if not choice.trials:
            _tell(report, f"The probe is the model; it learned from the training {noun}.")
            return self.model_of(self.solved(choice, self.train)), None
        both = self.train.with_items((*self.train.items, *self.val.items))
        _tell(
            report,
            f"The probe is the model; it learned from all {len(both):,} {noun} of training and "
            "validation. What is told of validation is of like models that had not seen what they "
            "answered.",
        )
        order = np.argsort(choice.judged, kind="stable")
        judged = both.select(choice.judged[order])
        return self.model_of(self.solved(choice, both)), OutOfFold(judged, choice.answers[order])
