"""How good is a model? Numbers with intervals, from labels and scores alone."""

from typing import TYPE_CHECKING

from kerasrecipes.lazy import lazy_names

if TYPE_CHECKING:
    from kerasrecipes.evaluation.calibration import temperature_scale as temperature_scale
    from kerasrecipes.evaluation.classification import evaluate_scores as evaluate_scores
    from kerasrecipes.evaluation.result import ClassResult as ClassResult, Evaluation as Evaluation
    from kerasrecipes.evaluation.retrieval.nearest_neighbours import (
        NearestNeighbours as NearestNeighbours,
    )
    from kerasrecipes.evaluation.retrieval.ranking import (
        mean_average_precision as mean_average_precision,
        recall_at_k as recall_at_k,
    )

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "calibration": "temperature_scale",
        "classification": "evaluate_scores",
        "result": "ClassResult Evaluation",
        "retrieval.nearest_neighbours": "NearestNeighbours",
        "retrieval.ranking": "mean_average_precision recall_at_k",
    },
)
