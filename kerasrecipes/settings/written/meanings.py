"""What settings mean, from where it is written once: the docstring of what takes them."""

import inspect
import re
from collections.abc import Callable
from typing import Any


def meanings(owner: type | Callable[..., Any]) -> dict[str, str]:
    """Return what a docstring says of each argument, as one line.

    Args:
        owner: A class or function; of a class, what its bases say is in its own docstring, too.

    Example:
        >>> meanings(meanings)["owner"][:21]
        'A class or function; '
    """
    return {name: " ".join(words.split()) for name, words in _entries(owner)}


def _entries(owner: type | Callable[..., Any]) -> list[tuple[str, str]]:
    doc = inspect.getdoc(owner) or ""
    section = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", doc, flags=re.MULTILINE | re.DOTALL)
    if section is None:
        return []
    return re.findall(
        r"^    (\w+): (.*?)(?=^    \w+: |\Z)", section[1], flags=re.MULTILINE | re.DOTALL
    )


def with_arguments_of(doc: str | None, base: str | None) -> str | None:
    """Add what a base class says of its arguments to the docstring of a subclass.

    Args:
        doc: The docstring of the subclass, with a section `Args`; `None` under `python -OO`.
        base: That of the base.
    """
    if doc is None or base is None or "Args:\n" not in doc:
        return doc
    before, _, after = inspect.cleandoc(doc).partition("Args:\n")
    own, gap, rest = after.partition("\n\n")
    arguments = inspect.cleandoc(base).partition("Args:\n")[2].partition("\n\n")[0]
    return f"{before}Args:\n{own}\n{arguments}{gap}{rest}"
