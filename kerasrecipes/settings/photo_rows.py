"""The table of settings of a recipe for photos: its own, then those that every recipe has."""

from collections.abc import Iterable
from typing import Any

from kerasrecipes.errors import printable
from kerasrecipes.settings.engine_rows import ENGINE_ROWS
from kerasrecipes.settings.kinds import Number, Text, own_name
from kerasrecipes.settings.setting import DATA, MODEL, Idle, Setting, Situation, not_with
from kerasrecipes.settings.structures import ImageSize, Made
from kerasrecipes.settings.view_rows import view_rows


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


def _own_views(value: Any) -> Any:
    """Write down what is somebody's own: layers in full, of a function where it is."""
    from kerasrecipes.photos.own_views import is_own, own_views, written_layers

    if not is_own(value):
        return value
    made_by = own_views(value).made_by
    return written_layers(made_by) if isinstance(made_by, tuple) else own_name(made_by)


def _synthetic() -> type:
    from kerasrecipes.photos.synthetic.defects import SyntheticDefects

    return SyntheticDefects


def _check_synthetic(value: Any) -> None:
    if not isinstance(value, _synthetic()):
        raise ValueError(
            "`synthetic_defects` must be a SyntheticDefects or None, not "
            f"{printable(repr(value))}. Pass e.g. "
            "SyntheticDefects({'crack': 'scratch'}, good='good')."
        )


SYNTHETIC = Setting(
    "synthetic_defects",
    DATA,
    Made(
        optional=True,
        called="synthetic_defects",
        types=lambda: (_synthetic(),),
        makers=lambda: {"synthetic_defects": _synthetic()},
        plain=lambda made: made.to_dict(),
        judge=_check_synthetic,
    ),
    idle={Situation.ON: Idle("a finished model is trained on photos as they are")},
    rules=(
        not_with(
            "Does not go with `sampling`, which would change the share.",
            lambda recipe: recipe.synthetic_defects is not None and recipe.sampling is not None,
            "`synthetic_defects` does not go with `sampling`, which draws photos by class or "
            "group, and so would not keep the share. Leave one of the two out.",
        ),
    ),
)
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
    *view_rows(
        "photo",
        _augmentation,
        _presets,
        _get_augmentation,
        own=_own_views,
        own_words="in Python a function of (photo, seed) or layers of keras.layers",
    ),
    SYNTHETIC,
)
IMAGE_CLASSIFIER = (*PHOTO_ROWS, *ENGINE_ROWS)
NOVELTY_ROWS = (
    Setting("good", DATA, Text(what="a class", told="`{name}` must be a class, e.g. 'good'")),
    Setting("false_alarms", DATA, Number(low=0.001, high=0.5)),
)
DEFECT_DETECTOR = (*PHOTO_ROWS, *NOVELTY_ROWS, *ENGINE_ROWS)
