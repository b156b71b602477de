"""The table of settings of a recipe for texts: its own, then those of every recipe."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from kerasrecipes.errors import NoEffectError
from kerasrecipes.settings.engine_rows import ENGINE_ROWS
from kerasrecipes.settings.kinds import Number, Text
from kerasrecipes.settings.setting import DATA, MODEL, Asked, Rule, Setting, not_with, without
from kerasrecipes.settings.view_rows import view_rows


def _spec() -> tuple[type, ...]:
    from kerasrecipes.backbones.texts.text_backbone import TextBackbone

    return (TextBackbone,)


def _augmentation() -> type:
    from kerasrecipes.texts.augment import TextAugmentation

    return TextAugmentation


def _presets() -> Iterable[str]:
    from kerasrecipes.texts.augment import TEXT_AUGMENTATIONS

    return TEXT_AUGMENTATIONS


def _get_augmentation(value: Any) -> Any:
    from kerasrecipes.texts.augment import get_text_augmentation

    return get_text_augmentation(value)


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
    *view_rows("text", _augmentation, _presets, _get_augmentation),
    Setting(
        "out_of_scope",
        DATA,
        Number(optional=True, low=0.001, high=0.5),
        rules=(
            not_with(
                "Needs the head `'classification'`.",
                lambda recipe: recipe.out_of_scope is not None and recipe.head != "classification",
                "`out_of_scope` needs head='classification': only texts of one class each say how "
                "unlike all classes a text is. Leave it out.",
            ),
        ),
    ),
)


def _only_tokens(asked: Asked) -> bool:
    """Tell whether every stage begins at the tokens, which cannot be mixed."""
    stages = asked.schedule.stages
    return asked.asks and (
        not asked.recipe.cache_gb or all(stage.open_fraction == 1 for stage in stages)
    )


_FEATURES_ONLY = (
    not_with(
        '"cutmix" is for photos.',
        lambda recipe: recipe.mix == "cutmix",
        "`mix='cutmix'` cannot be used for texts: no box can be cut out of them. Pass 'mixup'.",
    ),
    Rule(
        "Of texts, the features behind frozen blocks are mixed.",
        _only_tokens,
        "`mix={value!r}` would have no effect: what is mixed of texts is what frozen blocks make "
        "of them, and every stage begins at the tokens. Leave it out, or pass a schedule with a "
        "stage of the head alone, and `cache_gb`.",
        NoEffectError,
    ),
)
# What the engine offers to photos and texts have no use for, or not yet.
_PHOTOS_ONLY = {
    "pooling": "the backbone has pooled the tokens",
    "batch_norm": "no backbone for texts has statistics",
    "devices": "batches of free length run on one device so far",
    "rematerialise": "it is not tried on attention yet",
    "stochastic_depth": "it is not tried on attention yet",
}


def _for_texts(row: Setting) -> Setting:
    if row.name == "mix":
        return replace(row, rules=(*_FEATURES_ONLY, *row.rules), ablations={})
    return row


TEXT_CLASSIFIER = (
    *TEXT_ROWS,
    *map(_for_texts, without(ENGINE_ROWS, "texts", _PHOTOS_ONLY)),
)
