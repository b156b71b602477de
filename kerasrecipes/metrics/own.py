"""Metrics of people's own in a recipe: on answers, for each class, with a direction."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasrecipes.arguments import named
from kerasrecipes.errors import first_line, unknown_name
from kerasrecipes.metrics.choice import KIND, NAMED, metric_name
from kerasrecipes.metrics.names import Monitored

# Of more classes, a log of one value each is no longer read.
MOST_CLASSES = 50


@keras.saving.register_keras_serializable(package="kerasrecipes")
@named
class MeanOf(keras.metrics.Mean):
    """The mean of a function of targets and scores over all examples.

    Args:
        function: Takes targets and scores, shape `(n, classes)` each, and returns one number for
            each example, or one for all.
        name: What it is called in logs; `None` for the name of the function.
        direction: `"up"` if more is better, `"down"` if less is; `None` if the name says it. What
            is monitored needs one.
        **options: Those of every Keras metric, e.g. `dtype`.

    Raises:
        ValueError: If `direction` is none of these.

    Example:
        >>> MeanOf(lambda y, p: ops.max(p, axis=-1), name="confidence").name
        'confidence'
    """

    def __init__(
        self,
        function: Callable[[Any, Any], Any],
        name: str | None = None,
        direction: str | None = None,
        **options: Any,
    ):
        super().__init__(name=name or getattr(function, "__name__", "mean_of"), **options)
        if direction not in {None, "up", "down"}:
            raise ValueError(f"`direction` must be 'up', 'down' or None, not {direction!r}.")
        self.function = function
        self._direction = direction

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in a batch.

        Args:
            y_true: Targets.
            y_pred: Scores.
            sample_weight: How much each example counts.
        """
        values = ops.convert_to_tensor(self.function(y_true, y_pred))
        if not len(values.shape) and sample_weight is None:
            # One number for a batch counts as much as its examples.
            sample_weight = ops.cast(ops.shape(y_pred)[0], self.dtype)
        super().update_state(values, sample_weight)


@keras.saving.register_keras_serializable(package="kerasrecipes")
@named
class CalibrationError(keras.metrics.Metric):
    """How far the highest score is from the share that is right, on average over bins.

    Args:
        bins: Bins of equal width between 0 and 1.
        name: What it is called in logs.
        **options: Those of every Keras metric, e.g. `dtype`.

    Example:
        >>> metric = CalibrationError()
        >>> metric.update_state([[1.0, 0.0]], [[0.75, 0.25]])
        >>> float(metric.result())
        0.25

    Reference:
        Guo et al., 2017, "On Calibration of Modern Neural Networks", equation 3.
    """

    _direction = "down"

    def __init__(
        self,
        bins: int = 15,
        name: str = "calibration_error",
        **options: Any,
    ):
        super().__init__(name=name, **options)
        self.bins = bins
        self._sums = self.add_variable(shape=(bins,), initializer="zeros", name="sums")
        self._count = self.add_variable(shape=(), initializer="zeros", name="count")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in a batch.

        Args:
            y_true: One-hot rows.
            y_pred: Probabilities, shape `(n, classes)`.
            sample_weight: How much each example counts.
        """
        scores = ops.cast(y_pred, "float32")
        sure = ops.max(scores, axis=-1)
        right = ops.cast(ops.argmax(scores, -1) == ops.argmax(y_true, -1), "float32")
        weight = (
            ops.ones_like(sure) if sample_weight is None else ops.cast(sample_weight, "float32")
        )
        place = ops.minimum(ops.cast(sure * self.bins, "int32"), self.bins - 1)
        rows = ops.one_hot(place, self.bins) * ops.expand_dims((right - sure) * weight, -1)
        self._sums.assign_add(ops.sum(rows, axis=0))
        self._count.assign_add(ops.sum(weight))

    def result(self) -> Any:
        """Return the error, 0…1."""
        return ops.sum(ops.abs(self._sums)) / ops.maximum(self._count, 1e-12)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments as data that Keras can save."""
        return {**super().get_config(), "bins": self.bins}


class OnAnswers(keras.metrics.Metric):
    """A metric that reads what a finished model answers, where a training has raw scores.

    Args:
        inner: The metric.
        activation: `"softmax"` or `"sigmoid"`, from raw scores to answers.
        several: Whether its result has a value for each class, whose mean is logged.
    """

    def __init__(self, inner: keras.metrics.Metric, activation: str, several: bool = False):
        super().__init__(name=inner.name)
        self.inner, self.several = inner, several
        self._activation = keras.activations.get(activation)
        self._direction = getattr(inner, "_direction", None)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in a batch of raw scores.

        Args:
            y_true: Targets.
            y_pred: Raw scores.
            sample_weight: How much each example counts.
        """
        answers = self._activation(ops.cast(y_pred, "float32"))
        self.inner.update_state(y_true, answers, sample_weight=sample_weight)

    def result(self) -> Any:
        """Return the value, of several classes their mean."""
        found = self.inner.result()
        return ops.mean(found) if self.several else found

    def reset_state(self) -> None:
        """Forget what was taken in."""
        self.inner.reset_state()


class OfClass(keras.metrics.Metric):
    """The value of one class of a metric that another one keeps.

    Args:
        whole: The metric.
        place: The place of the class.
        name: What it is called in logs.
    """

    def __init__(self, whole: OnAnswers, place: int, name: str):
        super().__init__(name=name)
        self._whole, self._place = [lambda: whole], place  # not tracked as a part
        self._direction = whole._direction

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Leave it to the whole."""

    def result(self) -> Any:
        """Return the value of the class."""
        return self._whole[0]().inner.result()[self._place]

    def reset_state(self) -> None:
        """Leave it to the whole."""


def own_metrics(
    wishes: Sequence[Any] | None, class_names: Sequence[str], activation: str
) -> list[keras.metrics.Metric]:
    """Make what is asked for, after a trial on one example of each class.

    Args:
        wishes: A recipe's `metrics`.
        class_names: The classes, in the order of the scores.
        activation: `"softmax"` or `"sigmoid"`.

    Returns:
        One metric each, and one more for each class where it has a value for each.

    Raises:
        ValueError: If one cannot be made, or cannot read such targets and scores.
    """
    found: list[keras.metrics.Metric] = []
    for wish in wishes or ():
        watched = Monitored.parse(f"val_{wish}") if isinstance(wish, str) else None
        if watched is not None:
            multi_label = activation == "sigmoid"
            found.append(watched.make(class_names, multi_label=multi_label, from_logits=True))
            continue
        inner = _made(wish, len(class_names))
        several = _several(inner, len(class_names))
        whole = OnAnswers(inner, activation, several)
        found.append(whole)
        if several and len(class_names) <= MOST_CLASSES:
            found += [
                OfClass(whole, place, f"{inner.name}_of_{name}")
                for place, name in enumerate(class_names)
            ]
    return found


def _made(wish: Any, classes: int) -> keras.metrics.Metric:
    name = metric_name(wish)
    if isinstance(wish, str):
        wish = {"name": wish, **NAMED[wish]}
        if wish[KIND] == "AUC":
            wish["num_labels"] = classes
    try:
        if isinstance(wish, Mapping):
            options = {key: value for key, value in wish.items() if key != KIND}
            return _class_of(wish[KIND])(**options)
        if isinstance(wish, keras.metrics.Metric):
            return wish
        if isinstance(wish, type):
            found = wish()
            if isinstance(found, keras.metrics.Metric):
                return found
            raise TypeError(f"it makes a {type(found).__name__}, not a Keras metric")
        inspect.signature(wish).bind(None, None)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"The metric {name!r} cannot be made: {first_line(error)} A function takes targets and "
            "scores; a table has the arguments of a class of keras.metrics."
        ) from error
    return MeanOf(wish)


def _class_of(kind: str) -> type[keras.metrics.Metric]:
    if kind == "CalibrationError":
        return CalibrationError
    known = [
        name
        for name in dir(keras.metrics)
        if isinstance(getattr(keras.metrics, name), type) and name[0].isupper()
    ]
    if kind not in known:
        raise unknown_name("kind of metric", kind, known, "the documentation of keras.metrics")
    found: type[keras.metrics.Metric] = getattr(keras.metrics, kind)
    return found


def _several(metric: keras.metrics.Metric, classes: int) -> bool:
    """Try a metric on one example of each class, and tell whether it has a value for each."""
    targets = np.eye(classes, dtype=np.float32)
    scores = np.full((classes, classes), 0.1 / classes, np.float32) + 0.9 * targets
    try:
        metric.update_state(targets, scores)
        value = np.asarray(ops.convert_to_numpy(metric.result()))
        metric.reset_state()
    except Exception as error:  # what is somebody's own may raise anything
        raise ValueError(
            f"The metric {metric.name!r} cannot read targets and scores of shape (n, {classes}): "
            f"{first_line(error)}"
        ) from error
    if value.shape not in {(), (classes,)} or value.dtype.kind not in "fiub":
        raise ValueError(
            f"The metric {metric.name!r} returns {value.dtype.name} of shape {value.shape}, and "
            f"not one number, or one for each of {classes} classes."
        )
    return value.shape == (classes,) and classes > 1


def measure(
    wishes: Sequence[Any] | None,
    class_names: Sequence[str],
    targets: np.ndarray,
    answers: np.ndarray,
) -> dict[str, float]:
    """Measure what is asked for on a model's answers.

    Args:
        wishes: A recipe's `metrics`. Those at an operating point are left to the evaluation.
        class_names: The classes, in the order of the scores.
        targets: Their places, shape `(n,)`, or rows of 0 and 1, shape `(n, classes)`.
        answers: The scores, shape `(n, classes)`.

    Returns:
        Name → value, of what has one for each class also by class.
    """
    if targets.ndim == 1:
        targets = np.eye(len(class_names), dtype=np.float32)[targets]
    found: dict[str, float] = {}
    for wish in wishes or ():
        if isinstance(wish, str) and wish not in NAMED:
            continue
        inner = _made(wish, len(class_names))
        several = _several(inner, len(class_names))
        inner.update_state(targets.astype(np.float32), answers.astype(np.float32))
        values = np.asarray(ops.convert_to_numpy(inner.result()), np.float64)
        inner.reset_state()
        found[inner.name] = float(values.mean())
        if several and len(class_names) <= MOST_CLASSES:
            found |= {
                f"{inner.name}_of_{name}": float(value)
                for name, value in zip(class_names, values, strict=True)
            }
    return found
