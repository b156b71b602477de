"""Formats that a trained model can be written to, one file per format.

Listing and loading never import tensorflow, but for a SavedModel; writing does.
"""

from kerasrecipes.errors import unknown_name
from kerasrecipes.export.format import ExportFormat, GraphFacts, LoadedModel
from kerasrecipes.registry import Registry

__all__ = [
    "ExportFormat",
    "GraphFacts",
    "LoadedModel",
    "get_format",
    "list_formats",
]

_REGISTRY = Registry("kerasrecipes.export", "FORMATS")


def list_formats() -> list[str]:
    """List the names of all export formats.

    Example:
        >>> list_formats()
        ['onnx', 'saved_model', 'tflite']
    """
    return sorted(_REGISTRY)


def get_format(name: str) -> ExportFormat:
    """Look an export format up by name.

    Args:
        name: One of `list_formats()`.

    Returns:
        The format: how to write, load and inspect its files.

    Raises:
        ValueError: If there is no such format.

    Example:
        >>> get_format("tflite").quantizations
        ('float32', 'float16', 'dynamic', 'int8', 'int4')
    """
    if name not in set(_REGISTRY):
        raise unknown_name("format", name, _REGISTRY, "kerasrecipes.list_formats()")
    return _REGISTRY[name]
