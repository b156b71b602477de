"""Heads: one task per file, with its layers, its loss and its metrics."""

from kerasrecipes.errors import unknown_name
from kerasrecipes.registry import Registry

_HEADS = Registry(__name__, "HEADS")


def list_heads() -> list[str]:
    """Return the names of all heads."""
    return sorted(_HEADS)


def get_head(name: str):
    """Return the class of a head by name.

    Raises:
        ValueError: If there is no such head.

    Example:
        >>> get_head("classification").name
        'classification'
    """
    if name not in set(_HEADS):
        raise unknown_name("head", name, _HEADS, "kerasrecipes.list_heads()")
    return _HEADS[name]
