"""Formats that a trained model can be written to, one file per format.

Listing and loading never import tensorflow, but for a SavedModel; writing does.
"""

from pathlib import Path

from kerasrecipes.arguments import named
from kerasrecipes.export.format import (
    ExportFormat as ExportFormat,
    GraphFacts as GraphFacts,
    LoadedModel as LoadedModel,
)
from kerasrecipes.lazy import lazy_names
from kerasrecipes.registry import Registry

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {},
    own="ExportFormat GraphFacts LoadedModel find_format get_format list_formats "
    "register_format usable_formats",
)


def _check_format(format: object) -> None:
    if not isinstance(format, ExportFormat):
        raise ValueError(f"A format must be an ExportFormat, not {type(format).__name__}.")


_REGISTRY: Registry[ExportFormat] = Registry(
    __name__,
    "FORMATS",
    "format",
    "kerasrecipes.list_formats()",
    check=_check_format,
    group="kerasrecipes.formats",
)


def list_formats() -> list[str]:
    """List the names of all export formats.

    Example:
        >>> list_formats()
        ['onnx', 'saved_model', 'tflite']
    """
    return list(_REGISTRY)


def usable_formats() -> dict[str, ExportFormat]:
    """Return all formats by name; those that cannot be imported are named in warnings."""
    return _REGISTRY.entries()


@named
def register_format(format: ExportFormat, replace: bool = False) -> None:
    """Add an export format, for this process.

    A package of yours can add it for every process, by an entry point `name = module:format` in
    the group `kerasrecipes.formats`.

    The time that its files need to load, and their memory, are measured by a new process, which
    imports `load` from its module. Where it cannot, since that is the running script or not on
    the path, the time is measured in this process, and nothing is said of memory.

    Args:
        format: The format.
        replace: Whether it may take the place of one that was registered before.

    Raises:
        ValueError: If it is no format, or its name cannot be used or is taken.
    """
    _check_format(format)
    _REGISTRY.add(format.name, format, replace)


@named
def find_format(path: str | Path) -> ExportFormat | None:
    """Return the format whose files end like a path.

    Args:
        path: An exported file; it need not exist.

    Returns:
        The format, or `None`.
    """
    suffix = Path(path).suffix
    found = (format for format in usable_formats().values() if format.suffix == suffix)
    return next(found, None)


@named
def get_format(name: str) -> ExportFormat:
    """Look an export format up by name.

    Args:
        name: One of `list_formats()`.

    Returns:
        The format: how to write, load and inspect its files.

    Raises:
        ValueError: If there is no such format.
        PluginError: If an installed package adds it, and it cannot be used.

    Example:
        >>> get_format("tflite").quantizations
        ('float32', 'float16', 'dynamic', 'int8', 'int4')
    """
    return _REGISTRY.get(name)
