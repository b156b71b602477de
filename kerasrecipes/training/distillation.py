"""Training a small model on what larger ones say, computed once beforehand."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.errors import DataError, did_you_mean, listed, unknown_name
from kerasrecipes.heads.classification import LOGITS
from kerasrecipes.keras_private import maker_of

if TYPE_CHECKING:
    import keras

TRAINED = "trained"


@named
@dataclass(frozen=True)
class Distillation:
    """A student that learns from labels, from its teachers' answers, and from their features.

    It is plain Keras: a model over the student's own layers, whose output is the student's
    scores before the softmax with its features behind them, a loss, and targets as arrays.
    Train it, and the student is trained. `kerasrecipes.distil` does all of it for photos.

    Args:
        temperature: Teachers' and student's scores are made softer by it, > 0; the larger,
            the more the small ones count. Numbers have none.
        alpha: Share of the teachers, 0…1; the labels have the rest.
        feature_weight: Weight of the squared distance between features; 0 without them.
        answers: What scores are before they are softened: `"softmax"`, of one class each;
            `"sigmoid"`, each of a question of its own, such as a label or the step above a class;
            or `"number"`, which is learned by its squared error.

    Raises:
        ValueError: If a number is not usable.

    Example:
        >>> distillation = Distillation(temperature=2.0, alpha=0.5)
        >>> targets = distillation.targets(np.eye(2), [np.array([[4.0, 0.0], [0.0, 4.0]])])
        >>> [f"{value:.2f}" for value in targets[0]]
        ['1.00', '0.00', '0.88', '0.12']

    Reference:
        Hinton et al., 2015, "Distilling the Knowledge in a Neural Network", section 2, arXiv
        1503.02531; Romero et al., 2015, "FitNets", equation 3, for features, arXiv 1412.6550.
    """

    temperature: float = 4.0
    alpha: float = 0.9
    feature_weight: float = 0.0
    answers: str = "softmax"

    def __post_init__(self) -> None:
        for name, low, high in (
            ("temperature", 1e-3, 1000),
            ("alpha", 0, 1),
            ("feature_weight", 0, math.inf),
        ):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not low <= value <= high:
                raise ValueError(f"`{name}` must lie between {low} and {high}, not {value!r}.")
        if self.answers not in SOFTENED:
            raise unknown_name("kind of answers", self.answers, SOFTENED, "help(Distillation)")
        if not self.alpha and not self.feature_weight:
            raise ValueError("With `alpha=0` and `feature_weight=0`, the teacher has no effect.")

    def training_model(
        self,
        student: "keras.Model",
        features: str | None = None,
        feature_size: int | None = None,
        seed: int = 0,
        trains: str | None = None,
    ) -> "keras.Model":
        """Give a student the output that it is trained by.

        Args:
            student: A functional model; its layers are shared, so training trains it.
            features: Name of its layer with features, shape `(n, size)`, e.g. `"pool"`.
            feature_size: Size of the teacher's features; a dense layer, which is thrown away
                later, leads to it.
            seed: Seed of that layer's initial weights.
            trains: Name of the layer whose output is trained; `None` for what stands before the
                softmax, in which the student must end.

        Returns:
            A model whose output, of the layer `"trained"`, suits `loss` and `targets`.

        Raises:
            ValueError: If the student has no such layer or no softmax, or features are half
                asked for.
        """
        import keras

        if not (bool(self.feature_weight) == bool(features) == bool(feature_size)):
            raise ValueError(
                "Features need all of `feature_weight` > 0, `features` and `feature_size`; "
                f"received {self.feature_weight}, {features!r} and {feature_size}."
            )
        raw = logits_of(student) if trains is None else output_of(student, trains)
        if not features:
            return ending_in(student, raw)
        initializer = keras.initializers.GlorotUniform(seed=seed)
        regressor = keras.layers.Dense(
            feature_size, kernel_initializer=initializer, name="teacher_features"
        )
        found = regressor(output_of(student, features))
        both = keras.layers.Concatenate(name=TRAINED)([raw, found])
        return keras.Model(student.input, both, name=student.name)

    def loss(self, class_count: int) -> Callable:
        """Return the loss on the output of `training_model`, one value per photo.

        The loss on softened scores is multiplied by the temperature's square, so that `alpha`
        means the same at every temperature.

        Args:
            class_count: Number of classes, labels or steps; 1 for a number.
        """
        from keras import ops

        compare, temperature = SOFTENED[self.answers].compare, self._temperature

        def distillation(
            y_true: "keras.KerasTensor", y_pred: "keras.KerasTensor"
        ) -> "keras.KerasTensor":
            labels, teacher = y_true[:, :class_count], y_true[:, class_count : 2 * class_count]
            logits = y_pred[:, :class_count]
            loss = (1 - self.alpha) * compare(labels, logits)
            loss += self.alpha * temperature**2 * compare(teacher, logits / temperature)
            if self.feature_weight:
                gap = y_true[:, 2 * class_count :] - y_pred[:, class_count:]
                loss += self.feature_weight * ops.mean(ops.square(gap), axis=-1)
            return loss

        return distillation

    @property
    def _temperature(self) -> float:
        return self.temperature if SOFTENED[self.answers].tempered else 1.0

    def metrics(self, head: Any, class_count: int) -> "list[keras.metrics.Metric]":
        """Return the metrics of a head, on the part of the output that answers.

        Args:
            head: The head of the student.
            class_count: As in `loss`.
        """
        if self.answers == "softmax":
            return [self.accuracy(class_count)]
        return [_narrowed(metric, class_count) for metric in head.metrics()]

    def accuracy(self, class_count: int) -> "keras.metrics.Metric":
        """Return the metric that compares the student's scores with the labels.

        Args:
            class_count: Number of classes.
        """
        from keras import metrics

        def hits(y_true: "keras.KerasTensor", y_pred: "keras.KerasTensor") -> "keras.KerasTensor":
            return metrics.categorical_accuracy(y_true[:, :class_count], y_pred[:, :class_count])

        return metrics.MeanMetricWrapper(hits, name="accuracy")

    def targets(
        self,
        labels: np.ndarray,
        logits: Sequence[np.ndarray],
        features: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return what `loss` compares with, one row per photo, or per view and photo.

        Args:
            labels: One-hot labels, shape `(n, classes)`, or what else the answers should be.
            logits: The scores of each teacher before the softmax, each shape `(n, classes)`
                or `(views, n, classes)`; their softened answers are averaged.
            features: A teacher's features, shape `(n, size)` or `(views, n, size)`, with
                `feature_weight`.

        Returns:
            float32: the labels, the teachers' softened answers, the features.

        Raises:
            DataError: If there is no teacher, or the shapes do not fit.
        """
        soften = SOFTENED[self.answers].soften
        teacher = np.mean([soften(row, self._temperature) for row in _checked(labels, logits)], 0)
        parts = [np.broadcast_to(labels, teacher.shape), teacher]
        if (features is None) == bool(self.feature_weight):
            raise DataError(
                "`features` must be given exactly if `feature_weight` > 0, which is "
                f"{self.feature_weight}."
            )
        if features is not None:
            if np.shape(features)[:-1] != teacher.shape[:-1]:
                raise DataError(
                    f"`features` has the shape {np.shape(features)}, and the scores "
                    f"{teacher.shape}. Compute them for the same photos, in the same order."
                )
            parts.append(features)
        return np.concatenate(parts, axis=-1).astype("float32")


def soften(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Return the softmax of scores divided by a temperature."""
    scaled = np.asarray(logits, "float64") / temperature
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _sigmoid(logits: np.ndarray, temperature: float) -> np.ndarray:
    return 0.5 * (1 + np.tanh(np.asarray(logits, "float64") / temperature / 2))


def _of_one_class(y_true: "keras.KerasTensor", y_pred: "keras.KerasTensor") -> "keras.KerasTensor":
    from keras import losses

    return losses.categorical_crossentropy(y_true, y_pred, True)


def _of_each(y_true: "keras.KerasTensor", y_pred: "keras.KerasTensor") -> "keras.KerasTensor":
    from keras import losses

    return losses.binary_crossentropy(y_true, y_pred, True)


def _squared(y_true: "keras.KerasTensor", y_pred: "keras.KerasTensor") -> "keras.KerasTensor":
    from keras import losses

    return losses.mean_squared_error(y_true, y_pred)


@dataclass(frozen=True)
class Softened:
    """How answers of one kind are passed on.

    Args:
        soften: Makes raw scores, divided by a temperature, what a student compares its own with.
        compare: The loss between the two, one value per example; takes raw scores.
        tempered: Whether a temperature means anything.
    """

    soften: Callable[[np.ndarray, float], np.ndarray]
    compare: Callable[..., Any]
    tempered: bool = True


SOFTENED = {
    "softmax": Softened(soften, _of_one_class),
    "sigmoid": Softened(_sigmoid, _of_each),
    "number": Softened(lambda answers, _: np.asarray(answers, "float64"), _squared, False),
}


def _narrowed(metric: "keras.metrics.Metric", width: int) -> "keras.metrics.Metric":
    """Let a metric see the first columns only: a student's answers, and its labels."""
    from keras import metrics

    class Narrowed(metrics.Metric):
        def __init__(self) -> None:
            super().__init__(name=metric.name)
            self.metric = metric

        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
            self.metric.update_state(y_true[:, :width], y_pred[:, :width], sample_weight)

        def result(self) -> Any:
            return self.metric.result()

        def reset_state(self) -> None:
            self.metric.reset_state()

    return Narrowed()


def raw_answers(model: "keras.Model", head: Any) -> "keras.KerasTensor":
    """Find what a teacher passes on, before it is softened.

    Args:
        model: The teacher.
        head: The head that it was trained with.

    Raises:
        ValueError: If it cannot be found.
    """
    if head.softened == "softmax":
        return logits_of(model)
    return model.outputs[0] if head.softened == "number" else output_of(model, head.trains)


def _checked(labels: np.ndarray, logits: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the scores of all teachers, or say why they do not fit the labels."""
    if not len(logits):
        raise DataError("`logits` is empty: pass a list with the scores of each teacher.")
    for scores in logits:
        if np.shape(scores)[-2:] != np.shape(labels):
            raise DataError(
                f"`logits` must be a list of arrays shaped like `labels`, {np.shape(labels)}, not "
                f"{np.shape(scores)}: one row per photo and one column per class."
            )
        if not np.isfinite(scores).all():
            raise DataError("What a teacher says is not finite. Are its weights damaged?")
    return [np.asarray(scores) for scores in logits]


def logits_of(model: "keras.Model") -> "keras.KerasTensor":
    """Find a classifier's scores before the softmax.

    Args:
        model: A functional model that ends in a softmax layer, or has a layer `"logits"`.

    Raises:
        ValueError: If it is neither.
    """
    import keras

    last = maker_of(model.outputs[0])
    if isinstance(last, keras.layers.Softmax):
        return last.input
    names = [layer.name for layer in model.layers]
    if LOGITS in names:
        return model.get_layer(LOGITS).output
    raise ValueError(
        f"The model {model.name!r} ends in {last.name!r}, not in a keras.layers.Softmax(), and "
        f"has no layer {LOGITS!r}, so its scores before the softmax cannot be found."
    )


def output_of(model: "keras.Model", layer: str) -> "keras.KerasTensor":
    """Return the output of a layer by name.

    Raises:
        ValueError: If the model has no such layer.
    """
    names = [known.name for known in model.layers]
    if layer not in names:
        raise ValueError(
            f"The model {model.name!r} has no layer {layer!r}.{did_you_mean(layer, names)} Its "
            f"last layers: {listed(names[-5:])}."
        )
    return model.get_layer(layer).output


def ending_in(model: "keras.Model", tensor: "keras.KerasTensor") -> "keras.Model":
    """Return a model over the same layers that ends in a tensor, in the layer `"trained"`."""
    import keras

    return keras.Model(model.input, keras.layers.Identity(name=TRAINED)(tensor), name=model.name)
