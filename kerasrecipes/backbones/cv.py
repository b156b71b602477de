"""Backbones of KerasCV, the predecessor of KerasHub: `cv:<preset>` or `cv:<folder>`."""

from typing import TYPE_CHECKING

from kerasrecipes.backbones.presets import Preset, Scaling, check_source, spec_of
from kerasrecipes.backbones.spec import BackboneSpec, ImageSize
from kerasrecipes.errors import require, unknown_name
from kerasrecipes.silence import import_keras

if TYPE_CHECKING:
    from types import ModuleType

    import keras


def spec_of_preset(source: str) -> BackboneSpec:
    """Describe a KerasCV preset; see `get_backbone`.

    Args:
        source: A built-in preset, a `kaggle://` address or a local folder.

    Returns:
        Its specification. `weights="default"` are the preset's own.

    Raises:
        ValueError: If there is no such preset, or it gives no feature map.
        DataError: If a local folder is not a preset.
        DownloadError: If the preset cannot be fetched.
        MissingDependencyError: If keras_cv is not installed.
    """
    name = f"cv:{source}"
    import_keras()  # keras_cv would let tensorflow greet
    models = require("keras_cv", "cv", f"The backbone {name!r}").models
    known = _presets(models)
    see = "keras_cv.models.<Family>Backbone.presets"
    check_source(source, name, set(known), unknown_name("KerasCV preset", source, known, see))
    family = getattr(models, known.get(source, "Backbone"))

    def load(weights: bool) -> "keras.Model":
        return family.from_preset(source, load_weights=weights)

    return spec_of(Preset(name, "KerasCV", source, load, _scaling))


def _presets(models: "ModuleType") -> dict[str, str]:
    """Map each preset to the class that knows it; the base class knows none of them."""
    families = [name for name in dir(models) if name.endswith("Backbone")]
    return {preset: name for name in families for preset in getattr(models, name).presets}


def _scaling(model: "keras.Model") -> tuple[Scaling | None, ImageSize | None]:
    """Scale to 0 to 1, unless the model does that itself."""
    inside = model.get_config().get("include_rescaling", False)
    return (None if inside else (1 / 255, 0.0)), None
