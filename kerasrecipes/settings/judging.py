"""Whether a recipe can be fitted: every setting by itself, then one beside the other."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kerasrecipes.backbones import get_backbone
from kerasrecipes.engine.schedule import UnfreezeSchedule
from kerasrecipes.heads import make_head
from kerasrecipes.settings.setting import Asked

if TYPE_CHECKING:
    from kerasrecipes.backbones.spec import Backbone


@dataclass(frozen=True)
class Judged:
    """A recipe whose settings were found usable, and what they stand for.

    Args:
        recipe: The recipe.
        schedule: The stages.
        spec: The backbone.
        head: The head.
    """

    recipe: Any
    schedule: UnfreezeSchedule
    spec: "Backbone"
    head: Any


def judge_recipe(recipe: Any) -> Judged:
    """Judge all that can be judged without reading a photo or loading a weight.

    Args:
        recipe: A recipe.

    Raises:
        ValueError: If a setting is not usable, or would have no effect.
    """
    schedule = judge_settings(recipe)
    head = head_of(recipe)
    spec = get_backbone(recipe.backbone, recipe.modality)
    spec.check(recipe.input_size, recipe.weights)
    return Judged(recipe, schedule, spec, head)


def judge_settings(recipe: Any) -> UnfreezeSchedule:
    """Judge a recipe by the table of its settings alone.

    Args:
        recipe: A recipe.

    Returns:
        Its stages.

    Raises:
        ValueError: If a setting is not usable, or does not go with another one.
    """
    for row in recipe.table:
        row.kind.check(row.name, getattr(recipe, row.name))
    schedule = schedule_of(recipe)
    for row in recipe.table:
        for rule in row.rules:
            rule.check(Asked(row, recipe, schedule))
    return schedule


def schedule_of(recipe: Any) -> UnfreezeSchedule:
    """Return a recipe's stages; what it leaves open is usual for its kind of data."""
    return recipe.usual_schedule() if recipe.schedule is None else recipe.schedule


def head_of(recipe: Any) -> Any:
    """Make the head; what the recipe leaves open is for the head to choose.

    Args:
        recipe: A recipe.

    Raises:
        ValueError: If the head cannot be had so.
    """
    wishes = {
        "norm": recipe.head_norm,
        "label_smoothing": recipe.label_smoothing,
        "loss_name": recipe.loss,
        "loss_options": recipe.loss_options,
        "unit": recipe.unit or None,
    }
    chosen = {name: value for name, value in wishes.items() if value is not None}
    return make_head(recipe.head, dropout=recipe.dropout, **chosen)


def check_accumulation(recipe: Any, schedule: UnfreezeSchedule, photos: int) -> None:
    """Judge whether each stage has the steps of at least one update.

    Args:
        recipe: A recipe.
        schedule: The stages.
        photos: Number of training photos.

    Raises:
        ValueError: If a stage has fewer.
    """
    for stage in schedule.stages:
        steps = math.ceil(photos / recipe.batch_size) * stage.epochs
        if steps < recipe.accumulate:
            raise ValueError(
                f"`accumulate={recipe.accumulate}` would let stage '{stage.name}' train nothing: "
                f"it has {steps} steps in all ({photos} photos by {recipe.batch_size}, times "
                f"{stage.epochs} epochs), fewer than one update takes. Lower `accumulate`, or "
                "give the stage more epochs."
            )
