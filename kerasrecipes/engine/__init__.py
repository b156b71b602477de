"""One fit: stages, what trains in them, what feeds them, and what is kept of them."""

from typing import TYPE_CHECKING

from kerasrecipes.lazy import lazy_names

if TYPE_CHECKING:
    from kerasrecipes.engine.freezing import (
        FreezePolicy as FreezePolicy,
        FreezeSummary as FreezeSummary,
    )
    from kerasrecipes.engine.gradient_check import (
        GradientCheck as GradientCheck,
        check_gradients as check_gradients,
    )
    from kerasrecipes.engine.run_folder import RunFolder as RunFolder
    from kerasrecipes.engine.schedule import Stage as Stage, UnfreezeSchedule as UnfreezeSchedule

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "freezing": "FreezePolicy FreezeSummary",
        "gradient_check": "GradientCheck check_gradients",
        "run_folder": "RunFolder",
        "schedule": "Stage UnfreezeSchedule",
    },
)
