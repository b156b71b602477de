"""Recipes as TOML: read from a file and from `setting=value`, and written to repeat a run."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kerasrecipes._version import __version__
from kerasrecipes.errors import DataError, printable, unknown_name
from kerasrecipes.regular import read_regular
from kerasrecipes.settings.kinds import Kind
from kerasrecipes.settings.setting import GROUPS, Setting
from kerasrecipes.settings.split_rows import split_rows_of
from kerasrecipes.settings.structures import KIND, Made, is_made
from kerasrecipes.settings.written.toml_text import toml_key, toml_table, toml_value

# The table of a file that says how photos are chosen and split; of texts, it is `texts`.
SPLIT = "photos"
SEE = "kerasrecipes init"


@dataclass
class RecipeFile:
    """What a file and `setting=value` say, still as plain values; the last word counts.

    Args:
        table: The settings that there are.
        plain: What is said so far.
        modality: The kind of data, whose name has the table of how it is chosen and split.
    """

    table: tuple[Setting, ...]
    plain: dict[str, Any] = field(default_factory=dict)
    modality: str = SPLIT

    def read(self, path: str | Path) -> None:
        """Take what a file says.

        Args:
            path: A TOML file.

        Raises:
            OSError: If it cannot be read.
            DataError: If it is no TOML.
            ValueError: If there is no such setting.
        """
        try:
            found = tomllib.loads(read_regular(path).decode("utf-8"))
        except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
            raise DataError(
                f"'{printable(path)}' is no TOML file: {printable(error)}. Begin with one that "
                f"{SEE} writes."
            ) from error
        self._check_keys(found)
        self.plain |= found

    def assign(self, text: str) -> None:
        """Take one setting, e.g. `"dropout=0.3"` or `"schedule.epochs=4"`.

        Args:
            text: The setting, `=`, and a TOML value; a text needs no quotes.

        Raises:
            ValueError: If there is no such setting, or nothing is said of it.
        """
        path, equals, value = text.partition("=")
        name, dot, key = path.strip().partition(".")
        if not equals or not name or (dot and not key):
            raise ValueError(f"{printable(text)!r} is not <setting>=<value>, e.g. dropout=0.3.")
        if not dot:
            is_text = name in self._kinds() and self._kinds()[name].is_text
            said = {name: _typed(value, is_text)}
            self._check_keys(said)
            self.plain |= said
            return
        kind = None if name == self.modality else self._kinds().get(name)
        if name != self.modality and (kind is None or not is_made(kind)):
            raise unknown_name("setting", path.strip(), self._names(), SEE)
        table = _table_of(kind, name, self.plain.get(name, {}))
        self.plain[name] = {**table, key: _typed(value, False)}
        self._check_keys({name: self.plain[name]})

    def settings(self) -> dict[str, Any]:
        """Return the settings of the recipe, for its constructor.

        Raises:
            ValueError: If a value cannot be made of a table.
        """
        kinds = self._kinds()
        said = {name: value for name, value in self.plain.items() if name != self.modality}
        return {name: kinds[name].from_plain(value) for name, value in said.items()}

    def split(self) -> dict[str, Any]:
        """Return how photos are chosen and split, for `fine_tune_images`.

        Raises:
            ValueError: If one of it is not usable.
        """
        rows = {row.name: row for row in split_rows_of(self.modality)}
        said = self.plain.get(self.modality, {})
        found = {name: rows[name].kind.from_plain(value) for name, value in said.items()}
        for name, value in found.items():
            rows[name].kind.check(name, value)
        return found

    def _kinds(self) -> dict[str, Kind]:
        return {row.name: row.kind for row in self.table}

    def _names(self) -> list[str]:
        """All that may be assigned, with what is inside of tables."""
        inside = [
            f"{row.name}.{key}"
            for row in self.table
            for keys in row.kind.keys().values()
            for key in keys
        ]
        return [
            *self._kinds(),
            *inside,
            *(f"{self.modality}.{row.name}" for row in split_rows_of(self.modality)),
        ]

    def _check_keys(self, said: Mapping[str, Any]) -> None:
        """Raise a `ValueError` that names the first setting that there is not."""
        for name in said:
            if name != self.modality and name not in self._kinds():
                raise unknown_name("setting", name, [*self._kinds(), self.modality], SEE)
        split = said.get(self.modality, {})
        if not isinstance(split, Mapping):
            raise ValueError(
                f"`{self.modality}` must be a table of how photos are split, not {split!r}."
            )
        known = [row.name for row in split_rows_of(self.modality)]
        for name in split:
            if name not in known:
                raise unknown_name(f"setting of [{self.modality}]", name, known, SEE)


def _typed(text: str, is_text: bool) -> Any:
    """Read what was typed as a TOML value; what is none is a text."""
    text = text.strip()
    if is_text and not text.startswith(('"', "'")):
        return text
    try:
        found = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        return text
    return found["value"] if len(found) == 1 else text


def _table_of(kind: Kind | None, name: str, value: Any) -> Mapping[str, Any]:
    """Return the table that a key is added to."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, list):
        raise ValueError(
            f"`{name}` is a list here, and no part of it can be set by itself. Set all of it."
        )
    is_kind = isinstance(kind, Made) and len(kind.makers()) > 1 and value in kind.makers()
    return {KIND: value} if is_kind else {}


def recipe_text(recipe: Any, split: Mapping[str, Any]) -> str:
    """Write all settings of a recipe, and how its photos were split, as TOML.

    Args:
        recipe: The recipe.
        split: How the photos were chosen and split; empty if that is not known.

    Returns:
        A file that `kerasrecipes train --config` takes to repeat the run.
    """
    source = f" of '{printable(split['source'])}'" if "source" in split else ""
    lines = [f"# A run{source}, with kerasrecipes {__version__}, to be repeated with --config."]
    tables = []
    for group in GROUPS:
        lines += ["", f"# {group}"]
        for row in recipe.table:
            if row.group == group:
                value = row.kind.to_plain(getattr(recipe, row.name))
                if is_made(row.kind) and isinstance(value, Mapping | list):
                    tables.append(toml_table(row.name, value))
                else:
                    lines.append(f"{toml_key(row.name)} = {toml_value(value)}")
    said = [row.name for row in split_rows_of(recipe.modality) if row.name in split]
    if said:
        rows = [f"{name} = {toml_value(split[name])}" for name in said]
        tables.insert(0, "\n".join([f"[{recipe.modality}]", *rows]))
    return "\n".join(lines) + "\n" + "".join(f"\n{table}\n" for table in tables)
