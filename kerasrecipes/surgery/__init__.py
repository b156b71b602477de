"""Reading and rebuilding the graphs of Keras models."""

from typing import TYPE_CHECKING

from kerasrecipes.lazy import lazy_names

if TYPE_CHECKING:
    from kerasrecipes.surgery.adapter_table import AdapterSummary as AdapterSummary
    from kerasrecipes.surgery.adapters import (
        AdaptedModel as AdaptedModel,
        BitFit as BitFit,
        Bottleneck as Bottleneck,
        LowRank as LowRank,
        add_adapter as add_adapter,
    )
    from kerasrecipes.surgery.batch_norm import (
        BatchNormChange as BatchNormChange,
        reestimate_batch_norm as reestimate_batch_norm,
    )
    from kerasrecipes.surgery.multiply_adds import count_multiply_adds as count_multiply_adds

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "adapter_table": "AdapterSummary",
        "adapters": "AdaptedModel BitFit Bottleneck LowRank add_adapter",
        "batch_norm": "BatchNormChange reestimate_batch_norm",
        "multiply_adds": "count_multiply_adds",
    },
)
