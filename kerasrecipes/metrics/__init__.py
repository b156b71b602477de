"""Keras metrics at an operating point, each usable in a bare `model.compile`."""

from typing import TYPE_CHECKING

from kerasrecipes.lazy import lazy_names

if TYPE_CHECKING:
    from kerasrecipes.metrics.operating import (
        FalseAlarmsAtRecall as FalseAlarmsAtRecall,
        MeanPrecision as MeanPrecision,
        MeanRecall as MeanRecall,
        RecallAtFalseAlarms as RecallAtFalseAlarms,
    )

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "operating": "FalseAlarmsAtRecall MeanPrecision MeanRecall RecallAtFalseAlarms",
    },
)
