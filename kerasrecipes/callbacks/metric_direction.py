"""Whether more of a metric is better, from the metric itself or from its name."""

import re

import keras

UP = {
    "acc", "accuracy", "auc", "precision", "recall", "sensitivity", "specificity", "f1",
    "f1score", "fbeta", "iou", "dice", "r2",
}  # fmt: skip
DOWN = {
    "loss", "error", "mse", "mae", "mape", "msle", "rmse", "crossentropy", "hinge", "logcosh",
    "divergence", "perplexity", "brier",
}  # fmt: skip


def higher_is_better(monitor: str, model: keras.Model) -> bool:
    """Tell in which direction a monitored value improves.

    Args:
        monitor: Its name in the logs, e.g. `"val_accuracy"`.
        model: The model; once it has trained a step, its metrics say it themselves.

    Raises:
        ValueError: If neither a metric of the model nor the words of the name tell.

    Example:
        >>> higher_is_better("val_top_accuracy", keras.Sequential())
        True
    """
    name = monitor.removeprefix("val_")
    if name == "loss" or name.endswith("_loss"):
        return False
    # A metric of one of several outputs has the output's name in front; the whole name is longest.
    for metric in sorted(_metrics(model), key=lambda one: -len(one.name)):
        direction = getattr(metric, "_direction", None)
        if direction in {"up", "down"} and f"_{name}".endswith(f"_{metric.name}"):
            return direction == "up"
    words = set(re.split(r"[^a-z0-9]+", name.lower()))
    if bool(words & UP) == bool(words & DOWN):
        raise ValueError(
            f"`monitor={monitor!r}` does not tell whether more or less of it is better. Pass "
            "mode='max' if higher values are better, or mode='min'."
        )
    return bool(words & UP)


def _metrics(model: keras.Model) -> list[keras.metrics.Metric]:
    """Find a model's metrics, also those that `compile` has put together into one."""
    return [one for outer in model.metrics for one in (outer, *getattr(outer, "metrics", ()))]
