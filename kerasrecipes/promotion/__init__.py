"""Which version of a model is in use: aliases, gates before them, and a log of who and why."""

from typing import TYPE_CHECKING

from kerasrecipes.lazy import lazy_names

if TYPE_CHECKING:
    from kerasrecipes.promotion.bom import write_bom as write_bom
    from kerasrecipes.promotion.checking import check_bundle as check_bundle
    from kerasrecipes.promotion.difference import (
        VersionDifference as VersionDifference,
        diff_versions as diff_versions,
    )
    from kerasrecipes.promotion.gates import Gates as Gates
    from kerasrecipes.promotion.history import (
        ModelHistory as ModelHistory,
        model_history as model_history,
    )
    from kerasrecipes.promotion.model_check import ModelCheck as ModelCheck
    from kerasrecipes.promotion.promoting import (
        Promotion as Promotion,
        PromotionRefused as PromotionRefused,
        promote_version as promote_version,
        roll_back as roll_back,
    )

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "bom": "write_bom",
        "model_check": "ModelCheck",
        "checking": "check_bundle",
        "difference": "VersionDifference diff_versions",
        "gates": "Gates",
        "history": "ModelHistory model_history",
        "promoting": "Promotion PromotionRefused promote_version roll_back",
    },
)
