"""Names that a package offers, and that load what they need when they are first used."""

from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any


def lazy_names(
    package: str, where: Mapping[str, str], *, own: str = "", rooms: str = ""
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Make a package's `__getattr__`, `__dir__` and `__all__`.

    Editors do not see what happens at run time: the package says the same under
    `if TYPE_CHECKING:`, where each name is imported as itself.

    Args:
        package: Dotted name of the package.
        where: Module inside the package to the names that it has, with spaces between them.
        own: Names that the package defines itself, with spaces between them.
        rooms: Packages inside it that are names, too, with spaces between them. What they list
            can be had from here as well, and is not listed here.

    Example:
        >>> get, names, listed = lazy_names("kerasrecipes", {"errors": "DataError"}, own="VERSION")
        >>> get("DataError").__module__
        'kerasrecipes.errors'
        >>> names() == listed == ["DataError", "VERSION"]
        True
    """
    places = {name: module for module, names in where.items() for name in names.split()}
    packages = rooms.split()
    public = sorted([*places, *own.split(), *packages])

    def __getattr__(name: str) -> Any:
        if name in packages:
            return _imported(f"{package}.{name}")
        if name in places:
            return getattr(_imported(f"{package}.{places[name]}"), name)
        if not name.startswith("_"):
            for room in (_imported(f"{package}.{other}") for other in packages):
                if name in room.__all__:
                    return getattr(room, name)
        from kerasrecipes.errors import did_you_mean

        raise AttributeError(f"{package} has no {name!r}.{did_you_mean(name, public)}")

    return __getattr__, lambda: list(public), public


def _imported(module: str) -> ModuleType:
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        from kerasrecipes.errors import explained

        raise explained(error) from error
