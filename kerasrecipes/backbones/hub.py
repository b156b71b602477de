"""Backbones of KerasHub: `hub:<preset>` by name, or `hub:<folder>` from this machine."""

from typing import TYPE_CHECKING

from kerasrecipes.backbones.presets import (
    Preset,
    Scaling,
    check_source,
    spec_of,
    warn_unknown_scaling,
)
from kerasrecipes.backbones.spec import BackboneSpec, ImageSize
from kerasrecipes.errors import require, unknown_name
from kerasrecipes.silence import import_keras

if TYPE_CHECKING:
    import keras


def spec_of_preset(source: str) -> BackboneSpec:
    """Describe a KerasHub preset; see `get_backbone`.

    Args:
        source: A built-in preset, an address (`hf://…`, `kaggle://…`) or a local folder.

    Returns:
        Its specification, whose `build()` scales photos as the preset's image
        converter says. `weights="default"` are the preset's own.

    Raises:
        ValueError: If there is no such preset, or it gives no feature map.
        DataError: If a local folder is not a preset.
        DownloadError: If the preset cannot be fetched.
        MissingDependencyError: If keras_hub is not installed.
    """
    name = f"hub:{source}"
    import_keras()  # keras_hub would let tensorflow greet
    hub = require("keras_hub", "hub", f"The backbone {name!r}")
    known = set(hub.models.Backbone.presets)
    see = "keras_hub.models.Backbone.presets"
    check_source(source, name, known, unknown_name("KerasHub preset", source, known, see))

    def load(weights: bool) -> "keras.Model":
        return hub.models.Backbone.from_preset(source, load_weights=weights, dtype="float32")

    def scaling(model: "keras.Model") -> tuple[Scaling | None, ImageSize | None]:
        try:
            converter = hub.layers.ImageConverter.from_preset(source)
        except FileNotFoundError:
            warn_unknown_scaling(name)
            return None, None
        factor = 1.0 if converter.scale is None else converter.scale
        offset = 0.0 if converter.offset is None else converter.offset
        return (factor, offset), converter.image_size

    return spec_of(Preset(name, "KerasHub", source, load, scaling))
