"""What a recipe measures while it trains besides its own, as it is asked for. Without keras."""

from collections.abc import Mapping, Sequence
from typing import Any

from kerasrecipes.errors import printable, unknown_name
from kerasrecipes.metrics.names import Monitored

KIND = "kind"
# Name → the class, of Keras's or here, and how it is made; what counts classes is told them.
NAMED: dict[str, dict[str, Any]] = {
    "auc": {KIND: "AUC", "multi_label": True},
    "average_precision": {KIND: "AUC", "multi_label": True, "curve": "PR"},
    "calibration_error": {KIND: "CalibrationError"},
    "f1": {KIND: "F1Score"},
    "log_loss": {KIND: "CategoricalCrossentropy"},
    "top_2_accuracy": {KIND: "TopKCategoricalAccuracy", "k": 2},
    "top_3_accuracy": {KIND: "TopKCategoricalAccuracy", "k": 3},
    "top_5_accuracy": {KIND: "TopKCategoricalAccuracy", "k": 5},
}
SEE = "kerasrecipes.metrics.list_metrics()"
# What every recipe logs itself.
TAKEN = {"loss", "accuracy", "label_accuracy", "learning_rate"}


def list_metrics() -> list[str]:
    """List the names that a recipe's `metrics` may hold, besides those at an operating point.

    Example:
        >>> "f1" in list_metrics()
        True
    """
    return sorted(NAMED)


def metric_name(wish: Any) -> str:
    """Return what a metric is called in the logs, without a class.

    Args:
        wish: A name, a table with a `kind` of `keras.metrics`, a function, or a metric.

    Raises:
        ValueError: If it is none of these, or has no name that can be logged.
    """
    if isinstance(wish, str):
        if wish not in NAMED and Monitored.parse(f"val_{wish}") is None:
            if ":" in wish:
                raise ValueError(
                    f"`metrics` holds {wish!r}, what somebody's own Python made: a file keeps no "
                    "more of it than where it was. Set it again."
                )
            raise unknown_name("metric", wish, NAMED, SEE)
        return wish
    if isinstance(wish, Mapping):
        kind = wish.get(KIND)
        if not isinstance(kind, str):
            raise ValueError(
                f"A table in `metrics` needs a `kind`, a class of keras.metrics, e.g. "
                f"{{'kind': 'F1Score', 'average': 'macro'}}, not {dict(wish)!r}."
            )
        name = wish.get("name", _snake(kind))
    else:
        name = getattr(wish, "name", None) or getattr(wish, "__name__", None)
        name = _snake(wish.__name__) if isinstance(wish, type) else name
    if not callable(wish) and not isinstance(wish, Mapping):
        raise ValueError(
            "`metrics` must hold names, tables, functions of targets and scores, or Keras metrics, "
            f"not {printable(repr(wish))}."
        )
    if not isinstance(name, str) or not name.isidentifier():
        raise ValueError(
            f"`metrics` holds something called {printable(repr(name))}, which cannot be logged. "
            "Give it a name of letters, digits and '_', e.g. with "
            "kerasrecipes.metrics.MeanOf(function, name='shape_error')."
        )
    return name


def check_metrics(wishes: Sequence[Any] | None) -> list[str]:
    """Judge which metrics are asked for, and return what they are called.

    Args:
        wishes: A recipe's `metrics`.

    Raises:
        ValueError: If one is none, or its name is taken.
    """
    names: list[str] = []
    for wish in wishes or ():
        name = metric_name(wish)
        own = not isinstance(wish, str)
        if name in TAKEN or name in names or (own and Monitored.parse(f"val_{name}") is not None):
            raise ValueError(
                f"`metrics` holds {name!r}, a name that is taken. Give it another, e.g. "
                f"keras.metrics.Recall(name='my_{name}'), or leave it out."
            )
        names.append(name)
    return names


def _snake(name: str) -> str:
    return "".join(
        f"_{c.lower()}" if c.isupper() and i and not name[i - 1].isupper() else c.lower()
        for i, c in enumerate(name)
    )
