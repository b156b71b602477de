"""A catalogue of pretrained backbones; keras is imported only when one is built."""

from kerasrecipes.backbones.spec import BackboneSpec
from kerasrecipes.errors import unknown_name
from kerasrecipes.registry import Registry

__all__ = ["BackboneSpec", "get_backbone", "list_backbones"]

_REGISTRY = Registry("kerasrecipes.backbones", "SPECS")


def list_backbones() -> list[str]:
    """List the names of all backbones in the catalogue.

    Besides these, `get_backbone` knows `"hub:<preset or folder>"` (KerasHub) and
    `"cv:<preset>"` (KerasCV), whose catalogues belong to those packages.

    Example:
        >>> "efficientnet_lite0" in list_backbones()
        True
    """
    return sorted(_REGISTRY)


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
    if name not in set(_REGISTRY):
        raise unknown_name(
            "backbone", name, _REGISTRY, "kerasrecipes.list_backbones(), or kerasrecipes ls"
        )
    return _REGISTRY[name]
