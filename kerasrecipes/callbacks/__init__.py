"""Plain Keras callbacks; each works in a bare `model.fit` too."""

from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

from kerasrecipes.arguments import named
from kerasrecipes.lazy import lazy_names
from kerasrecipes.registry import Registry

if TYPE_CHECKING:
    import keras

    from kerasrecipes.callbacks.averages.moving_average import MovingAverage as MovingAverage
    from kerasrecipes.callbacks.averages.snapshot_ensemble import (
        SnapshotEnsemble as SnapshotEnsemble,
    )
    from kerasrecipes.callbacks.averages.weight_averaging import (
        StochasticWeightAveraging as StochasticWeightAveraging,
    )
    from kerasrecipes.callbacks.base import Resumable as Resumable
    from kerasrecipes.callbacks.divergence_guard import DivergenceGuard as DivergenceGuard
    from kerasrecipes.callbacks.drift_check import DriftCheck as DriftCheck
    from kerasrecipes.callbacks.early_stopping import EarlyStopping as EarlyStopping
    from kerasrecipes.callbacks.exact_checkpoint import (
        Continuation as Continuation,
        ExactCheckpoint as ExactCheckpoint,
    )
    from kerasrecipes.callbacks.gradient_monitor import GradientMonitor as GradientMonitor
    from kerasrecipes.callbacks.latency_monitor import LatencyMonitor as LatencyMonitor
    from kerasrecipes.callbacks.learning_rates.lr_finder import LRFinder as LRFinder
    from kerasrecipes.callbacks.learning_rates.plateau_rate import PlateauRate as PlateauRate
    from kerasrecipes.callbacks.learning_rates.search import (
        find_group_learning_rates as find_group_learning_rates,
        find_learning_rate as find_learning_rate,
    )
    from kerasrecipes.callbacks.learning_rates.suggestion import (
        LearningRateSuggestion as LearningRateSuggestion,
    )
    from kerasrecipes.callbacks.metrics_log import MetricsLog as MetricsLog
    from kerasrecipes.callbacks.overfit_monitor import OverfitMonitor as OverfitMonitor
    from kerasrecipes.callbacks.run_writers import (
        MlflowWriter as MlflowWriter,
        TensorBoardWriter as TensorBoardWriter,
    )
    from kerasrecipes.callbacks.zeros.magnitude_pruning import (
        HoldZeros as HoldZeros,
        MagnitudePruning as MagnitudePruning,
    )
    from kerasrecipes.callbacks.zeros.shared_weights import HoldClusters as HoldClusters

_PLACES = {
    "base": "Resumable",
    "divergence_guard": "DivergenceGuard",
    "drift_check": "DriftCheck",
    "early_stopping": "EarlyStopping",
    "exact_checkpoint": "Continuation ExactCheckpoint",
    "gradient_monitor": "GradientMonitor",
    "latency_monitor": "LatencyMonitor",
    "learning_rates.lr_finder": "LRFinder",
    "learning_rates.plateau_rate": "PlateauRate",
    "learning_rates.search": "find_group_learning_rates find_learning_rate",
    "learning_rates.suggestion": "LearningRateSuggestion",
    "metrics_log": "MetricsLog",
    "averages.moving_average": "MovingAverage",
    "overfit_monitor": "OverfitMonitor",
    "run_writers": "MlflowWriter TensorBoardWriter",
    "averages.snapshot_ensemble": "SnapshotEnsemble",
    "averages.weight_averaging": "StochasticWeightAveraging",
    "zeros.magnitude_pruning": "HoldZeros MagnitudePruning",
    "zeros.shared_weights": "HoldClusters",
}
_NO_CALLBACKS = {"Continuation", "LearningRateSuggestion", "Resumable"}

__getattr__, __dir__, __all__ = lazy_names(
    __name__, _PLACES, own="get_callback list_callbacks register_callback"
)


class _Catalogue(Registry[type["keras.callbacks.Callback"]]):
    """The callbacks by the names of their classes, which the package lists itself."""

    @cached_property
    def _declared(self) -> dict[str, tuple[str, dict]]:
        return {
            name: (f"{__name__}.{module}", {"name": name})
            for module, names in _PLACES.items()
            for name in names.split()
            if name[0].isupper() and name not in _NO_CALLBACKS
        }


def _check_class(callback: object) -> None:
    import keras

    if not isinstance(callback, type) or not issubclass(callback, keras.callbacks.Callback):
        raise ValueError(
            "A callback must be a class of keras.callbacks.Callback, the class itself, not "
            f"{callback!r}."
        )


_REGISTRY = _Catalogue(
    __name__,
    "",
    "callback",
    "kerasrecipes.callbacks.list_callbacks()",
    check=_check_class,
    group="kerasrecipes.callbacks",
    from_facts=lambda module, facts: getattr(import_module(module), facts["name"]),
)


@named
def list_callbacks() -> list[str]:
    """Return the names of all callbacks: of the classes here, and of those that were added."""
    return list(_REGISTRY)


@named
def get_callback(name: str) -> type["keras.callbacks.Callback"]:
    """Return the class of a callback by name.

    Args:
        name: One of `list_callbacks()`.

    Raises:
        ValueError: If there is no such callback.
        PluginError: If an installed package adds it, and it cannot be used.

    Example:
        >>> get_callback("EarlyStopping").__name__
        'EarlyStopping'
    """
    return _REGISTRY.get(name)


@named
def register_callback(name: str, callback: Any, replace: bool = False) -> None:
    """Add a callback, for this process, so that fits and the command line take it by name.

    A package of yours can do it for every process, by an entry point `name = module:class` in the
    group `kerasrecipes.callbacks`.

    Args:
        name: What to call it.
        callback: The class, which can be made without arguments where a name stands for it.
        replace: Whether it may take the place of one that was registered before.

    Raises:
        ValueError: If it is no class of callbacks, or the name cannot be used or is taken.
    """
    _REGISTRY.add(name, callback, replace)
