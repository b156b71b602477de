"""Where in a photo or a text a model found what it says, and whether that is so."""

from typing import TYPE_CHECKING

from kerasrecipes.lazy import lazy_names

if TYPE_CHECKING:
    from kerasrecipes.explaining.heatmap import Heatmap as Heatmap
    from kerasrecipes.explaining.pointing import PointingGame as PointingGame
    from kerasrecipes.explaining.words import DeletionTest as DeletionTest, WordShares as WordShares

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {"heatmap": "Heatmap", "pointing": "PointingGame", "words": "DeletionTest WordShares"},
)
