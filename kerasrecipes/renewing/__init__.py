"""A model that learns on from new labels, and takes the old one's place through gates alone."""

from typing import TYPE_CHECKING

from kerasrecipes.lazy import lazy_names

if TYPE_CHECKING:
    from kerasrecipes.renewing.renewed import Renewed as Renewed
    from kerasrecipes.renewing.renewing import retrain_model as retrain_model

__getattr__, __dir__, __all__ = lazy_names(
    __name__, {"renewed": "Renewed", "renewing": "retrain_model"}
)
