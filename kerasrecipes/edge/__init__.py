"""Small devices, often without a network: what answers there, and who takes what it tells."""

from typing import TYPE_CHECKING

from kerasrecipes.lazy import lazy_names

if TYPE_CHECKING:
    from kerasrecipes.edge.collecting import Collector as Collector
    from kerasrecipes.edge.writing import write_edge as write_edge

__getattr__, __dir__, __all__ = lazy_names(
    __name__, {"collecting": "Collector", "writing": "write_edge"}
)
