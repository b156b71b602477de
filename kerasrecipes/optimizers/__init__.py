"""Keras optimizers for pretrained weights, each usable in a bare `model.compile`."""

from typing import TYPE_CHECKING

from kerasrecipes.lazy import lazy_names

if TYPE_CHECKING:
    from kerasrecipes.optimizers.fine_tuning_adamw import FineTuningAdamW as FineTuningAdamW

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "fine_tuning_adamw": "FineTuningAdamW",
    },
)
