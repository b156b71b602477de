"""Keras optimizers for pretrained weights, each usable in a bare `model.compile`.

Listing names never imports keras; making an optimizer does.
"""

from typing import TYPE_CHECKING

from kerasrecipes.lazy import lazy_names

if TYPE_CHECKING:
    from kerasrecipes.optimizers.fine_tuning_adamw import FineTuningAdamW as FineTuningAdamW
    from kerasrecipes.optimizers.kernel_muon import KernelMuon as KernelMuon
    from kerasrecipes.optimizers.kinds import (
        OptimizerKind as OptimizerKind,
        list_optimizers as list_optimizers,
        register_optimizer as register_optimizer,
    )
    from kerasrecipes.optimizers.schedule_free_adamw import AveragedAdamW as AveragedAdamW

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "fine_tuning_adamw": "FineTuningAdamW",
        "kernel_muon": "KernelMuon",
        "kinds": "OptimizerKind list_optimizers register_optimizer",
        "schedule_free_adamw": "AveragedAdamW",
    },
)
