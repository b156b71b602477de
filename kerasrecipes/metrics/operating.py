"""Precision and recall of classes, also at an operating point, as means of Keras's own metrics."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from kerasrecipes.arguments import named
from kerasrecipes.errors import is_number

_THRESHOLDS = 1000
# Thresholds lie evenly between 0 and 1, and scores of a trained model at the ends: a flatter
# curve spreads them, and changes no order.
_FLATTER = 4.0
_CLOSEST = 1e-7


class _MeanOfClasses(keras.metrics.Metric):
    """The mean of a metric over classes, each against the rest.

    Args:
        class_ids: Places of the classes that are looked at: of each list, the scores are added
            up. `None` for each class by itself; of a single score per example, that.
        multi_label: Whether examples may have several labels, so that scores do not add up to 1.
        from_logits: Whether scores are raw.
        name, dtype: As in `keras.metrics.Metric`.
    """

    def __init__(
        self,
        class_ids: Sequence[Sequence[int]] | None = None,
        multi_label: bool = False,
        from_logits: bool = False,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(name=name, dtype=dtype)
        self.class_ids = None if class_ids is None else _checked(class_ids)
        self.multi_label = multi_label
        self.from_logits = from_logits
        self._ones: list[keras.metrics.Metric] = []
        if self.class_ids is not None:
            self._ones = [self._made(k) for k in range(len(self.class_ids))]

    def _made(self, place: int) -> keras.metrics.Metric:
        raise NotImplementedError

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in a batch.

        Args:
            y_true: One-hot or multi-hot rows, or class indices.
            y_pred: Scores, shape `(n, classes)`, or `(n, 1)` for yes or no.
            sample_weight: How much each example counts.
        """
        y_true, scores = ops.convert_to_tensor(y_true), ops.cast(y_pred, "float32")
        classes = scores.shape[-1]
        if len(scores.shape) != 2:
            raise ValueError(
                f"{type(self).__name__} needs scores of shape `(n, classes)`, not "
                f"{tuple(scores.shape)}: one answer per example."
            )
        if max((k for one in self.class_ids or [] for k in one), default=-1) >= classes:
            raise ValueError(
                f"`class_ids` of {type(self).__name__} are {self.class_ids}, and the model scores "
                f"{classes} classes: name places from 0 to {classes - 1}."
            )
        if len(y_true.shape) < 2 or (y_true.shape[-1] == 1 and classes > 1):
            flat = ops.cast(ops.reshape(y_true, (-1,)), "int32")
            y_true = ops.one_hot(flat, classes) if classes > 1 else ops.reshape(y_true, (-1, 1))
        if not self._ones:
            self._ones = [self._made(k) for k in range(classes)]
        true, said = self._units(ops.cast(y_true, "float32"), scores)
        for one in self._ones:
            one.update_state(true, said, sample_weight)

    def _units(self, true: Any, scores: Any) -> tuple[Any, Any]:
        """Return a column for each thing that is looked at, true and said, 0…1."""
        single = self.multi_label or scores.shape[-1] == 1
        if self.from_logits:
            scores = ops.sigmoid(scores) if single else ops.softmax(scores)
        if self.class_ids is None:
            return true, self._spread(scores)
        sums = [[sum(rows[:, i] for i in one) for one in self.class_ids] for rows in (true, scores)]
        true, scores = (ops.stack(one, axis=1) for one in sums)
        return ops.minimum(true, 1.0), self._spread(scores)

    def _spread(self, scores: Any) -> Any:
        chances = ops.clip(scores, _CLOSEST, 1 - _CLOSEST)
        return ops.sigmoid(ops.log(chances / (1 - chances)) / _FLATTER)

    def result(self) -> Any:
        """Return the mean over the classes."""
        if not self._ones:
            return ops.cast(0.0, "float32")
        return ops.mean(ops.stack([one.result() for one in self._ones]))

    def reset_state(self) -> None:
        """Begin again."""
        for one in self._ones:
            one.reset_state()

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make the same metric again."""
        return {
            **super().get_config(),
            "class_ids": self.class_ids,
            "multi_label": self.multi_label,
            "from_logits": self.from_logits,
        }


def _checked(class_ids: Any) -> list[list[int]]:
    """Return lists of places; each one that is counted is counted once."""
    lists = isinstance(class_ids, list | tuple) and all(
        isinstance(one, list | tuple) and one and len({*map(repr, one)}) == len(one)
        for one in class_ids
    )
    if not (lists and class_ids) or not all(
        is_number(k, 0, math.inf, whole=True) for one in class_ids for k in one
    ):
        raise ValueError(
            "`class_ids` must be lists of different places of classes, e.g. [[1], [0, 2]], not "
            f"{class_ids!r}."
        )
    return [[int(k) for k in one] for one in class_ids]


class _AtPoint(_MeanOfClasses):
    """A metric that is measured where another has a stated value.

    Args:
        share: That value, 0…1.
        **options: As in `_MeanOfClasses`.
    """

    def __init__(self, share: float, **options: Any):
        if not is_number(share, 0, 1, above=True, below=True):
            raise ValueError(f"`share` must be between 0 and 1, not {share!r}.")
        self.share = share
        super().__init__(**options)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make the same metric again."""
        return {**super().get_config(), "share": self.share}


@keras.saving.register_keras_serializable(package="kerasrecipes")
@named
class RecallAtFalseAlarms(_AtPoint):
    """The share of a class that is found by the threshold at which few others raise an alarm.

    The mean over classes, or of those that are named. The threshold is chosen on what is
    measured, at each measurement: it shows how training goes, and `operate_bundle` what holds.

    Args:
        share: Share of the others that may raise an alarm, e.g. 0.02.
        **options: `class_ids`, lists of places whose scores are added up, e.g. `[[0, 2]]`; `None`
            for each class by itself. `multi_label`, whether examples may have several labels.
            `from_logits`, whether scores are raw. `name` and `dtype` as in Keras.

    Raises:
        ValueError: If `share` is not between 0 and 1.

    Example:
        >>> metric = RecallAtFalseAlarms(0.25, class_ids=[[1]])
        >>> metric.update_state([0, 0, 0, 0, 1, 1], [
        ...     [0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.2, 0.8], [0.1, 0.9], [0.5, 0.5]])
        >>> float(metric.result())
        1.0
    """

    _direction: ClassVar[str] = "up"

    def __init__(self, share: float, **options: Any):
        super().__init__(share, **options)

    def _made(self, place: int) -> keras.metrics.Metric:
        return keras.metrics.SensitivityAtSpecificity(
            1 - self.share, num_thresholds=_THRESHOLDS, class_id=place
        )


@keras.saving.register_keras_serializable(package="kerasrecipes")
@named
class FalseAlarmsAtRecall(_AtPoint):
    """The share of others that raise an alarm by the threshold at which a class is found.

    Args:
        share: Share of the class that must be found, e.g. 0.95.
        **options: As in `RecallAtFalseAlarms`.

    Raises:
        ValueError: If `share` is not between 0 and 1.
    """

    _direction: ClassVar[str] = "down"

    def __init__(self, share: float, **options: Any):
        super().__init__(share, **options)

    def _made(self, place: int) -> keras.metrics.Metric:
        return keras.metrics.SpecificityAtSensitivity(
            self.share, num_thresholds=_THRESHOLDS, class_id=place
        )

    def result(self) -> Any:
        """Return the mean over the classes."""
        return 1 - super().result()


class _OfDecisions(_MeanOfClasses):
    """A metric of what is decided: the top class, or the labels from 0.5 on."""

    def _units(self, true: Any, scores: Any) -> tuple[Any, Any]:
        single = self.multi_label or scores.shape[-1] == 1
        middle = 0.0 if self.from_logits else 0.5
        said = (
            ops.cast(scores >= middle, "float32")
            if single
            else ops.one_hot(ops.argmax(scores, axis=-1), scores.shape[-1])
        )
        if self.class_ids is None:
            return true, said
        pairs = ([sum(x[:, i] for i in one) for one in self.class_ids] for x in (true, said))
        true, said = (ops.minimum(ops.stack(one, axis=1), 1.0) for one in pairs)
        return true, said


@keras.saving.register_keras_serializable(package="kerasrecipes")
@named
class MeanRecall(_OfDecisions):
    """The share of a class that is called so, as a mean over classes: balanced accuracy.

    Args:
        **options: `class_ids`, lists of places that count as one, e.g. `[[1]]`; `None` for each
            class. `multi_label`, whether examples may have several labels, each given from 0.5
            on. `from_logits`, whether scores are raw. `name` and `dtype` as in Keras.
    """

    _direction: ClassVar[str] = "up"

    def __init__(self, **options: Any):
        super().__init__(**options)

    def _made(self, place: int) -> keras.metrics.Metric:
        return keras.metrics.Recall(class_id=place)


@keras.saving.register_keras_serializable(package="kerasrecipes")
@named
class MeanPrecision(_OfDecisions):
    """Of what is called a class, the share that is, as a mean over classes.

    Args:
        **options: As in `MeanRecall`.
    """

    _direction: ClassVar[str] = "up"

    def __init__(self, **options: Any):
        super().__init__(**options)

    def _made(self, place: int) -> keras.metrics.Metric:
        return keras.metrics.Precision(class_id=place)
