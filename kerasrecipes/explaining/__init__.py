"""Where in a photo a model found what it says, and whether that is so."""

from typing import TYPE_CHECKING

from kerasrecipes.lazy import lazy_names

if TYPE_CHECKING:
    from kerasrecipes.explaining.heatmap import Heatmap as Heatmap
    from kerasrecipes.explaining.pointing import PointingGame as PointingGame

__getattr__, __dir__, __all__ = lazy_names(
    __name__, {"heatmap": "Heatmap", "pointing": "PointingGame"}
)
