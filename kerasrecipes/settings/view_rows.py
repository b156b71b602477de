"""The settings of augmentation, which every kind of data has in its own way."""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

from kerasrecipes.settings.kinds import Number
from kerasrecipes.settings.setting import DATA, Idle, Setting, Situation, no_effect
from kerasrecipes.settings.structures import Made


def view_rows(
    noun: str,
    of: Callable[[], type],
    presets: Callable[[], Iterable[str]],
    get: Callable[[Any], Any],
    **own: Any,
) -> tuple[Setting, Setting]:
    """Return the rows of `augment` and `views`.

    Args:
        noun: What an example is called.
        of: Returns the class of augmentations, which changes nothing where nothing is told.
        presets: Returns the names that stand for some.
        get: Returns an augmentation by its name, or raises a `ValueError`.
        **own: What is said of somebody's own; see `Made`.
    """

    def augments(recipe: Any) -> bool:
        return get(recipe.augment) != of()()

    kind = Made(
        called="augment",
        types=lambda: (of(),),
        makers=lambda: {"own": of()},
        names=presets,
        plain=asdict,
        judge=get,
        **own,
    )
    return _augment(noun, kind, augments), _views(noun, augments)


def _augment(noun: str, kind: Made, augments: Callable[[Any], bool]) -> Setting:
    rule = no_effect(
        f"Needs at least 2 views, since the first is the {noun} itself.",
        lambda recipe: recipe.views == 1 and augments(recipe),
        f"`augment` would have no effect with views=1, since the first view is the {noun} itself. "
        "Pass at least 2 views, or augment='none'.",
    )
    return Setting("augment", DATA, kind, rules=(rule,), ablations={"without augmentation": "none"})


def _views(noun: str, augments: Callable[[Any], bool]) -> Setting:
    rule = no_effect(
        "Has no effect without an `augment`.",
        lambda recipe: recipe.views not in (1, type(recipe).views) and not augments(recipe),
        "`views={value}` would have no effect with augment='none': each view is the "
        f"{noun} itself. Leave it out, or pass an `augment`.",
    )
    return Setting(
        "views",
        DATA,
        Number(low=1, high=1000, whole=True),
        idle={Situation.TFMOT: Idle("each epoch shows another view")},
        rules=(rule,),
    )
