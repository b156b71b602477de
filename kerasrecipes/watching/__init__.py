"""Watching a model in use by the journal of its predictions: drift, quality, latency, errors."""

from typing import TYPE_CHECKING

from kerasrecipes.lazy import lazy_names

if TYPE_CHECKING:
    from kerasrecipes.watching.settings import WatchSettings as WatchSettings
    from kerasrecipes.watching.watch_report import WatchReport as WatchReport
    from kerasrecipes.watching.watching import watch_journal as watch_journal

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "settings": "WatchSettings",
        "watch_report": "WatchReport",
        "watching": "watch_journal",
    },
)
