"""What is tried: settings of the head that cost nothing in use, and what somebody names."""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from kerasrecipes.data.examples import Examples
from kerasrecipes.errors import NoEffectError, printable, unknown_name
from kerasrecipes.heads.pooled import PLAIN_POOLINGS
from kerasrecipes.losses.class_weights import IMBALANCE, WEIGHING_LOSSES
from kerasrecipes.settings.judging import judge_recipe
from kerasrecipes.settings.setting import Setting

# What a linear model of frozen features reads; what changes the features stands first.
OF_FEATURES = ("backbone", "image_size", "weights", "pooling")
OF_HEAD = (*OF_FEATURES, "depths", "loss", "class_weights")
DEPTHS = (1, 2, 3, 4, 6)

Settings = dict[str, Any]
Space = dict[str, tuple[Any, ...]]


def head_space(recipe: Any, examples: Examples) -> Space:
    """Return the settings of a head that are worth a try and make no answer slower.

    How strongly it is regularised and how features are scaled is not among them: that is found
    by cross-validation for each trial, as in every fit that starts from a probe.

    Args:
        recipe: Where to begin.
        examples: What is learned from; where its classes are about as frequent, they count alike.
    """
    space: Space = {}
    if recipe.modality == "photos":  # others are read at one depth, so far
        space["depths"] = (recipe.depths, None, *DEPTHS)
        space["pooling"] = (recipe.pooling, *PLAIN_POOLINGS)
    counts = examples.counts().values()
    if max(counts) > IMBALANCE * max(1, min(counts)):
        space["loss"] = (recipe.loss, None, "balanced_softmax")
        space["class_weights"] = (recipe.class_weights, "auto", None)
    return {name: tuple(dict.fromkeys(values)) for name, values in space.items()}


def checked_space(recipe: Any, given: Mapping[str, Sequence[Any]], names: Sequence[str]) -> Space:
    """Judge what somebody wants to be tried.

    Args:
        recipe: Where to begin.
        given: Setting to its values.
        names: The settings that may be tried.

    Raises:
        ValueError: If there is no such setting, or a value is not usable.
        NoEffectError: If nothing of what is tried reads it.
    """
    table = {row.name: row for row in recipe.table}
    space: Space = {}
    for name, values in given.items():
        if name not in table:
            raise unknown_name("setting", name, list(table), "kerasrecipes init")
        if name not in names:
            raise NoEffectError(
                f"`space`: to try values of `{name}` would have no effect, since the head alone is "
                f"compared. Name one of {', '.join(names)}; for others see ablate_recipe."
            )
        if isinstance(values, str) or not isinstance(values, Sequence) or not len(values):
            raise ValueError(
                f"`space`: the values of `{name}` must be a list of at least one, not "
                f"{printable(repr(values))}."
            )
        for value in values:
            judge_recipe(replace(recipe, **{name: value}))
        space[name] = tuple(values)
    return space


def candidates_of(recipe: Any, space: Space) -> list[Settings]:
    """Return every combination that can be fitted, the recipe as it is first, as `{}`.

    Those with the same features stand side by side, so that these are computed once.

    Args:
        recipe: Where to begin.
        space: Setting to its values.
    """
    names = sorted(space, key=lambda name: OF_HEAD.index(name) if name in OF_HEAD else len(OF_HEAD))
    found: dict[str, Settings] = {key_of(recipe, {}): {}}
    for values in itertools.product(*(space[name] for name in names)):
        settings = {
            name: value
            for name, value in zip(names, values, strict=True)
            if value != getattr(recipe, name)
        }
        if settings.get("loss", recipe.loss) in WEIGHING_LOSSES:
            settings.pop("class_weights", None)  # it weighs classes itself
        try:
            judge_recipe(replace(recipe, **settings))
        except ValueError:
            continue  # e.g. more blocks than a stage opens
        found.setdefault(key_of(recipe, settings), settings)
    return list(found.values())


def plain_of(row: Setting, value: Any) -> str:
    """Write the value of a setting as text that stands for it alone."""
    return json.dumps(row.kind.to_plain(value))


def key_of(recipe: Any, settings: Settings) -> str:
    """Write what differs from a recipe as text that stands for it alone."""
    table = {row.name: row for row in recipe.table}
    return json.dumps({name: plain_of(table[name], settings[name]) for name in sorted(settings)})


def in_words(settings: Settings) -> str:
    """Say in a line what differs from a recipe."""
    told = (f"{name}={'none' if v is None else v}" for name, v in settings.items())
    return ", ".join(told) or "as it is"
