"""A catalogue of pretrained backbones; keras is imported only when one is built."""

from dataclasses import replace as changed
from typing import TYPE_CHECKING

from kerasrecipes.arguments import named
from kerasrecipes.backbones.spec import BackboneSpec as BackboneSpec
from kerasrecipes.lazy import lazy_names
from kerasrecipes.registry import Registry

if TYPE_CHECKING:
    from kerasrecipes.backbones.weights_files import save_npz as save_npz

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {"weights_files": "save_npz"},
    own="BackboneSpec get_backbone list_backbones register_backbone usable_backbones",
)


def _check_spec(spec: object) -> None:
    if not isinstance(spec, BackboneSpec):
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


def list_backbones() -> list[str]:
    """List the names of all backbones in the catalogue.

    Besides these, `get_backbone` knows `"hub:<preset or folder>"` (KerasHub) and
    `"cv:<preset>"` (KerasCV), whose catalogues belong to those packages.

    Example:
        >>> "efficientnet_lite0" in list_backbones()
        True
    """
    return list(_REGISTRY)


def usable_backbones() -> dict[str, BackboneSpec]:
    """Return the whole catalogue by name; those that cannot be imported are named in warnings."""
    return _REGISTRY.entries()


@named
def register_backbone(spec: BackboneSpec, name: str | None = None, replace: bool = False) -> None:
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
    _REGISTRY.add(spec.name, spec, replace)


def get_backbone(name: str | BackboneSpec) -> BackboneSpec:
    """Look a backbone up by name.

    Args:
        name: One of `list_backbones()`, or `"hub:<preset or local folder>"`, or
            `"cv:<preset>"`. The last two read the preset's configuration, which for
            a preset that is not on this machine means a download. A specification is
            returned as it is.

    Returns:
        Its specification; call `build()` on it for the model.

    Raises:
        ValueError: If there is no such backbone, or it is of a kind without feature maps.
        PluginError: If an installed package adds it, and it cannot be used.
        MissingDependencyError: If `hub:` or `cv:` needs a package that is not installed.
        DownloadError: If a preset is not on this machine and cannot be fetched.

    Example:
        >>> get_backbone("efficientnet_lite0").image_size
        (224, 224)
    """
    if isinstance(name, BackboneSpec):
        return name
    if not isinstance(name, str):
        raise ValueError(
            f"`name` of a backbone must be a string, not {type(name).__name__}. "
            "See all with kerasrecipes.list_backbones()."
        )
    kind, colon, preset = name.partition(":")
    if colon and kind in {"hub", "cv"}:
        from kerasrecipes.backbones.presets import cv_spec, hub_spec

        return {"hub": hub_spec, "cv": cv_spec}[kind](preset)
    if colon and kind == "model":
        raise ValueError(
            f"The backbone {name!r} was made of a Keras model and has no other place. Make it "
            "again with BackboneSpec.from_model, and pass the specification instead of its name."
        )
    return _REGISTRY.get(name)
