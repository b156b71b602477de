"""Writing TOML, which Python reads but does not write."""

import json
import re
from collections.abc import Mapping
from typing import Any

from kerasrecipes.settings.kinds import NONE


def toml_value(value: Any) -> str:
    """Write one value on one line; `None`, for which TOML has no word, is `"none"`.

    Args:
        value: Nested plain values; in tables, what is `None` is left out.

    Raises:
        TypeError: If there are others among them.

    Example:
        >>> toml_value({"rank": 4, "match": "", "alpha": None})
        '{rank = 4, match = ""}'
    """
    if value is None:
        return toml_value(NONE)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # TOML wants DEL escaped, which JSON does not.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(_lines(value)) + "}"
    raise TypeError(f"There is no TOML for {value!r}.")


def toml_table(name: str, value: Mapping[str, Any] | list) -> str:
    """Write a table under its header, or a list of them.

    Args:
        name: The key.
        value: One table, or several.
    """
    if isinstance(value, Mapping):
        return "\n".join([f"[{toml_key(name)}]", *_lines(value)])
    return "\n\n".join("\n".join([f"[[{toml_key(name)}]]", *_lines(one)]) for one in value)


def toml_key(name: str) -> str:
    """Write a key, in quotes if it needs them."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else toml_value(name)


def _lines(table: Mapping[str, Any]) -> list[str]:
    return [f"{toml_key(k)} = {toml_value(v)}" for k, v in table.items() if v is not None]
