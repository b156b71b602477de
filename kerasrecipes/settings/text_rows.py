"""The table of settings of a recipe for texts: its own, then those of every recipe."""

from dataclasses import replace
from typing import Any

from kerasrecipes.settings.engine_rows import DATA, ENGINE_ROWS, MODEL
from kerasrecipes.settings.kinds import Number, Text
from kerasrecipes.settings.rules import not_with
from kerasrecipes.settings.setting import Rule, Setting


def _spec() -> tuple[type, ...]:
    from kerasrecipes.backbones.texts.text_backbone import TextBackbone

    return (TextBackbone,)


TEXT_ROWS = (
    Setting(
        "backbone",
        MODEL,
        Text(
            or_else=_spec,
            what="a name of list_backbones('texts')",
            told="`{name}` must be a name of list_backbones('texts') or a TextBackbone",
            plain=lambda spec: spec.name,
        ),
    ),
    Setting("max_tokens", DATA, Number(optional=True, low=4, high=8192, whole=True)),
)


def _not_for_texts(name: str, usual: Any, why: str) -> Rule:
    """Refuse a setting of photos."""
    return not_with(
        "Not for texts.",
        lambda recipe: getattr(recipe, name) != usual,
        f"`{name}` cannot be used for texts: {why}. Leave it out.",
    )


# What the engine offers to photos and texts have no use for, or not yet.
_PHOTOS_ONLY = {
    "mix": _not_for_texts("mix", None, "the words of two texts cannot be mixed"),
    "batch_norm": _not_for_texts("batch_norm", "frozen", "no backbone for texts has statistics"),
    "devices": _not_for_texts("devices", None, "batches of free length run on one device so far"),
    "rematerialise": _not_for_texts("rematerialise", False, "it is not tried on attention yet"),
    "stochastic_depth": _not_for_texts("stochastic_depth", 0.0, "it is not tried on attention yet"),
    "adapter": _not_for_texts("adapter", None, "it is not tried on attention yet"),
}
TEXT_CLASSIFIER = (
    *TEXT_ROWS,
    *(
        replace(row, rules=(_PHOTOS_ONLY[row.name], *row.rules), ablations={})
        if row.name in _PHOTOS_ONLY
        else row
        for row in ENGINE_ROWS
    ),
)
