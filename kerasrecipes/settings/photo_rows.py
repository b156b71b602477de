"""The table of settings of a recipe for photos: its own, then those that every recipe has."""

from collections.abc import Iterable
from typing import Any

from kerasrecipes.settings.engine_rows import ENGINE_ROWS
from kerasrecipes.settings.kinds import Number, Text, own_name
from kerasrecipes.settings.setting import DATA, MODEL, Setting
from kerasrecipes.settings.structures import ImageSize
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
)
IMAGE_CLASSIFIER = (*PHOTO_ROWS, *ENGINE_ROWS)
NOVELTY_ROWS = (
    Setting("good", DATA, Text(what="a class", told="`{name}` must be a class, e.g. 'good'")),
    Setting("false_alarms", DATA, Number(low=0.001, high=0.5)),
)
DEFECT_DETECTOR = (*PHOTO_ROWS, *NOVELTY_ROWS, *ENGINE_ROWS)
