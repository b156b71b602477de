"""Settings of a recipe that training on, or training by teachers, has no use for."""

from collections.abc import Mapping
from typing import Any

from kerasrecipes.settings.setting import Situation


def settings_without_effect(
    recipe: Any, teachers: bool, blocks: bool = True, tfmot: bool = False
) -> dict[str, str]:
    """Name what a recipe asks for and training a model on does not do.

    Args:
        recipe: A recipe, e.g. an `ImageClassifier`.
        teachers: Whether it is trained by teachers, too.
        blocks: Whether the blocks of the recipe's backbone are found in the model.
        tfmot: Whether TFMOT trains it, through tf_keras.

    Returns:
        Each such setting, e.g. `"devices=2"` → why it does not apply.

    Example:
        >>> settings_without_effect(ImageClassifier(devices=2), teachers=False)
        {'devices=2': 'it runs on one device'}
    """
    given = {
        Situation.ON: True,
        Situation.TAUGHT: teachers,
        Situation.NO_BLOCKS: not blocks,
        Situation.TFMOT: tfmot,
    }
    found = {}
    for row in recipe.table:
        reasons = [row.idle[where] for where in Situation if given[where] and where in row.idle]
        value = getattr(recipe, row.name)
        if reasons and row.asks(recipe) and value in (reasons[-1].only or (value,)):
            found[f"{row.name}={value!r}"] = reasons[-1].why
    return found


def idle_sentence(idle: Mapping[str, str]) -> str:
    """Say in a sentence what `settings_without_effect` names, or return `""`.

    Args:
        idle: What it returned.

    Example:
        >>> idle_sentence({})
        ''
    """
    told = ", ".join(f"`{setting}` ({why})" for setting, why in idle.items())
    return f"Of the recipe's settings, these do not apply to training on: {told}." if idle else ""
