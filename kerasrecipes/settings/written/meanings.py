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


def first_sentence(meaning: str) -> str:
    """Return the first sentence of a meaning, or its first clause.

    Example:
        >>> first_sentence("Disk that it may take. More is computed anew.")
        'Disk that it may take.'
    """
    return re.split(r"(?<=\.) (?=[A-Z])", meaning, maxsplit=1)[0]
