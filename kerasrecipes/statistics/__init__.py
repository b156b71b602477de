"""Estimates with their intervals, and comparisons."""

from typing import TYPE_CHECKING

from kerasrecipes.lazy import lazy_names

if TYPE_CHECKING:
    from kerasrecipes.statistics.clustered import clustered_share as clustered_share
    from kerasrecipes.statistics.estimate import Estimate as Estimate
    from kerasrecipes.statistics.intervals import (
        bootstrap_interval as bootstrap_interval,
        paired_difference_interval as paired_difference_interval,
        wilson_interval as wilson_interval,
    )
    from kerasrecipes.statistics.paired import (
        bootstrap_difference as bootstrap_difference,
        mcnemar_p_value as mcnemar_p_value,
    )

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "clustered": "clustered_share",
        "estimate": "Estimate",
        "intervals": "bootstrap_interval paired_difference_interval wilson_interval",
        "paired": "bootstrap_difference mcnemar_p_value",
    },
)
