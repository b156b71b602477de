"""Fitting an image classifier: check everything, build, then run stage after stage."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasrecipes.backbones.spec import Backbone
from kerasrecipes.bundles.first_weights import giver_of, seen_through
from kerasrecipes.console import say, warn
from kerasrecipes.data.examples import CLASS, NUMBER, Examples, check_examples
from kerasrecipes.data.inference import predict_scores
from kerasrecipes.data.strata_order import strata_of
from kerasrecipes.engine.cautions import (
    warn_of_few_photos,
    warn_of_frozen_mixture,
    warn_of_random_weights,
)
from kerasrecipes.engine.devices.devices import Devices
from kerasrecipes.engine.frozen.frozen_part import Side
from kerasrecipes.engine.lesson import Lesson
from kerasrecipes.engine.run_folder import RunFolder
from kerasrecipes.engine.run_record import RunRecord
from kerasrecipes.engine.schedule import UnfreezeSchedule
from kerasrecipes.engine.stage import StageRunner
from kerasrecipes.environment import (
    be_deterministic,
    check_backend,
    import_keras,
    library_versions,
    timestamp,
)
from kerasrecipes.errors import DataError, listed
from kerasrecipes.files import digest
from kerasrecipes.heads import Head, make_head
from kerasrecipes.release.calibration import calibration_inputs
from kerasrecipes.report.plain_values import plain
from kerasrecipes.report.run_report import DataReport, RunReport, computing_clause
from kerasrecipes.settings.judging import Judged, check_accumulation
from kerasrecipes.settings.model_checks import check_branches, check_open_norms, metrics_of
from kerasrecipes.settings.written.recipe_file import recipe_text
from kerasrecipes.surgery.adapters import AdaptedModel, add_adapter
from kerasrecipes.surgery.batch_norm import reestimate_batch_norm
from kerasrecipes.surgery.converting.rehearsal import rehearse
from kerasrecipes.surgery.rematerialisation import check_blocks
from kerasrecipes.surgery.stochastic_depth import residual_branches
from kerasrecipes.training.fitted import Fitted
from kerasrecipes.training.linear.depths import linear_model

if TYPE_CHECKING:
    import keras

STATISTICS_PHOTOS = 256


def fit_classifier(
    judged: Judged,
    train: Examples,
    val: Examples,
    callbacks: tuple,
    run: RunFolder | None = None,
    memory: dict | None = None,
    leaks: list[str] | None = None,
) -> Fitted:
    """Run a recipe on photos.

    Args:
        judged: The recipe, judged.
        train: Photos to learn from.
        val: Photos to choose by.
        callbacks: The user's own callbacks.
        run: The `RunFolder` to keep the run in, locked; `None` for none.
        memory: What fits of recipes with the same backbone, weights and head share; a dict.
        leaks: What was found, and told, of leaks between the sides; `None` to look for them.

    Returns:
        What was fitted; its report is still without evaluations.
    """
    recipe, schedule = judged.recipe, judged.schedule
    data, practised = told_data(judged, train, val, leaks), recipe.practised(train)
    seen = seen_through(recipe.weights, judged.spec)
    spec, head = judged.suited(train).spec, judged.head.suited(train)
    devices = Devices.find(recipe.devices)
    prepare(recipe)
    model = _built(devices, spec, head, recipe, head.output(train).width)
    check_open_norms(model, spec, recipe, schedule)
    warnings = _warnings(model, spec, recipe, schedule, (train, val))
    adapted = _adapted(model, spec, recipe, schedule)
    if adapted is not None:
        model, spec = adapted.model, adapted.spec
    if recipe.rematerialise:
        check_blocks(model, spec, schedule, recipe.batch_norm == "train")
    sides = sides_of(recipe, practised, val, model)
    lesson = lesson_of(head, recipe, sides)
    runner = StageRunner.of(recipe, model, spec, lesson, sides, callbacks, memory)
    runner.devices = devices
    if adapted is not None:
        runner.adapters = adapted.weights
    if recipe.stochastic_depth:
        runner.branches = residual_branches(model, recipe.stochastic_depth)
        check_branches(model, spec, runner.branches, schedule)
    report = new_report(recipe, spec, data, warnings, judged.why_no_probe)
    begin(runner, report, run)
    run_stages(runner, schedule, report)
    model = model if adapted is None else adapted.merge()
    if devices.mirrored:
        model = _without_devices(model, build_model(spec, head, recipe, head.output(train).width))
    _finish_head(model, head, train)
    return Fitted.of(model, head.output(train), report, train, val, seen)


def _built(devices: Devices, spec: Backbone, head: Head, recipe: Any, width: int) -> "keras.Model":
    """Build the model of a fit, and try with it what it must stand when it is trained."""
    with devices.scope():
        model = build_model(spec, head, recipe, width)
    rehearse(model, spec.name)
    return model


def told_data(
    judged: Judged, train: Examples, val: Examples, leaks: list[str] | None
) -> DataReport:
    """Judge the examples of a fit, and tell of leaks; see `fit_classifier`."""
    data = checked_examples(train, val, judged.head, leaks)
    check_accumulation(judged.recipe, judged.schedule, len(train))
    for leak in data.leaks if leaks is None else ():
        warn(leak)
    return data


def prepare(recipe: Any) -> None:
    """Set the seed, and what operations are allowed, before anything is drawn or computed.

    Args:
        recipe: An `ImageClassifier`.

    Raises:
        ValueError: If Keras runs on a backend that is not tested, or cannot be made
            deterministic from here.
    """
    keras = import_keras()
    check_backend()
    keras.utils.set_random_seed(recipe.seed)
    if recipe.deterministic:
        be_deterministic()


def _warnings(
    model: "keras.Model",
    spec: Backbone,
    recipe: Any,
    schedule: UnfreezeSchedule,
    sides: Sequence[Examples],
) -> list[str]:
    random_weights = warn_of_random_weights(model, spec, recipe, schedule)
    cautions = [told for side in sides for told in side.cautions()]
    mixture = warn_of_frozen_mixture(spec, recipe, schedule)
    return [*random_weights, *mixture, *warn_of_few_photos(sides[1]), *cautions]


def _without_devices(model: "keras.Model", fresh: "keras.Model") -> "keras.Model":
    """Give a new model, built outside their scope, the weights of one that belongs to devices."""
    fresh.set_weights(model.get_weights())
    return fresh


def _finish_head(model: "keras.Model", head: Head, train: Examples) -> None:
    import keras

    if head.finishes:
        features = keras.Model(model.input, model.get_layer(head.trains).output)
        head.finish(model, predict_scores(features, train), head.targets(train))


def begin(runner: StageRunner, report: RunReport, run: RunFolder | None) -> None:
    """Bring a runner to where its run stands, or prepare its model for a new one.

    Args:
        runner: The `StageRunner`.
        report: The facts of the fit.
        run: The folder of the run; `None` for none.
    """
    begun, train = False, runner.train
    if run is not None:
        sides = (train.examples, runner.val.examples)
        describe(run, runner.settings, report, sides, runner.precision)
        runner.record = RunRecord(run.path, report.stages, run.page)
        begun = run.resume and runner.record.restore(runner)
    if runner.settings.batch_norm == "reestimate" and not begun:
        shape, seed = tuple(runner.model.input.shape[1:]), runner.settings.seed
        photos = calibration_inputs(train.examples, shape, seed, STATISTICS_PHOTOS)
        say(str(reestimate_batch_norm(runner.model, photos.astype("float32"))))


def describe(
    run: RunFolder, recipe: Any, report: RunReport, sides: tuple[Examples, ...], precision: str
) -> None:
    """Write down what a run is made of, or make sure that it is made of the same again.

    Args:
        run: The folder of the run.
        recipe: The recipe.
        report: The facts of the fit.
        sides: Training, then validation.
        precision: What the backbone computes in.
    """
    ordered = [[item.key for item in side.items] for side in sides]
    run.describe(
        {
            "recipe_type": type(recipe).__name__,
            "recipe": report.recipe,
            "weights": report.weights,
            "data": {
                "digests": report.data.digests,
                # Batches are drawn by position.
                "orders": [sha256(" ".join(one).encode()).hexdigest() for one in ordered],
            },
            "precision": precision,
        }
    )
    run.keep_recipe(recipe_text(recipe, run.photos))


def sides_of(
    recipe: Any, train: Examples, val: Examples, model: "keras.Model"
) -> tuple[Side, Side]:
    """Return the examples of a fit, as a model takes them; those to learn from are augmented."""
    reader = train.reader(model, recipe.augmentation, recipe.seed)
    return Side(reader, recipe.view_count if reader.varies else 1), Side(val.reader(model), 1)


def lesson_of(head: Head, recipe: Any, sides: Sequence[Side]) -> Lesson:
    """Return what a head is taught by the labels."""
    train = sides[0].examples
    drawn_alike = recipe.sampling == "class" and recipe.class_weights == "auto"
    return Lesson(
        trains=head.trains,
        loss=head.loss(list(train.counts().values())),
        metrics=lambda: metrics_of(head, recipe, train.class_names),
        monitor=recipe.monitor,
        targets=tuple(head.targets(side.examples) for side in sides),
        weights=head.weights(train, None if drawn_alike else recipe.class_weights),
        strata=strata_of(train, recipe.sampling),
    )


def _weights_used(recipe: Any, spec: Backbone) -> dict[str, str]:
    """Say which pretrained weights a model really started from."""
    if recipe.weights is None:
        return {"name": spec.name, "source": "none: random weights", "licence": "none"}
    if recipe.weights in {"default", "imagenet"}:
        return {
            "name": spec.name,
            "source": spec.weights_source,
            "licence": spec.weights_licence,
        }
    path = Path(recipe.weights_file)
    licence = "not known: the weights came from a local file"
    if (giver := giver_of(recipe.weights)) is not None:  # what its own weights came under
        licence = giver.manifest.weights.get("licence", licence)
    source = f"{path.name}, SHA-256 {digest(path)}"
    return {"name": spec.name, "source": source, "licence": licence}


def checked_examples(
    train: Examples, val: Examples, head: Head | None = None, leaks: list[str] | None = None
) -> DataReport:
    """Judge whether examples can be trained on, and say what they are.

    Args:
        train: Examples to learn from.
        val: Examples to choose or judge by.
        head: What is to learn from them; `None` for one that learns one class each.
        leaks: What was found of leaks between the sides; `None` to look for them.

    Raises:
        ValueError: If a side is no set of examples.
        DataError: If the classes differ, there is nothing to tell apart, or a side is empty.
    """
    check_examples(train=train, val=val)
    head = head or make_head("classification")
    for side in (train, val):
        head.check(side)
    if train.class_names != val.class_names:
        raise DataError(
            f"`train` has the classes {listed(train.class_names)}, and `val` "
            f"{listed(val.class_names)}. Make both from one set with split_photos."
        )
    if otherwise := train.read_otherwise(val):
        raise DataError(f"`train` and `val` cannot be read alike: {otherwise}.")
    _check_variety(train)
    if not len(val):
        noun = val.noun[1]
        raise DataError(f"`val` is empty. Without validation {noun} no weights can be chosen.")
    if leaks is None:
        leaks = [finding.message for finding in train.check(val).leaks]
    split_by = train.split_by if train.split_by == val.split_by else ""
    report = DataReport(
        source=str(train.root), excluded=len(train.excluded), leaks=leaks, split_by=split_by
    )
    for split, side in (("train", train), ("val", val)):
        report.add(split, side.counts(), len(side), side.digest())
    return report


def _check_variety(train: Examples) -> None:
    """Refuse to learn from examples that all say the same."""
    noun = train.noun[1]
    if train.target == NUMBER:
        if len({item.label for item in train.items}) < 2:
            raise DataError(f"Training needs {noun} with at least 2 different numbers.")
        return
    empty = [name for name, count in train.counts().items() if not count]
    least = 2 if train.target == CLASS else 1
    if empty:
        raise DataError(
            f"Training needs at least {least} classes with {noun}; without any are {listed(empty)}."
        )
    if len(train.class_names) < least:
        raise DataError(
            f"Training needs at least {least} classes, not {listed(train.class_names)}."
        )


def build_model(spec: Backbone, head: Head, recipe: Any, width: int) -> "keras.Model":
    """Build a recipe's backbone with its head, with the weights that it starts from."""
    backbone = spec.build(recipe.input_size, recipe.weights_file)
    return linear_model(backbone, spec, head, width, recipe.depths or 1, recipe.seed)


def _adapted(
    model: "keras.Model", spec: Backbone, recipe: Any, schedule: UnfreezeSchedule
) -> AdaptedModel | None:
    if recipe.adapter is None:
        return None
    lowest = schedule.first_open(len(spec.blocks))
    adapted = add_adapter(model, spec, recipe.adapter, first_block=lowest, seed=recipe.seed)
    say(f"Adapters in the blocks that are opened:\n{adapted.summary}")
    return adapted


def new_report(
    recipe: Any, spec: Backbone, data: DataReport, warnings: list[str], choice: str = ""
) -> RunReport:
    """Begin the report of a fit, and say what is not usual of it."""
    if spec.reads_otherwise:
        say(spec.reads_otherwise)
    return RunReport(
        name=spec.name,
        created=timestamp(),
        recipe=recipe.get_config(),
        data=data,
        seeds={"seed": recipe.seed},
        versions=library_versions(),
        weights=_weights_used(recipe, spec),
        warnings=warnings,
        choices=[told for told in (choice, spec.reads_otherwise) if told],
    )


def run_stages(runner: StageRunner, schedule: UnfreezeSchedule, report: RunReport) -> None:
    """Run the stages of a schedule that `report` does not have yet, and add them to it.

    Args:
        runner: The `StageRunner`.
        schedule: The stages.
        report: Where the facts go.

    Raises:
        KeyboardInterrupt: If interrupted before there was anything to keep.
    """
    if how := computing_clause(runner.precision, runner.devices.count):
        say(f"The backbone trains{how}.")
    first_epoch = 0
    for position, stage in enumerate(schedule.stages):
        if position < len(report.stages):
            first_epoch += stage.epochs
            continue
        later = list(schedule.stages[position + 1 :])
        runner.epochs_run = sum(one.epochs_run for one in report.stages)
        runner.epochs_planned = runner.epochs_run + sum(one.epochs for one in [stage, *later])
        try:
            stage_report, interrupted = runner.run(stage, later, first_epoch)
        except KeyboardInterrupt:
            stage_report, interrupted = None, True
        if stage_report is not None and stage_report.epochs_run:
            report.stages.append(stage_report)
            first_epoch += stage.epochs
            if runner.record is not None:
                runner.record.show_validation(runner, stage.name, report.recipe.get("head"))
        if interrupted and not report.stages:
            raise KeyboardInterrupt
        if interrupted:
            report.interrupted = True
            say(f"Interrupted in stage '{stage.name}': the best weights so far are kept.")
            break
    if runner.record is not None and not report.interrupted:
        runner.record.save(runner)
    report.callbacks = plain(runner.summaries)
