"""The table of settings of a recipe for photos: its own, then those that every recipe has."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from kerasrecipes.settings.engine_rows import DATA, ENGINE_ROWS, MODEL
from kerasrecipes.settings.kinds import Number, Text
from kerasrecipes.settings.rules import no_effect
from kerasrecipes.settings.setting import Idle, Setting, Situation
from kerasrecipes.settings.structures import ImageSize, Made


def _spec() -> tuple[type, ...]:
    from kerasrecipes.backbones.spec import BackboneSpec

    return (BackboneSpec,)


def _augmentation() -> type:
    from kerasrecipes.photos.augment import Augmentation

    return Augmentation


def _presets() -> Iterable[str]:
    from kerasrecipes.photos.augment import AUGMENTATIONS

    return AUGMENTATIONS


def _get_augmentation(value: Any) -> Any:
    from kerasrecipes.photos.augment import get_augmentation

    return get_augmentation(value)


def _augments(recipe: Any) -> bool:
    return _get_augmentation(recipe.augment) != _augmentation()()


PHOTO_ROWS = (
    Setting(
        "backbone",
        MODEL,
        Text(
            or_else=_spec,
            what='a name of list_backbones(), or "hub:…" or "cv:…"',
            told="`{name}` must be a name of kerasrecipes.list_backbones() or a BackboneSpec",
            plain=lambda spec: spec.name,
        ),
    ),
    Setting("image_size", DATA, ImageSize(optional=True)),
    Setting(
        "augment",
        DATA,
        Made(
            called="augment",
            types=lambda: (_augmentation(),),
            makers=lambda: {"own": _augmentation()},
            names=_presets,
            plain=asdict,
            judge=_get_augmentation,
        ),
        rules=(
            no_effect(
                "Needs at least 2 views, since the first is the photo itself.",
                lambda recipe: recipe.views == 1 and _augments(recipe),
                "`augment` would have no effect with views=1, since the first view is the photo "
                "itself. Pass at least 2 views, or augment='none'.",
            ),
        ),
        ablations={"without augmentation": "none"},
    ),
    Setting(
        "views",
        DATA,
        Number(low=1, high=1000, whole=True),
        idle={Situation.TFMOT: Idle("each epoch shows another view")},
        rules=(
            no_effect(
                "Has no effect without an `augment`.",
                lambda recipe: (
                    recipe.views not in (1, type(recipe).views) and not _augments(recipe)
                ),
                "`views={value}` would have no effect with augment='none': each view is the photo "
                "itself. Leave it out, or pass an `augment`.",
            ),
        ),
    ),
)
IMAGE_CLASSIFIER = (*PHOTO_ROWS, *ENGINE_ROWS)
NOVELTY_ROWS = (
    Setting("good", DATA, Text(what="a class", told="`{name}` must be a class, e.g. 'good'")),
    Setting("false_alarms", DATA, Number(low=0.001, high=0.5)),
)
DEFECT_DETECTOR = (*PHOTO_ROWS, *NOVELTY_ROWS, *ENGINE_ROWS)
