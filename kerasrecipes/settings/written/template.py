"""A recipe to begin with: each setting with its meaning, as it is by default, to be changed."""

import textwrap
from collections.abc import Callable, Iterable, Mapping
from inspect import Parameter, signature
from typing import Any

from kerasrecipes.settings.setting import GROUPS, Setting
from kerasrecipes.settings.split_rows import split_rows_of
from kerasrecipes.settings.structures import KIND
from kerasrecipes.settings.written.meanings import meanings
from kerasrecipes.settings.written.toml_text import toml_value

WIDTH = 96


def recipe_template(
    recipe_type: type,
    splits: Callable[..., Any],
    begins: str,
    chosen: Mapping[str, Any] | None = None,
) -> str:
    """Write a TOML file of all settings, none of them set but what says which photos.

    Args:
        recipe_type: The class of the recipe, with the table of its settings.
        splits: The function whose arguments say how photos are chosen and split.
        begins: What to say first, line by line.
        chosen: What is set of how photos are chosen and split.

    Returns:
        The file; each setting that may be set stands behind a `#` without a blank.
    """
    table: tuple[Setting, ...] = recipe_type.table  # type: ignore[attr-defined]
    told = meanings(recipe_type)
    parts = [_comment(begins)]
    for group in GROUPS:
        rows = [row for row in table if row.group == group]
        parts.append(f"# {f' {group} ':─^{WIDTH - 2}}")
        parts += [_entry(row, told, getattr(recipe_type, row.name)) for row in rows]
    parts.append(f"# {' Tables, which come last in a file ':─^{WIDTH - 2}}")
    modality: str = recipe_type.modality  # type: ignore[attr-defined]
    parts.append(_comment(f"How {modality} are chosen and split."))
    defaults = {one.name: one.default for one in signature(splits).parameters.values()}
    parts.append(
        _table(modality, split_rows_of(modality), meanings(splits), defaults, chosen or {})
    )
    parts += [_tables(row) for row in table if row.kind.keys()]
    return "\n\n".join(parts) + "\n"


def _comment(text: str) -> str:
    lines = [
        line
        for paragraph in text.splitlines()
        for line in textwrap.wrap(paragraph, WIDTH - 2, break_on_hyphens=False) or [""]
    ]
    return "\n".join(f"# {line}".rstrip() for line in lines)


def _entry(row: Setting, told: Mapping[str, str], value: Any, mark: str = "#") -> str:
    text = toml_value(row.kind.to_plain(value))
    allowed = f"{row.kind.words[0].upper()}{row.kind.words[1:]}."
    meaning = told.get(row.name, "")  # python -OO has no docstrings
    return "\n".join([_comment(meaning), _comment(allowed), f"{mark}{row.name} = {text}"])


def _table(
    name: str,
    rows: Iterable[Setting],
    told: Mapping[str, str],
    defaults: Mapping[str, Any],
    chosen: Mapping[str, Any],
) -> str:
    values = {**defaults, **chosen}
    entries = [
        _entry(row, told, values[row.name], "" if row.name in chosen else "#") for row in rows
    ]
    return "\n".join([f"[{name}]" if chosen else f"#[{name}]", *entries])


def _tables(row: Setting) -> str:
    """Write a table for each kind of a setting that is written as one."""
    found = []
    kinds = row.kind.keys()
    for kind, arguments in kinds.items():
        lines = [f"#[{row.name}]"] + [f'#{KIND} = "{kind}"'] * (len(kinds) > 1)
        lines += [
            f"#{name} = {toml_value(default)}"
            for name, default in arguments.items()
            if default is not Parameter.empty
        ]
        found.append("\n".join(lines))
    words = f"`{row.name}`" + (" is one of these." if len(kinds) > 1 else " may be a table.")
    return "\n".join([_comment(words), "\n\n".join(found)])
