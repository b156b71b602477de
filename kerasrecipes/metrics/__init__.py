"""Keras metrics, also at an operating point, each usable in a bare `model.compile`."""

from typing import TYPE_CHECKING

from kerasrecipes.lazy import lazy_names

if TYPE_CHECKING:
    from kerasrecipes.metrics.choice import list_metrics as list_metrics
    from kerasrecipes.metrics.operating import (
        FalseAlarmsAtRecall as FalseAlarmsAtRecall,
        MeanPrecision as MeanPrecision,
        MeanRecall as MeanRecall,
        RecallAtFalseAlarms as RecallAtFalseAlarms,
    )
    from kerasrecipes.metrics.own import CalibrationError as CalibrationError, MeanOf as MeanOf

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "choice": "list_metrics",
        "own": "CalibrationError MeanOf",
        "operating": "FalseAlarmsAtRecall MeanPrecision MeanRecall RecallAtFalseAlarms",
    },
)
