"""Finding one-file entries by name, without importing what is not asked for."""

import importlib
import pkgutil
from collections.abc import Iterator


class Registry:
    """All entries that the modules of one package declare.

    A module takes part by holding a tuple under the agreed attribute name; adding
    an entry therefore means adding a file. Modules without the attribute are plain code.

    Args:
        package: Dotted name of the package whose modules are searched.
        attribute: Name of the tuple, e.g. `"SPECS"`. Its items have a `name`.
    """

    def __init__(self, package: str, attribute: str):
        self._package = package
        self._attribute = attribute
        self._entries: dict[str, object] | None = None

    def _load(self) -> dict[str, object]:
        if self._entries is None:
            package = importlib.import_module(self._package)
            entries: dict[str, object] = {}
            for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda m: m.name):
                loaded = importlib.import_module(f"{self._package}.{module.name}")
                for entry in getattr(loaded, self._attribute, ()):
                    if entry.name in entries:
                        raise ValueError(
                            f"Two entries of {self._package} are named {entry.name!r}."
                        )
                    entries[entry.name] = entry
            self._entries = entries
        return self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._load())

    def __len__(self) -> int:
        return len(self._load())

    def __getitem__(self, name: str) -> object:
        return self._load()[name]
