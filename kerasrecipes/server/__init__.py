"""Saved models over HTTP: the Open Inference Protocol, photos and texts, a page. No tensorflow."""

from typing import TYPE_CHECKING

from kerasrecipes.lazy import lazy_names

if TYPE_CHECKING:
    from kerasrecipes.server.running import serve_models as serve_models
    from kerasrecipes.server.settings import ServerSettings as ServerSettings

__getattr__, __dir__, __all__ = lazy_names(
    __name__, {"running": "serve_models", "settings": "ServerSettings"}
)
