"""The models of a search that take training, in the order in which they are tried."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from kerasrecipes.backbones import get_backbone
from kerasrecipes.console import quiet
from kerasrecipes.engine.schedule import UnfreezeSchedule
from kerasrecipes.optimization.distilling import check_student, teach
from kerasrecipes.optimization.pruning import prune
from kerasrecipes.optimization.quantizing import EPOCHS, LEARNING_RATE, train_with_rounding
from kerasrecipes.settings.judging import Judged
from kerasrecipes.settings.setting import idle_sentence, settings_without_effect
from kerasrecipes.surgery.multiply_adds import count_multiply_adds

if TYPE_CHECKING:
    from kerasrecipes.data.examples import Examples
    from kerasrecipes.training.recipe import Recipe

FITTED = "fitted"
# Shares of the arithmetic that channel pruning leaves, the likeliest to be worth its time first.
LEVELS = (0.5, 0.35, 0.7)
MOST_EPOCHS = 12
DISTIL, CHANNELS, QAT = "distil", "channels", "qat"


@dataclass(frozen=True)
class Plan:
    """A model that is made of another one by training.

    Args:
        name: What to call it.
        kind: What is done: `"distil"`, `"channels"` or `"qat"`.
        base: The `Candidate.model` that it is made of.
        settings: A recipe with the settings that the new one gets.
        make: Makes it; takes the base's fitted recipe, photos to learn from and to choose by,
            epochs, and callbacks for the training.
        share: Share of the fitted model's arithmetic that its training steps cost.
        most_epochs: Epochs that it trains for if there is time.
        quantizations: How its files are written.
    """

    name: str
    kind: str
    base: str
    settings: Any
    make: Callable[..., Any]
    share: float
    most_epochs: int
    quantizations: tuple[str, ...] = ("float32", "int8")

    @property
    def idle_settings(self) -> str:
        """A sentence about settings that have no effect on this training, or `""`."""
        return idle_sentence(settings_without_effect(self.settings, teachers=True))


def plans_of(recipe: "Recipe", students: Mapping[str, Judged]) -> list[Plan]:
    """List what can be made of a fitted recipe: students, fewer channels, trained rounding.

    Each model comes after the one that it is made of, and what is quick comes first.

    Args:
        recipe: The fitted recipe.
        students: Recipes to fit to what it says, judged, by name.
    """
    plans = [_with_rounding(FITTED, recipe, 1.0)]
    recipes = {name: judged.recipe for name, judged in students.items()}
    shares = {name: _arithmetic_share(student, recipe) for name, student in recipes.items()}
    for name, judged in students.items():
        plans += [_student(name, judged, shares[name])]
        plans += [_with_rounding(name, judged.recipe, shares[name])]
    for base, settings in {FITTED: recipe, **recipes}.items():
        plans += _with_fewer_channels(base, settings, shares.get(base, 1.0))
    return plans


def named_students(students: Sequence["Recipe | Judged"]) -> dict[str, Judged]:
    """Judge students before any work, and name them by their backbones.

    Args:
        students: Recipes, not fitted; perhaps judged.

    Raises:
        ValueError: If one is no recipe, or has an argument that is not usable here.
    """
    found: dict[str, Any] = {}
    if not isinstance(students, list | tuple):
        raise ValueError(
            f"`students` must be a list of recipes, not {type(students).__name__}. Pass e.g. "
            'students=[ImageClassifier("mobilenet_v3_small")].'
        )
    for student in students:
        judged = check_student(student)
        backbone = str(judged.recipe.get_config()["backbone"])
        name = stem = "student-" + re.sub(r"[^\w.-]+", "-", backbone)
        while name in found:
            name = f"{stem}-{1 + sum(other.startswith(stem) for other in found)}"
        found[name] = judged
    return found


def shortened(schedule: UnfreezeSchedule, epochs: int) -> UnfreezeSchedule:
    """Cut all stages of a schedule alike, to so many epochs in all; each keeps one.

    Args:
        schedule: The stages.
        epochs: Epochs in all.

    Example:
        >>> [stage.epochs for stage in shortened(UnfreezeSchedule.two_phase(), 23).stages]
        [15, 8]
    """
    planned = _epochs(schedule)
    if epochs >= planned:
        return schedule
    cut = (max(1, stage.epochs * epochs // planned) for stage in schedule.stages)
    pairs = zip(schedule.stages, cut, strict=True)
    return UnfreezeSchedule(tuple(replace(stage, epochs=count) for stage, count in pairs))


def _epochs(schedule: UnfreezeSchedule) -> int:
    return sum(stage.epochs for stage in schedule.stages)


def _student(name: str, judged: Judged, share: float) -> Plan:
    student, schedule = judged.recipe, judged.schedule
    planned = _epochs(schedule)
    # What is frozen is computed once for all epochs.
    opened = sum(stage.epochs * stage.open_fraction for stage in schedule.stages) / planned

    def make(
        base: "Recipe", train: "Examples", val: "Examples", epochs: int, callbacks: Sequence
    ) -> Any:
        cut = shortened(schedule, epochs)
        short = replace(judged, recipe=replace(student, schedule=cut), schedule=cut)
        with quiet():
            return teach([base], short, train, val, callbacks=callbacks)

    return Plan(name, DISTIL, FITTED, student, make, share * opened, planned)


def _with_fewer_channels(base: str, settings: Any, share: float) -> list[Plan]:
    def make(
        level: float,
        recipe: "Recipe",
        train: "Examples",
        val: "Examples",
        epochs: int,
        callbacks: Sequence,
    ) -> Any:
        return prune(
            recipe,
            train,
            val,
            max_multiply_adds=level,
            epochs=epochs,
            callbacks=callbacks,
            verbose=False,
        )

    plans = []
    for level in LEVELS:
        name, cost = _name(base, f"channels-{level:g}"), share * level
        plans += [
            Plan(name, CHANNELS, base, settings, partial(make, level), cost, MOST_EPOCHS),
            _with_rounding(name, settings, cost),
        ]
    return plans


def _with_rounding(base: str, settings: Any, share: float) -> Plan:
    def make(
        recipe: "Recipe", train: "Examples", val: "Examples", epochs: int, callbacks: Sequence
    ) -> Any:
        with quiet():
            return train_with_rounding(
                recipe, train, val, epochs, LEARNING_RATE, callbacks=callbacks
            )

    return Plan(_name(base, QAT), QAT, base, settings, make, share, EPOCHS, ("int8",))


def _name(base: str, done: str) -> str:
    return done if base == FITTED else f"{base}-{done}"


def _arithmetic_share(student: Any, recipe: "Recipe") -> float:
    """Return a student's multiply-adds by those of the fitted model; 1 where nobody can tell."""
    try:
        small = get_backbone(student.backbone).build(student.image_size, None)
        return count_multiply_adds(small) / count_multiply_adds(recipe.model_)
    except ValueError:
        return 1.0
