"""Heads: one task per file, with its layers, its loss and its metrics."""

from dataclasses import fields

from kerasrecipes.errors import did_you_mean, listed, unknown_name
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


def make_head(name: str, **options):
    """Make a head by name.

    Args:
        name: A name of `list_heads()`.
        **options: The arguments of that head.

    Returns:
        The head, its choice of loss checked.

    Raises:
        ValueError: If there is no such head, it does not have an option, or a value is not
            usable.

    Example:
        >>> make_head("margin", loss_name="cosface").scale
        30.0
    """
    kind = get_head(name)
    known = [field.name for field in fields(kind)]
    for option in options:
        if option not in known:
            raise ValueError(
                f"The head {name!r} has no option {option!r}.{did_you_mean(option, known)} "
                f"Its options: {listed(known, 8)}."
            )
    return kind(**options)
