"""Rules that hold for several settings."""

from collections.abc import Callable
from typing import Any

from kerasrecipes.errors import NoEffectError
from kerasrecipes.settings.setting import Asked, Rule


def _concerned(only: Any) -> Callable[[Asked], bool]:
    return lambda asked: asked.asks if only is None else asked.value == only


def needs_open_blocks(only: Any = None) -> Rule:
    """Refuse what acts on open blocks where no stage opens any.

    Args:
        only: The value that it holds for; `None` for all that ask for something.
    """
    concerned = _concerned(only)
    return Rule(
        "Needs a schedule that opens blocks of the backbone.",
        lambda asked: concerned(asked) and not asked.opens_blocks,
        "`{name}={value!r}` would have no effect: it acts on open blocks of the backbone, and no "
        "stage of the schedule opens any. Leave it out, or pass e.g. UnfreezeSchedule.two_phase().",
    )


def not_on_devices(why: str, only: Any = None) -> Rule:
    """Refuse what several devices cannot do together.

    Args:
        why: The reason, and what to do.
        only: The value that it holds for; `None` for all that ask for something.
    """
    concerned = _concerned(only)
    named = "{name}" if only is None else "{name}={value!r}"
    subject = "Does" if only is None else f"`{only!r}` does"
    return Rule(
        f"{subject} not work together with `devices`: {why}.",
        lambda asked: asked.recipe.devices is not None and concerned(asked),
        f"`{named}` does not work together with `devices`: {why}.",
    )


def not_with(briefly: str, broken: Callable[[Any], bool], told: str) -> Rule:
    """Refuse two settings together.

    Args:
        briefly: The rule in a few words.
        broken: Tells of a recipe whether it breaks the rule.
        told: What to say then.
    """
    return Rule(briefly, lambda asked: broken(asked.recipe), told)


def no_effect(briefly: str, broken: Callable[[Any], bool], told: str) -> Rule:
    """Refuse what changes nothing beside another setting, and may be left out in an ablation.

    Args:
        briefly: The rule in a few words.
        broken: Tells of a recipe whether it breaks the rule.
        told: What to say then.
    """
    return Rule(briefly, lambda asked: broken(asked.recipe), told, NoEffectError)


def suits_probe(recipe: Any) -> bool:
    """Tell whether a linear model of frozen features can be what a recipe starts from.

    Args:
        recipe: The recipe.
    """
    own_loss = recipe.loss in (None, "cross_entropy") and not recipe.loss_options
    others = (recipe.head_norm, recipe.adapter, recipe.devices)
    return (
        recipe.head == "classification"
        and own_loss
        and all(one is None for one in others)
        and recipe.weights is not None
        and recipe.batch_norm == "frozen"
    )
