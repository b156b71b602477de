"""What one file each declares, and what users add, by name; only what is asked for is imported."""

import ast
import importlib
import pkgutil
import re
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Generic, TypeVar

from kerasrecipes.errors import PluginError, listed, unknown_name

Entry = TypeVar("Entry")


class Registry(Generic[Entry]):
    """The entries that the modules of one package declare, and those that users add.

    A module, or a package inside the package, takes part by having the agreed attribute at its
    top level: a tuple of entries, which have a `name`. Its own name is the name of its one
    entry, unless it says `NAMES = ("a", "b")`. Names are found by reading the files, not by
    running them, so that one name costs the import of one module. Where facts about all entries
    must be known without any import, the attribute is a dictionary of literals instead, name to
    facts.

    Args:
        package: Dotted name of the package whose modules are searched.
        attribute: Name of the tuple, e.g. `"SPECS"`.
        kind: What an entry is called in messages, e.g. `"backbone"`.
        see: A call that lists the names, for messages.
        check: Raises a `ValueError` unless what a user adds is an entry.
        group: The group of entry points by which installed packages add entries.
        taken: Makes an entry of what an installed package offers, where it need not be one.
        from_facts: Makes an entry of its module's name and its facts, where `attribute` is a
            dictionary.
    """

    def __init__(
        self,
        package: str,
        attribute: str,
        kind: str,
        see: str,
        *,
        check: Callable[[Any], None],
        group: str = "",
        taken: Callable[[Any], Any] = lambda offered: offered,
        from_facts: Callable[[str, dict], Entry] | None = None,
    ):
        self._package, self._attribute = package, attribute
        self._kind, self._see, self._check = kind, see, check
        self._group, self._from_facts, self._taken = group, from_facts, taken
        self._loaded: dict[str, Entry] = {}
        self.added: dict[str, Entry] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*self._declared, *self._plugins, *self.added}))

    def __contains__(self, name: object) -> bool:
        known = (self._declared, self._plugins, self.added)
        return isinstance(name, str) and any(name in names for names in known)

    def get(self, name: str) -> Entry:
        """Return one entry; of the files of the package, only its own is imported.

        Args:
            name: The entry's name.

        Raises:
            ValueError: If no entry has this name, or two places offer it.
            PluginError: If an installed package offers it, and it cannot be used.
        """
        if name not in self:
            raise unknown_name(self._kind, name, self, self._see)
        if name in self.added:
            return self.added[name]
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def entries(self) -> dict[str, Entry]:
        """Return all entries by name, with a warning for each that cannot be used."""
        found = {}
        for name in self:
            try:
                found[name] = self.get(name)
            except PluginError as error:
                warnings.warn(f"{error} It is left out.", stacklevel=3)
        return found

    def add(self, name: str, entry: Entry, replace: bool = False) -> None:
        """Take in an entry from outside the package, in this process.

        Args:
            name: What it is asked for by.
            entry: The entry.
            replace: Whether it may take the place of one that was added before.

        Raises:
            ValueError: If it is no entry, or `name` cannot be one, or is taken.
        """
        self._check(entry)
        if not isinstance(name, str) or not re.fullmatch(r"\w[\w.-]*", name):
            raise ValueError(
                f"The `name` of a {self._kind} must be a word of letters, digits, '_', '-' and "
                f"'.', not {name!r}."
            )
        if offered := self._offers(name):
            raise ValueError(
                f"The name {name!r} of a {self._kind} is taken by {listed(offered)}. Choose "
                "another name."
            )
        if name in self.added and not replace:
            raise ValueError(
                f"The {self._kind} {name!r} was registered before. Choose another name, or pass "
                "replace=True to put this one in its place."
            )
        self.added[name] = entry

    def _offers(self, name: str) -> list[str]:
        """Return which module of the package, and which installed packages, have a name."""
        inside = [self._declared[name][0]] if name in self._declared else []
        return inside + [_package_of(plugin) for plugin in self._plugins.get(name, ())]

    @cached_property
    def _declared(self) -> dict[str, tuple[str, dict]]:
        """Map each name in the package to its module, and to what is known without importing."""
        declared: dict[str, tuple[str, dict]] = {}
        for found in pkgutil.iter_modules(importlib.import_module(self._package).__path__):
            module = f"{self._package}.{found.name}"
            for name, facts in self._names_in(module).items():
                if name in declared:
                    raise ValueError(
                        f"Two modules have a {self._kind} {name!r}: {declared[name][0]} and "
                        f"{module}. Rename one of them."
                    )
                declared[name] = (module, facts)
        return declared

    def _names_in(self, module: str) -> dict[str, dict]:
        source = _source_of(module)
        if source is None:  # compiled only: there is nothing to read
            entries: Any = getattr(importlib.import_module(module), self._attribute, ())
            return entries if self._from_facts else {entry.name: {} for entry in entries}
        if self._attribute not in source:
            return {}
        values = _top_level(source)
        if self._attribute not in values:
            return {}
        if self._from_facts:
            return ast.literal_eval(values[self._attribute])
        names = ast.literal_eval(values["NAMES"]) if "NAMES" in values else [module.split(".")[-1]]
        return {name: {} for name in names}

    @cached_property
    def _plugins(self) -> dict[str, list[EntryPoint]]:
        plugins = defaultdict(list)
        for plugin in entry_points(group=self._group) if self._group else ():
            plugins[plugin.name].append(plugin)
        return dict(plugins)

    def _load(self, name: str) -> Entry:
        if len(offered := self._offers(name)) > 1:
            raise ValueError(
                f"The {self._kind} {name!r} is offered by {listed(offered)}. Uninstall all but "
                "one of them."
            )
        if name in self._plugins:
            return self._load_plugin(self._plugins[name][0])
        module, facts = self._declared[name]
        if self._from_facts:
            return self._from_facts(module, facts)
        for entry in getattr(importlib.import_module(module), self._attribute):
            if entry.name == name:
                return entry
        raise ValueError(
            f"{self._attribute} of {module} has no {self._kind} {name!r}. Name the file as its "
            "one entry, or list the names of its entries in NAMES."
        )

    def _load_plugin(self, plugin: EntryPoint) -> Entry:
        try:
            entry = self._taken(plugin.load())
            self._check(entry)
            if (own := getattr(entry, "name", plugin.name)) != plugin.name:
                raise ValueError(f"its own name is {own!r}")
        except Exception as error:  # a foreign module may do anything when it is imported
            raise PluginError(
                f"The {self._kind} {plugin.name!r} of the package {_package_of(plugin)!r} cannot "
                f"be used: {type(error).__name__}: {error}. Repair or uninstall that package."
            ) from error
        return entry


def _package_of(plugin: EntryPoint) -> str:
    return plugin.dist.name if plugin.dist else plugin.module


def _source_of(module: str) -> str | None:
    """Return the text of a module, without importing it; `None` if it is compiled only."""
    found: Any = find_spec(module)
    if hasattr(found.loader, "get_source"):
        text: str | None = found.loader.get_source(module)
        return text
    # Loaders of others need not have that, such as the one by which pytest rewrites assertions.
    return Path(found.origin).read_text("utf-8") if found.has_location else None


def _top_level(source: str) -> dict[str, Any]:
    """Return what a module assigns or imports at its top level: the value's syntax by name."""
    values: dict[str, Any] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign):
            values |= {t.id: node.value for t in node.targets if isinstance(t, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            values[node.target.id] = node.value
        elif isinstance(node, ast.ImportFrom):
            values |= {alias.asname or alias.name: None for alias in node.names}
    return values
