"""Training a model that is there already on, with labels or with what larger models say."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kerasrecipes.backbones import get_backbone
from kerasrecipes.console import say
from kerasrecipes.data.batches import one_hot
from kerasrecipes.data.examples import CLASS, Examples
from kerasrecipes.data.inference import predict_scores
from kerasrecipes.engine.cautions import warn_of_few_photos
from kerasrecipes.engine.frozen.frozen_part import Side
from kerasrecipes.engine.frozen.prefix_cache import PrefixCache
from kerasrecipes.engine.lesson import Lesson
from kerasrecipes.engine.schedule import Stage, UnfreezeSchedule
from kerasrecipes.engine.stage import StageRunner
from kerasrecipes.errors import DataError
from kerasrecipes.heads import Head
from kerasrecipes.heads.classification import LOGITS
from kerasrecipes.heads.pooled import POOL
from kerasrecipes.losses.class_weights import class_weights
from kerasrecipes.report.run_report import RunReport, StageReport
from kerasrecipes.settings.callback_checks import check_callbacks
from kerasrecipes.settings.judging import check_accumulation, check_step, head_of
from kerasrecipes.settings.setting import idle_sentence, settings_without_effect
from kerasrecipes.surgery.rematerialisation import check_blocks
from kerasrecipes.training.distillation import (
    SOFTENED,
    TRAINED,
    Distillation,
    ending_in,
    logits_of,
    output_of,
    raw_answers,
)
from kerasrecipes.training.fitting import (
    checked_examples,
    lesson_of,
    prepare,
    run_stages,
    sides_of,
)

if TYPE_CHECKING:
    import keras

    from kerasrecipes.engine.stage import StageRunner
    from kerasrecipes.training.recipe import Recipe


def retrain(
    recipe: "Recipe",
    model: "keras.Model",
    train: Examples,
    val: Examples,
    *,
    epochs: int,
    learning_rate: float,
    open_fraction: float = 1.0,
    teacher: "keras.Model | Sequence[keras.Model] | None" = None,
    distillation: Distillation | None = None,
    callbacks: Sequence["keras.callbacks.Callback | str"] = (),
    name: str = "retrain",
) -> tuple["keras.Model", StageReport]:
    """Train a finished model on: a pruned one, say, or one with simulated rounding.

    It is one stage of a fit, with the recipe's augmentation, batch size, weight decay, moving
    average, precision and early stopping; which of its settings do not apply is said. If no epoch
    is better on `val` than the start, the start is kept; but with too few photos in `val` the
    last weights are, which is said, too.

    Args:
        recipe: An `ImageClassifier`, for its settings. It stays as it is.
        model: A functional model from photos, 0…255, to softmax scores, changed in place.
        train: Photos to learn from.
        val: Photos to choose the weights by.
        epochs: Largest number of epochs.
        learning_rate: Peak of the warm-up and cosine curve.
        open_fraction: Fraction of the backbone's blocks that train, counted from the top.
            Below 1, the layers must have the names that the backbone gave them.
        teacher: A model, or several, whose answers to the very same views are learned, besides
            the labels. It may have another image size.
        distillation: How much a teacher counts; `None` for `Distillation()`.
        callbacks: Further `keras.callbacks.Callback`s, or their names.
        name: What to call the stage in the report.

    Returns:
        `model`, and the facts of its training.

    Raises:
        ValueError: If an argument is not usable.
        DataError: If the photos do not suit training or the models, or change while it runs.
        KeyboardInterrupt: If interrupted; the best weights so far are in the model.
    """
    schedule = UnfreezeSchedule((Stage(name, epochs, learning_rate, open_fraction),))
    goal = Goal(teacher, distillation)
    stages = run_schedule(recipe, model, train, val, schedule, goal, callbacks=callbacks)
    return model, stages[0]


def teacher_of(recipe: "Recipe") -> "keras.Model | None":
    """Return what teaches a smaller model of a fitted recipe's: its own, if its answers can be."""
    return recipe.model_ if head_of(recipe).softened else None


@dataclass
class Goal:
    """What a model is trained towards besides the labels.

    Args:
        teacher: A model, or several, photos to softmax scores; `None` for labels alone.
        distillation: How much they count; `None` for `Distillation()`.
        unlabelled: How many of the last training photos have no label; where labels count,
            the teachers' probabilities do.

    Raises:
        ValueError: If `distillation` would have no effect, or asks for the features of several
            teachers.
    """

    trains: ClassVar[str] = TRAINED
    teacher: "keras.Model | Sequence[keras.Model] | None" = None
    distillation: Distillation | None = None
    unlabelled: int = 0

    def __post_init__(self) -> None:
        teachers = self.teacher if isinstance(self.teacher, list | tuple) else [self.teacher]
        self.teachers = [teacher for teacher in teachers if teacher is not None]
        if not self.teachers and self.distillation is not None:
            raise ValueError("`distillation` would have no effect without `teacher`. Pass both.")
        self.how = self.distillation or Distillation()
        if self.how.feature_weight and len(self.teachers) > 1:
            raise ValueError(
                f"`feature_weight` needs one teacher, not {len(self.teachers)}: the features of "
                "several have nothing to do with each other."
            )

    def suited(self, head: Head) -> "Goal":
        """Return the goal of a student with this head.

        Raises:
            ValueError: If no teacher can teach it.
        """
        if not self.teachers:
            return self
        if head.softened is None:
            raise ValueError(
                f"Nothing is known of how a teacher passes on the answers of the head "
                f"{head.name!r}, whose class says no `softened`. Train it with labels."
            )
        return replace(self, distillation=replace(self.how, answers=head.softened))

    def targets(self, sides: tuple[Side, ...], head: Head) -> tuple[np.ndarray, ...]:
        """Ask the teachers about every view of every example."""
        found, soften = [], SOFTENED[self.how.answers].soften
        for side, unlabelled in zip(sides, (self.unlabelled, 0), strict=True):
            labels = head.targets(side.examples)
            answers = [self._answers(one, side, head, labels.shape[1]) for one in self.teachers]
            features = answers[0][1] if self.how.feature_weight else None
            logits = [head.taught(raw) for raw, *_ in answers]
            if unlabelled:
                last = slice(len(labels) - unlabelled, None)
                labels[last] = np.mean([soften(raw[0, last], 1.0) for raw in logits], axis=0)
            found.append(self.how.targets(labels, logits, features))
        return tuple(found)

    def _answers(
        self, teacher: "keras.Model", side: Side, head: Head, width: int
    ) -> list[np.ndarray]:
        """Return a teacher's scores, and its features if they are wanted, `(views, n, …)`."""
        import keras

        outputs = [raw_answers(teacher, head)]
        if self.how.feature_weight:
            outputs.append(output_of(teacher, POOL))
        if (knows := outputs[0].shape[-1]) != width:
            more = width - len(side.examples.class_names)  # steps are one fewer than classes
            raise DataError(
                f"The teacher {teacher.name!r} knows {knows - more} classes, and the photos have "
                f"{width - more}. A teacher must have been trained on the same classes."
            )
        reader = side.reader.for_model(teacher)
        cache = PrefixCache(keras.Model(teacher.input, outputs), reader, side.views, "float32")
        cache.fill("asking the teacher")
        return cache.stored

    def training_model(self, model: "keras.Model", head: Any, seed: int) -> "keras.Model":
        """Return a model over the same layers whose output the loss is computed on."""
        if not self.teachers:
            trained = logits_of(model) if head.trains == LOGITS else output_of(model, head.trains)
            return ending_in(model, trained)
        trains = None if head.softened == "softmax" else head.trains
        if not self.how.feature_weight:
            return self.how.training_model(model, trains=trains)
        size = output_of(self.teachers[0], POOL).shape[-1]
        return self.how.training_model(model, POOL, size, seed, trains)


@dataclass(frozen=True)
class _WholeModel:
    """A backbone of which nothing is known but that all of it trains, whatever it is made of."""

    name: str
    blocks: ClassVar[tuple] = ()

    def block_of(self, layer_name: str) -> None:
        """Return `None`: there are no blocks."""

    def boundary(self, model: "keras.Model", block: int) -> "keras.KerasTensor":
        """Return the photo."""
        return model.inputs[0]


def run_schedule(
    recipe: "Recipe",
    model: "keras.Model",
    train: Examples,
    val: Examples,
    schedule: UnfreezeSchedule,
    goal: Goal,
    *,
    callbacks: Sequence["keras.callbacks.Callback | str"] = (),
) -> list[StageReport]:
    """Train a model, in place, through the stages of a schedule; see `retrain`."""
    head = head_of(recipe)
    checked_examples(train, val, head)
    head = head.suited(train, model)
    goal = goal.suited(head)
    check_accumulation(recipe, schedule, len(train))
    check_step(recipe)
    used = check_callbacks(callbacks, recipe, schedule, taught=bool(goal.teachers))
    warn_of_few_photos(val)
    prepare(recipe)
    sides = sides_of(recipe, train, val, model)
    graph = goal.training_model(model, head, recipe.seed)
    spec = _spec(recipe, graph, schedule)
    _judge_settings(recipe, graph, spec, schedule, goal)
    lesson = _lesson(recipe, head, sides, goal)
    if goal.teachers:
        # Teachers have seen the views as they are, and not their mixtures.
        recipe = replace(recipe, mix=None)
    runner = StageRunner.of(recipe, graph, spec, lesson, sides, used)
    report = RunReport(name=model.name, created="")
    run_stages(runner, schedule, report)
    if head.finishes and not goal.teachers:
        import keras

        embedding = keras.Model(model.input, output_of(model, head.trains))
        head.finish(model, predict_scores(embedding, train), head.targets(train))
    if report.interrupted:
        raise KeyboardInterrupt
    return report.stages


def _lesson(recipe: "Recipe", head: Head, sides: tuple[Side, Side], goal: Goal) -> Lesson:
    """Return what labels teach, or teachers who have been asked."""
    if not goal.teachers:
        return replace(lesson_of(head, recipe, sides), trains=TRAINED)
    train, wish = sides[0].examples, recipe.class_weights
    width = head.targets(train).shape[1]
    if train.target == CLASS:
        counts = list(train.counts().values())
        weights = one_hot(train) @ class_weights(counts, wish, "distillation")
    else:
        weights = head.weights(train, wish)
    return Lesson(
        trains=TRAINED,
        loss=goal.how.loss(width),
        metrics=lambda: goal.how.metrics(head, width),
        targets=goal.targets(sides, head),
        weights=weights,
    )


def _judge_settings(
    recipe: "Recipe", graph: "keras.Model", spec: Any, schedule: UnfreezeSchedule, goal: Goal
) -> None:
    """Say which settings do not apply, and refuse to compute blocks again that cannot be."""
    idle = settings_without_effect(recipe, bool(goal.teachers), bool(spec.blocks))
    if told := idle_sentence(idle):
        say(told)
    if recipe.rematerialise and spec.blocks:
        check_blocks(graph, spec, schedule, recipe.batch_norm == "train")


def _spec(recipe: Any, graph: "keras.Model", schedule: UnfreezeSchedule) -> Any:
    """Return the backbone, or, where all of it trains and it is not to be found, that."""
    whole = all(stage.open_fraction == 1 for stage in schedule.stages)
    try:
        spec = get_backbone(recipe.backbone)
    except ValueError:
        # A recipe that was loaded names a backbone of one's own, but does not have it.
        if not whole:
            raise
        return _WholeModel(graph.name)
    known = {spec.block_of(layer.name) for layer in graph.layers if layer.weights}
    missing = len(spec.blocks) - len(known - {None})
    if not missing:
        return spec
    if whole:
        return _WholeModel(graph.name)
    raise ValueError(
        f"`open_fraction` below 1 needs the blocks of {spec.name!r}, {missing} of which have "
        f"no layer in the model {graph.name!r}, by name. Pass open_fraction=1.0."
    )
