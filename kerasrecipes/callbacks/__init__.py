"""Plain Keras callbacks; each works in a bare `model.fit` too."""

from typing import TYPE_CHECKING

from kerasrecipes.lazy import lazy_names

if TYPE_CHECKING:
    from kerasrecipes.callbacks.base import Resumable as Resumable
    from kerasrecipes.callbacks.divergence_guard import DivergenceGuard as DivergenceGuard
    from kerasrecipes.callbacks.early_stopping import EarlyStopping as EarlyStopping
    from kerasrecipes.callbacks.exact_checkpoint import (
        Continuation as Continuation,
        ExactCheckpoint as ExactCheckpoint,
    )
    from kerasrecipes.callbacks.gradient_monitor import GradientMonitor as GradientMonitor
    from kerasrecipes.callbacks.learning_rates.lr_finder import LRFinder as LRFinder
    from kerasrecipes.callbacks.learning_rates.search import (
        find_group_learning_rates as find_group_learning_rates,
        find_learning_rate as find_learning_rate,
    )
    from kerasrecipes.callbacks.learning_rates.suggestion import (
        LearningRateSuggestion as LearningRateSuggestion,
    )
    from kerasrecipes.callbacks.metrics_log import MetricsLog as MetricsLog
    from kerasrecipes.callbacks.moving_average import MovingAverage as MovingAverage
    from kerasrecipes.callbacks.overfit_monitor import OverfitMonitor as OverfitMonitor
    from kerasrecipes.callbacks.run_writers import (
        MlflowWriter as MlflowWriter,
        TensorBoardWriter as TensorBoardWriter,
    )
    from kerasrecipes.callbacks.snapshot_ensemble import SnapshotEnsemble as SnapshotEnsemble
    from kerasrecipes.callbacks.weight_averaging import (
        StochasticWeightAveraging as StochasticWeightAveraging,
    )
    from kerasrecipes.callbacks.zeros.magnitude_pruning import (
        HoldZeros as HoldZeros,
        MagnitudePruning as MagnitudePruning,
    )
    from kerasrecipes.callbacks.zeros.shared_weights import HoldClusters as HoldClusters

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "base": "Resumable",
        "divergence_guard": "DivergenceGuard",
        "early_stopping": "EarlyStopping",
        "exact_checkpoint": "Continuation ExactCheckpoint",
        "gradient_monitor": "GradientMonitor",
        "learning_rates.lr_finder": "LRFinder",
        "learning_rates.search": "find_group_learning_rates find_learning_rate",
        "learning_rates.suggestion": "LearningRateSuggestion",
        "metrics_log": "MetricsLog",
        "moving_average": "MovingAverage",
        "overfit_monitor": "OverfitMonitor",
        "run_writers": "MlflowWriter TensorBoardWriter",
        "snapshot_ensemble": "SnapshotEnsemble",
        "weight_averaging": "StochasticWeightAveraging",
        "zeros.magnitude_pruning": "HoldZeros MagnitudePruning",
        "zeros.shared_weights": "HoldClusters",
    },
)
