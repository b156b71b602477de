"""Backbones that another package's preset describes, seen as a `BackboneSpec`."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kerasrecipes.backbones.spec import BackboneSpec, ImageSize
from kerasrecipes.backbones.weights_files import reason_of
from kerasrecipes.data.shapes import RGB
from kerasrecipes.environment import import_keras
from kerasrecipes.errors import DataError, DownloadError, require, unknown_name
from kerasrecipes.file_budget import SMALL, allowed_bytes, check_hdf5, limited_weights
from kerasrecipes.files import size_bytes
from kerasrecipes.surgery.graph import blocks_from_graph, model_name
from kerasrecipes.surgery.rebuilding import rebuild

if TYPE_CHECKING:
    from types import ModuleType

    import keras


Scaling = tuple[float | list[float], float | list[float]]


class Preset(NamedTuple):
    """What the packages differ in.

    Args:
        name: Full name, e.g. `"hub:resnet_18_imagenet"`.
        family: The package that knows the preset.
        source: The part after the colon: a preset name or a folder.
        load: Returns the package's own model, with weights or without.
        scaling: Finds factor and offset from the model and the preset, and a size.
    """

    name: str
    family: str
    source: str
    load: Callable[[bool], "keras.Model"]
    scaling: Callable[["keras.Model"], tuple[Scaling | None, ImageSize | None]]


def spec_of(preset: Preset) -> BackboneSpec:
    """Describe a preset, reading its configuration but not its weights.

    Raises:
        ValueError: If the preset is not an image backbone with a feature map.
        DataError: If it is a local folder that cannot be read.
        DownloadError: If it is not on this machine and cannot be fetched.
    """
    import keras

    template = _loaded(preset, weights=False)
    _check_kind(template, preset.name)
    scaling, size = _guarded(preset, lambda: preset.scaling(template))
    fixed = template.inputs[0].shape[1:3]
    size = tuple(fixed) if None not in fixed else tuple(size or (224, 224))

    def graph(photo: "keras.KerasTensor", weights: bool = False) -> "keras.KerasTensor":
        return _graph(photo, preset, scaling, weights)

    photo = keras.Input((*size, RGB), name="photo", dtype="float32")
    model = keras.Model(photo, graph(photo), name=model_name(preset.name))
    return BackboneSpec(
        name=preset.name,
        family=preset.family,
        summary=f"The {preset.family} preset {preset.source!r}.",
        build_graph=graph,
        blocks=blocks_from_graph(model),
        image_size=size,
        min_image_size=32 if None in fixed else min(fixed),
        feature_size=model.output_shape[-1],
        parameter_count=model.count_params(),
        weights="preset",
        weights_licence="stated by the preset's publisher",
        weights_source=f"{preset.family} preset {preset.source!r}",
        reference=f"{type(template).__name__} of {preset.family}",
        load_default=lambda model: _load_weights(model, graph),
    )


def _load_weights(model: "keras.Model", graph: Callable) -> None:
    import keras

    photo = keras.Input((*model.input_shape[1:3], RGB), name="photo", dtype="float32")
    model.set_weights(keras.Model(photo, graph(photo, weights=True)).get_weights())


def _graph(
    photo: "keras.KerasTensor", preset: Preset, scaling: Scaling | None, weights: bool
) -> "keras.KerasTensor":
    import keras

    template = _loaded(preset, weights)
    fixed = template.inputs[0].shape[1:3]
    if None not in fixed and tuple(fixed) != tuple(photo.shape[1:3]):
        raise ValueError(
            f"`image_size` of {preset.name!r} can only be {fixed[0]}x{fixed[1]}, the size that its "
            f"preset was made with, not {photo.shape[1]}x{photo.shape[2]}."
        )
    scale = keras.layers.Rescaling(*scaling, name="scale") if scaling else lambda x: x
    return rebuild(template, photo, scale)


def _check_kind(template: "keras.Model", name: str) -> None:
    inputs, outputs = template.inputs, template.outputs
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].shape[-1] != 3:
        raise ValueError(
            f"{name!r} is not an image backbone: it does not take one RGB photo but "
            f"{len(inputs)} input(s) of shape {[tuple(tensor.shape[1:]) for tensor in inputs]}. "
            "Choose an image preset, e.g. 'hub:resnet_18_imagenet'."
        )
    if len(outputs) != 1 or len(outputs[0].shape) != 4:
        raise ValueError(
            f"{name!r} does not give one feature map (height, width, channels) but "
            f"{len(outputs)} output(s) of shape {[tuple(tensor.shape[1:]) for tensor in outputs]}, "
            "as transformers do. Choose a convolutional preset, e.g. 'hub:resnet_18_imagenet'."
        )


def _loaded(preset: Preset, weights: bool) -> "keras.Model":
    folder = Path(preset.source)
    if not folder.is_dir():
        return _guarded(preset, lambda: preset.load(weights))
    return _guarded(preset, lambda: _within_budget(folder, lambda: preset.load(weights)))


def _within_budget(folder: Path, load: Callable[[], "keras.Model"]) -> "keras.Model":
    """Load a local preset, unless it asks for more weights, or declares more, than it holds."""
    import h5py

    on_disk = size_bytes(folder)
    for path in sorted(folder.rglob("*.h5")):
        with h5py.File(path, "r") as file:
            check_hdf5(file, allowed_bytes(path.stat().st_size))

    def refusal(wanted: int) -> Exception:
        return ValueError(f"it asks for {wanted:,} weights and holds {on_disk:,} bytes in all")

    with limited_weights(on_disk + SMALL, refusal):
        return load()


def _guarded(preset: Preset, action: Callable[[], Any]) -> Any:
    """Run something of another package and give its many errors one meaning."""
    try:
        return action()
    except Exception as error:  # these packages raise whatever their clients raise
        reason = reason_of(error)
        if Path(preset.source).is_dir():
            raise DataError(
                f"The folder '{preset.source}' is not a usable {preset.family} preset: {reason}. "
                "Pass a folder that holds its config.json and model.weights.h5."
            ) from error
        raise DownloadError(
            f"The {preset.family} preset {preset.source!r} is not on this machine and could not be "
            f"downloaded: {reason}. Check the connection; or fetch the preset on another machine "
            f"and pass its folder as {preset.name.partition(':')[0] + ':<folder>'!r}; or use "
            "'efficientnet_lite0', whose weights install with pip."
        ) from error


def warn_unknown_scaling(name: str) -> None:
    """Warn that a preset does not say how photos are to be scaled."""
    warnings.warn(
        f"{name!r} does not say how photos are to be scaled (it has no image converter), so its "
        "model gets values 0 to 255 as they are. Save the preset with its image converter.",
        stacklevel=2,
    )


def check_source(source: str, name: str, known: set[str], error: ValueError) -> None:
    """Refuse a name that is neither a folder, nor a known preset, nor an address.

    Args:
        source: The part after the colon.
        name: Full name, for the message.
        known: Names of the package's own presets.
        error: What to raise for a name that is not among them.

    Raises:
        ValueError: If `source` is empty or unknown.
    """
    if not source:
        raise ValueError(
            f"{name!r} names no preset. Write the name of a preset or the path of a folder after "
            "the colon."
        )
    if source not in known and "://" not in source and not Path(source).is_dir():
        raise error


def cv_spec(source: str) -> BackboneSpec:
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


def hub_spec(source: str) -> BackboneSpec:
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
