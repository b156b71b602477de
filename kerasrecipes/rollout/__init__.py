"""Trying a candidate beside the version in use: whom it answers, what takes it back."""

from typing import TYPE_CHECKING

from kerasrecipes.lazy import lazy_names

if TYPE_CHECKING:
    from kerasrecipes.rollout.policy import RolloutPolicy as RolloutPolicy
    from kerasrecipes.rollout.starting import (
        RolloutStatus as RolloutStatus,
        rollout_status as rollout_status,
        start_rollout as start_rollout,
        stop_rollout as stop_rollout,
    )

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "policy": "RolloutPolicy",
        "starting": "RolloutStatus rollout_status start_rollout stop_rollout",
    },
)
