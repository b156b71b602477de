"""A student of any family that learns from fitted recipes, on photos without labels, too."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.bundles.first_weights import seen_through
from kerasrecipes.console import heeds_verbose
from kerasrecipes.data.examples import CLASS, LABELS, NUMBER, Examples
from kerasrecipes.data.seen import refuse_tested, with_seen
from kerasrecipes.engine.cautions import warn_of_random_weights
from kerasrecipes.errors import DataError, listed
from kerasrecipes.optimization.weight_report import model_facts
from kerasrecipes.settings.callback_checks import check_callbacks
from kerasrecipes.settings.judging import Judged, judge_recipe
from kerasrecipes.settings.setting import settings_without_effect
from kerasrecipes.training.distillation import Distillation
from kerasrecipes.training.fitting import build_model, new_report, prepare
from kerasrecipes.training.recipe import Recipe
from kerasrecipes.training.refitting import checked_sides, refitted
from kerasrecipes.training.retraining import Goal, run_schedule

if TYPE_CHECKING:
    import keras


@named
@heeds_verbose
def distil(
    teacher: Recipe | Sequence[Recipe],
    student: Recipe,
    train: Examples,
    val: Examples,
    *,
    temperature: float = 4.0,
    alpha: float = 0.9,
    feature_weight: float = 0.0,
    unlabelled: Examples | None = None,
    callbacks: Sequence["keras.callbacks.Callback | str"] = (),
    verbose: bool = True,
) -> Recipe:
    """Fit a recipe to what fitted ones say about the same photos, besides the labels.

    The student trains by its own schedule, its head first, say, then its blocks. Settings of its
    own that would have no effect beside teachers, such as a loss, are errors.

    Args:
        teacher: A fitted recipe, or a list of them, whose answers are averaged. Their image
            sizes may differ.
        student: A recipe of any backbone with a head of the same task, not fitted; it stays as
            it is. Several labels, and the steps between ordered classes, are learned each by its
            own probability, and numbers by their squared error.
        train: Photos to learn from, with labels.
        val: Photos to choose the weights by.
        temperature: Teachers' and student's scores are made softer by it, > 0.
        alpha: Share of the teachers, 0…1; the labels have the rest.
        feature_weight: Weight of the squared distance between pooled features, with one
            teacher.
        unlabelled: Further photos to learn from. Their labels are not looked at: where labels
            count, the teachers' answers do.
        callbacks: Further `keras.callbacks.Callback`s for the training, or their names.
        verbose: Whether to print what trains and how it goes.

    Returns:
        A fitted recipe like `student`, measured on `val`.

    Raises:
        NotFittedError: If a teacher is not fitted.
        ValueError: If an argument is not usable.
        DataError: If the photos do not suit the teachers or training, a teacher was tested on
            them, or photos of `val` are among `unlabelled`.
        KeyboardInterrupt: If interrupted.

    Reference:
        Hinton et al., 2015, "Distilling the Knowledge in a Neural Network", arXiv 1503.02531;
        Romero et al., 2015, "FitNets", arXiv 1412.6550, for features.
    """
    teachers: list[Any] = list(teacher) if isinstance(teacher, list | tuple) else [teacher]
    if not teachers:
        raise ValueError("`teacher` is empty: pass a fitted recipe, or a list of them.")
    judged = check_student(student)
    for one in teachers:
        check_teacher(one, judged)
    if judged.head.softened == "number" and temperature != Distillation.temperature:
        raise ValueError(
            f"`temperature={temperature!r}` would have no effect: numbers are learned as they are. "
            "Leave it out."
        )
    wish = Distillation(temperature, alpha, feature_weight)
    return teach(teachers, judged, train, val, wish, unlabelled=unlabelled, callbacks=callbacks)


def teach(
    teachers: Sequence[Any],
    judged: Judged,
    train: Examples,
    val: Examples,
    wish: Distillation | None = None,
    *,
    unlabelled: Examples | None = None,
    callbacks: Sequence["keras.callbacks.Callback | str"] = (),
) -> Recipe:
    """Fit a student that was judged to fitted recipes that suit it; see `distil`."""
    schedule, spec, student = judged.schedule, judged.suited(train).spec, judged.recipe
    callbacks = check_callbacks(callbacks, student, schedule, taught=True)
    for one in teachers:
        data = checked_sides(one, train, val)
        refuse_tested(one.seen_, unlabelled=unlabelled)
    count = 0 if unlabelled is None else len(unlabelled)
    goal = Goal([one.model_ for one in teachers], wish or Distillation(), count).suited(judged.head)
    shown = train if unlabelled is None else _joined(train, val, unlabelled, teachers)
    prepare(student)
    head = judged.head.suited(train)
    model = build_model(spec, head, student, head.output(train).width)
    warnings = warn_of_random_weights(model, spec, student, schedule)
    stages = run_schedule(student, model, shown, val, schedule, goal, callbacks=callbacks)
    seen = seen_through(student.weights, spec)
    for one in teachers:
        # What a teacher learned from, its student has heard of.
        seen = with_seen(seen, one.seen_)
    report = new_report(student, spec, data, warnings)
    parents = tuple(dict.fromkeys(p for one in teachers for p in one.fitted_.parents))
    known = replace(teachers[0].fitted_, report=report, seen=seen, parents=parents)
    base = student.with_fitted(known)
    step = _step(teachers, model, goal, len(train))
    return refitted(base, model, train, val, step, stages, unlabelled)


def check_teacher(teacher: Recipe, judged: Judged) -> None:
    """Refuse a teacher that answers another question than its student.

    Args:
        teacher: A fitted recipe.
        judged: The student.

    Raises:
        NotFittedError: If the teacher is not fitted.
        ValueError: If the two learn different tasks.
    """
    said, learned = teacher.output_.task, judged.head.task.name
    if said != learned:
        raise ValueError(
            f"The teacher answers what the task {said!r} asks, and the student's head "
            f"{judged.head.name!r} learns the task {learned!r}. Give the student the teacher's "
            f"head, head={teacher.head!r}."
        )


def check_student(student: Recipe | Judged) -> Judged:
    """Judge a student, and refuse what only a fit without teachers does.

    Args:
        student: A recipe, or one that was judged here before.

    Returns:
        It, judged.

    Raises:
        ValueError: If it is no recipe, or an argument is not usable.
    """
    if isinstance(student, Judged):
        return student
    if not isinstance(student, Recipe):
        raise ValueError(
            f"A student must be a recipe, e.g. an ImageClassifier, not {type(student).__name__}."
        )
    judged = judge_recipe(student)
    for setting, why in settings_without_effect(student, teachers=True).items():
        raise ValueError(
            f"`{setting}` of the student would have no effect while distilling: {why}. Leave it "
            "out."
        )
    return judged


def _step(teachers: Sequence, model: "keras.Model", goal: Goal, labelled: int) -> dict:
    """Tell what was done; before it was the first teacher."""
    names = [str(one.get_config()["backbone"]) for one in teachers]
    return {
        "name": "distil",
        "summary": f"Learned from {listed(names)} on {labelled} photos with labels and "
        f"{goal.unlabelled} without.",
        "options": {**asdict(goal.how), "unlabelled": goal.unlabelled},
        "before": model_facts(teachers[0].model_),
        "after": model_facts(model),
    }


def _joined(train: Any, val: Examples, unlabelled: Any, teachers: Sequence) -> Examples:
    """Add photos without labels behind the others, under the classes that teachers see."""
    judged = {item.key for item in val.items}
    again = sum(item.key in judged for item in unlabelled.items)
    if again:
        raise DataError(
            f"{again} of {len(unlabelled)} photos in `unlabelled` are among `val`, by which the "
            "weights are chosen. Leave them out."
        )
    unlabelled = replace(unlabelled, policy=train.policy)
    answers = np.mean([teacher.predict(unlabelled) for teacher in teachers], axis=0)
    task, output = teachers[0].fitted_.task, teachers[0].output_
    said = [task.decode(answer, output) for answer in answers]
    labels = {
        CLASS: [one.label for one in said],
        LABELS: [one.labels for one in said],
        NUMBER: [one.score for one in said],
    }[train.target]
    named = [
        replace(photo, label=label) for photo, label in zip(unlabelled.photos, labels, strict=True)
    ]
    return replace(train, photos=(*train.photos, *named))
