"""Which versions a result was made with."""

import platform
from importlib.metadata import PackageNotFoundError, version

from kerasrecipes._version import __version__

_LIBRARIES = ("tensorflow", "keras", "ai-edge-litert", "numpy", "pillow")


def library_versions() -> dict[str, str]:
    """Return the versions of Python, this package and what it computes with."""
    found = {"kerasrecipes": __version__, "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
