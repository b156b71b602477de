"""The page of the reference that lists all settings of a recipe, made from their table."""

from collections.abc import Callable
from inspect import signature
from typing import Any

from kerasrecipes.settings.kinds import NONE
from kerasrecipes.settings.setting import GROUPS, Setting, Situation
from kerasrecipes.settings.split_rows import SPLIT_ROWS
from kerasrecipes.settings.structures import KIND
from kerasrecipes.settings.written.meanings import meanings
from kerasrecipes.settings.written.recipe_file import SPLIT
from kerasrecipes.settings.written.toml_text import toml_value

_WHERE = {
    Situation.ON: "when a finished model is trained on",
    Situation.TAUGHT: "under a teacher",
    Situation.NO_BLOCKS: "when a model that lost the backbone's layers is trained on",
    Situation.TFMOT: "under TFMOT",
}


def settings_sections(recipe_type: type, splits: Callable[..., Any]) -> str:
    """Return the reference of a recipe's settings as Markdown, below a heading of level 2.

    Args:
        recipe_type: The class of the recipe, with the table of its settings.
        splits: The function whose arguments say how photos are chosen and split.

    Returns:
        One heading per group, and below it one per setting: its default, what it may be, what
        it means, where it has no effect and with what it does not go.
    """
    table: tuple[Setting, ...] = recipe_type.table  # type: ignore[attr-defined]
    told, split_told = meanings(recipe_type), meanings(splits)
    name = recipe_type.__name__
    lines = [
        "",
        f"Each is an argument of `{name}`, a line of a file, and `--set name=value`. In a file and "
        f"on the command line, `{NONE}` is Python's `None`.",
    ]
    for group in GROUPS:
        lines += ["", f"### {group}"]
        for row in table:
            if row.group == group:
                lines += _section(row, told.get(row.name, ""), getattr(recipe_type, row.name))
    lines += ["", f"### How photos are split: the table `[{SPLIT}]` of a file"]
    defaults = {one.name: one.default for one in signature(splits).parameters.values()}
    for row in SPLIT_ROWS:
        lines += _section(row, split_told.get(row.name, ""), defaults[row.name])
    return "\n".join(lines) + "\n"


def _section(row: Setting, meaning: str, default: Any) -> list[str]:
    lines = [
        "",
        f"#### `{row.name}`",
        "",
        meaning,
        "",
        f"- Default: `{toml_value(row.kind.to_plain(default))}`",
        f"- Allowed: {row.kind.words}",
    ]
    lines += [f"- {rule.briefly}" for rule in row.rules]
    for where, idle in row.idle.items():
        which = f"{' and '.join(f'`{value!r}`' for value in idle.only)} has" if idle.only else "Has"
        lines.append(f"- {which} no effect {_WHERE[where]}: {idle.why}.")
    lines += [f"- `ablate_recipe` tries it {words}." for words in row.ablations]
    kinds = row.kind.keys()
    for kind, arguments in kinds.items():
        named = ", ".join(f"`{argument}`" for argument in arguments) or "nothing else"
        lines.append(
            f'- With `{KIND} = "{kind}"`: {named}' if len(kinds) > 1 else f"- As a table: {named}"
        )
    return lines
