"""The table of settings as Markdown, for the page about them."""

from itertools import groupby

from kerasrecipes import ImageClassifier
from kerasrecipes.settings.setting import Setting

_WHERE = {
    "ON": "training on",
    "TAUGHT": "following a teacher",
    "NO_BLOCKS": "training a model that lost its blocks",
    "TFMOT": "training by TFMOT",
}


def settings_table() -> str:
    """Return one table for each group of settings, in the order in which people read them."""
    groups = groupby(sorted(ImageClassifier.table, key=_position), key=lambda row: row.group)
    return "\n".join(
        f"\n### {group}\n\n| setting | default | may be | goes with |\n|---|---|---|---|\n"
        + "\n".join(f"| {' | '.join(_cells(row))} |" for row in rows)
        for group, rows in groups
    )


def _position(row: Setting) -> int:
    return [other.group for other in ImageClassifier.table].index(row.group)


def _cells(row: Setting) -> list[str]:
    default = getattr(ImageClassifier, row.name)
    rules = [rule.briefly for rule in row.rules]
    for where, idle in row.idle.items():
        what = " or ".join(f"`{value!r}`" for value in idle.only) or "It"
        rules.append(f"{what} has no effect while {_WHERE[where.name]}: {idle.why}.")
    words = row.kind.words.replace("|", r"\|")
    return [f"`{row.name}`", f"`{default!r}`", words, " ".join(rules)]
