"""A catalogue of pretrained backbones; keras is imported only when one is built."""

from dataclasses import replace as changed
from typing import TYPE_CHECKING, Any

from kerasrecipes.arguments import named
from kerasrecipes.backbones.spec import Backbone as Backbone, BackboneSpec as BackboneSpec
from kerasrecipes.errors import unknown_name
from kerasrecipes.lazy import lazy_names
from kerasrecipes.registry import Registry

if TYPE_CHECKING:
    from kerasrecipes.backbones.signals.signal_backbone import SignalBackbone as SignalBackbone
    from kerasrecipes.backbones.texts.text_backbone import TextBackbone as TextBackbone
    from kerasrecipes.backbones.weights_files import save_npz as save_npz

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "signals.signal_backbone": "SignalBackbone",
        "texts.text_backbone": "TextBackbone",
        "weights_files": "save_npz",
    },
    own="Backbone BackboneSpec get_backbone list_backbones register_backbone usable_backbones",
)


def _check_spec(spec: object) -> None:
    if not isinstance(spec, Backbone):
        raise ValueError(
            f"A backbone must be a BackboneSpec, not {type(spec).__name__}. Make one, or take "
            "BackboneSpec.from_model for a Keras model."
        )


_REGISTRY: Registry[BackboneSpec] = Registry(
    __name__,
    "SPECS",
    "backbone",
    "kerasrecipes.list_backbones(), or kerasrecipes ls",
    check=_check_spec,
    group="kerasrecipes.backbones",
)
_TEXTS: Registry[Backbone] = Registry(
    f"{__name__}.texts",
    "SPECS",
    "backbone for texts",
    "kerasrecipes.list_backbones('texts'), or kerasrecipes ls",
    check=_check_spec,
    group="kerasrecipes.backbones.texts",
)
_SIGNALS: Registry[Backbone] = Registry(
    f"{__name__}.signals",
    "SPECS",
    "backbone for signals",
    "kerasrecipes.list_backbones('signals'), or kerasrecipes ls",
    check=_check_spec,
    group="kerasrecipes.backbones.signals",
)
_REGISTRIES: dict[str, Registry[Any]] = {
    "photos": _REGISTRY,
    "texts": _TEXTS,
    "signals": _SIGNALS,
}


def _registry(modality: str) -> Registry[Any]:
    if not isinstance(modality, str) or modality not in _REGISTRIES:
        raise unknown_name("modality", modality, _REGISTRIES, "kerasrecipes.list_backbones")
    return _REGISTRIES[modality]


@named
def list_backbones(modality: str = "photos") -> list[str]:
    """List the names of all backbones in the catalogue.

    Besides these, `get_backbone` knows `"hub:<preset or folder>"` (KerasHub) and
    `"cv:<preset>"` (KerasCV), whose catalogues belong to those packages.

    Args:
        modality: What they read: `"photos"`, `"texts"` or `"signals"`.

    Raises:
        ValueError: If there is no such kind of data.

    Example:
        >>> "efficientnet_lite0" in list_backbones(), list_backbones("texts")
        (True, ['minilm'])
    """
    return list(_registry(modality))


@named
def usable_backbones(modality: str = "photos") -> dict[str, Any]:
    """Return the whole catalogue by name; those that cannot be imported are named in warnings.

    Args:
        modality: What they read.
    """
    return _registry(modality).entries()


@named
def register_backbone(spec: Backbone, name: str | None = None, replace: bool = False) -> None:
    """Add a backbone to the catalogue, for this process.

    Register it before a bundle is loaded that was trained on it. A package of yours can do it
    for every process, by an entry point `name = module:spec` in the group
    `kerasrecipes.backbones`.

    Args:
        spec: The backbone.
        name: What to call it; by default the specification's own name. One that was made by
            `BackboneSpec.from_model` needs a name here.
        replace: Whether it may take the place of one that was registered before.

    Raises:
        ValueError: If it is no specification, or the name cannot be used or is taken.
    """
    _check_spec(spec)
    spec = spec if name is None else changed(spec, name=name)
    _registry(spec.modality).add(spec.name, spec, replace)


def get_backbone(name: str | Backbone, modality: str = "photos") -> Any:
    """Look a backbone up by name.

    Args:
        name: One of `list_backbones()`, or `"hub:<preset or local folder>"`, or
            `"cv:<preset>"`. The last two read the preset's configuration, which for
            a preset that is not on this machine means a download. A specification is
            returned as it is.
        modality: What it is to read: `"photos"`, `"texts"` or `"signals"`.

    Returns:
        Its specification, a `BackboneSpec` for photos; call `build()` on it for the model.

    Raises:
        ValueError: If there is no such backbone, it is of a kind without feature maps, or it
            reads something else.
        PluginError: If an installed package adds it, and it cannot be used.
        MissingDependencyError: If `hub:` or `cv:` needs a package that is not installed.
        DownloadError: If a preset is not on this machine and cannot be fetched.

    Example:
        >>> get_backbone("efficientnet_lite0").image_size
        (224, 224)
    """
    registry = _registry(modality)
    if isinstance(name, Backbone):
        _check_reads(name, modality)
        return name
    if not isinstance(name, str):
        raise ValueError(
            f"`name` of a backbone must be a string, not {type(name).__name__}. "
            "See all with kerasrecipes.list_backbones()."
        )
    others = [other for other in _REGISTRIES if other != modality and name in _REGISTRIES[other]]
    if name not in registry and others:
        _check_reads(_REGISTRIES[others[0]].get(name), modality)
    kind, colon, preset = name.partition(":")
    if colon and kind in {"hub", "cv"} and modality == "photos":
        from kerasrecipes.backbones.presets import cv_spec, hub_spec

        return {"hub": hub_spec, "cv": cv_spec}[kind](preset)
    if colon and kind == "model":
        raise ValueError(
            f"The backbone {name!r} was made of a Keras model and has no other place. In Python, "
            "make it again with BackboneSpec.from_model, and pass the specification instead of "
            "its name. For commands, and to retrain, train once under a name that a package of "
            "yours gives it: an entry point in the group kerasrecipes.backbones."
        )
    return registry.get(name)


def _check_reads(spec: Backbone, modality: str) -> None:
    if spec.modality != modality:
        raise ValueError(
            f"The backbone {spec.name!r} reads {spec.modality}, and {modality} are to be read. "
            f"Choose one of list_backbones({modality!r})."
        )
