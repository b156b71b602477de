"""How good is a model, and where does it fail? From labels, scores and embeddings alone."""

from typing import TYPE_CHECKING

from kerasrecipes.lazy import lazy_names

if TYPE_CHECKING:
    from kerasrecipes.evaluation.base import Result as Result
    from kerasrecipes.evaluation.calibration import temperature_scale as temperature_scale
    from kerasrecipes.evaluation.classification import evaluate_scores as evaluate_scores
    from kerasrecipes.evaluation.mistakes.label_errors import (
        likely_label_errors as likely_label_errors,
    )
    from kerasrecipes.evaluation.mistakes.likeness import (
        conflicting_copies as conflicting_copies,
        find_outliers as find_outliers,
        nearest_examples as nearest_examples,
    )
    from kerasrecipes.evaluation.mistakes.suspect import Suspect as Suspect
    from kerasrecipes.evaluation.multi_label import (
        LabelResult as LabelResult,
        MultiLabelEvaluation as MultiLabelEvaluation,
        best_thresholds as best_thresholds,
        evaluate_labels as evaluate_labels,
    )
    from kerasrecipes.evaluation.ordinal import (
        OrderedClassResult as OrderedClassResult,
        OrdinalEvaluation as OrdinalEvaluation,
        evaluate_order as evaluate_order,
    )
    from kerasrecipes.evaluation.regression import (
        RegressionEvaluation as RegressionEvaluation,
        evaluate_numbers as evaluate_numbers,
    )
    from kerasrecipes.evaluation.result import ClassResult as ClassResult, Evaluation as Evaluation
    from kerasrecipes.evaluation.retrieval.nearest_neighbours import (
        NearestNeighbours as NearestNeighbours,
    )
    from kerasrecipes.evaluation.retrieval.ranking import (
        mean_average_precision as mean_average_precision,
        recall_at_k as recall_at_k,
    )
    from kerasrecipes.evaluation.slices.slicing import (
        SliceReport as SliceReport,
        SliceResult as SliceResult,
        evaluate_slices as evaluate_slices,
    )

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "base": "Result",
        "calibration": "temperature_scale",
        "classification": "evaluate_scores",
        "mistakes.label_errors": "likely_label_errors",
        "mistakes.likeness": "conflicting_copies find_outliers nearest_examples",
        "mistakes.suspect": "Suspect",
        "multi_label": "LabelResult MultiLabelEvaluation best_thresholds evaluate_labels",
        "ordinal": "OrderedClassResult OrdinalEvaluation evaluate_order",
        "regression": "RegressionEvaluation evaluate_numbers",
        "result": "ClassResult Evaluation",
        "retrieval.nearest_neighbours": "NearestNeighbours",
        "retrieval.ranking": "mean_average_precision recall_at_k",
        "slices.slicing": "SliceReport SliceResult evaluate_slices",
    },
)
