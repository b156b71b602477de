"""Signals with labels: recordings of sensors and sound, scanned, checked, cut and masked."""

from typing import TYPE_CHECKING

from kerasrecipes.lazy import lazy_names

if TYPE_CHECKING:
    from kerasrecipes.signals.check import check_signals as check_signals
    from kerasrecipes.signals.layout import Layout as Layout
    from kerasrecipes.signals.scan import scan_signals as scan_signals
    from kerasrecipes.signals.signal_set import Signal as Signal, SignalSet as SignalSet

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "check": "check_signals",
        "layout": "Layout",
        "scan": "scan_signals",
        "signal_set": "Signal SignalSet",
    },
)
