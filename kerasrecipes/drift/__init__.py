"""Whether the data still are as they were when a model was measured."""

from typing import TYPE_CHECKING

from kerasrecipes.lazy import lazy_names

if TYPE_CHECKING:
    from kerasrecipes.drift.detecting import detect_drift as detect_drift
    from kerasrecipes.drift.profile import ReferenceProfile as ReferenceProfile
    from kerasrecipes.drift.profiling import profile_bundle as profile_bundle
    from kerasrecipes.drift.report import DriftReport as DriftReport
    from kerasrecipes.drift.shift import Shift as Shift

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "shift": "Shift",
        "detecting": "detect_drift",
        "profile": "ReferenceProfile",
        "profiling": "profile_bundle",
        "report": "DriftReport",
    },
)
