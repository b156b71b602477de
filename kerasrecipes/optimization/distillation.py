"""Training a small model on what larger ones say, computed once beforehand."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kerasrecipes.errors import DataError, did_you_mean, listed

if TYPE_CHECKING:
    import keras

LABELS, TEACHER, FEATURES = "labels", "teacher", "features"


@dataclass(frozen=True)
class Distillation:
    """A student that learns from labels, from its teachers' scores, and from their features.

    It is plain Keras: a model with one output for each of them, over the student's own
    layers, a loss for each output, and targets as arrays. Train it, and the student is
    trained.

    Args:
        temperature: Teachers' and student's scores are made softer by it, > 0; the larger,
            the more the small ones count.
        alpha: Share of the teachers, 0…1; the labels have the rest.
        feature_weight: Weight of the squared distance between features; 0 without them.

    Raises:
        ValueError: If a number is not usable.

    Example:
        >>> distillation = Distillation(temperature=2.0, alpha=0.5)
        >>> targets = distillation.targets(np.eye(2), [np.array([[4.0, 0.0], [0.0, 4.0]])])
        >>> [f"{share:.2f}" for share in targets["teacher"][0]]
        ['0.88', '0.12']

    Reference:
        Hinton et al., 2015, "Distilling the Knowledge in a Neural Network", section 2, arXiv
        1503.02531; Romero et al., 2015, "FitNets", equation 3, for features, arXiv 1412.6550.
    """

    temperature: float = 4.0
    alpha: float = 0.9
    feature_weight: float = 0.0

    def __post_init__(self):
        for name, low, high in (
            ("temperature", 1e-3, 1000),
            ("alpha", 0, 1),
            ("feature_weight", 0, math.inf),
        ):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not low <= value <= high:
                raise ValueError(f"`{name}` must lie between {low} and {high}, not {value!r}.")
        if not self.alpha and not self.feature_weight:
            raise ValueError("With `alpha=0` and `feature_weight=0`, the teacher has no effect.")

    def training_model(
        self,
        student: "keras.Model",
        logits: str = "logits",
        features: str | None = None,
        feature_size: int | None = None,
        seed: int = 0,
    ) -> "keras.Model":
        """Give a student the outputs that it is trained by.

        Args:
            student: A functional model; its layers are shared, so training trains it.
            logits: Name of its layer with scores before the softmax.
            features: Name of its layer with features, shape `(n, size)`, e.g. `"pool"`.
            feature_size: Size of the teacher's features; a dense layer, which is thrown away
                later, leads to it.
            seed: Seed of that layer's initial weights.

        Returns:
            A model with the outputs `labels`, `teacher` and, with `features`, `features`;
            compile it with `compile_arguments()`.

        Raises:
            ValueError: If the student has no such layer, or features are half asked for.
        """
        import keras

        if not (bool(self.feature_weight) == bool(features) == bool(feature_size)):
            raise ValueError(
                "Features need all of `feature_weight` > 0, `features` and `feature_size`; "
                f"received {self.feature_weight}, {features!r} and {feature_size}."
            )
        raw = _output(student, logits)
        softer = keras.layers.Rescaling(1 / self.temperature, name=TEACHER)(raw)
        outputs = {LABELS: raw, TEACHER: softer}
        if features:
            initializer = keras.initializers.GlorotUniform(seed=seed)
            regressor = keras.layers.Dense(
                feature_size, kernel_initializer=initializer, name=FEATURES
            )
            outputs[FEATURES] = regressor(_output(student, features))
        return keras.Model(student.input, outputs, name=f"{student.name}_distilled")

    def compile_arguments(self) -> dict:
        """Return what `compile` needs besides an optimizer: losses and their weights.

        The loss on softened scores is multiplied by the temperature's square, so that `alpha`
        means the same at every temperature.
        """
        import keras

        losses = {
            name: keras.losses.CategoricalCrossentropy(from_logits=True)
            for name in (LABELS, TEACHER)
        }
        weights = {LABELS: 1 - self.alpha, TEACHER: self.alpha * self.temperature**2}
        if self.feature_weight:
            losses[FEATURES] = keras.losses.MeanSquaredError()
            weights[FEATURES] = self.feature_weight
        return {"loss": losses, "loss_weights": weights}

    def targets(
        self,
        labels: np.ndarray,
        logits: Sequence[np.ndarray],
        features: np.ndarray | None = None,
    ) -> dict[str, np.ndarray]:
        """Return the targets of the outputs, one row per photo.

        Args:
            labels: One-hot labels, shape `(n, classes)`.
            logits: The scores of each teacher, `teacher_logits`, each shape `(n, classes)`;
                their softened probabilities are averaged.
            features: A teacher's features, shape `(n, size)`, with `feature_weight`.

        Raises:
            DataError: If there is no teacher, or the shapes do not fit.
        """
        teacher = np.mean([soften(row, self.temperature) for row in _checked(labels, logits)], 0)
        targets = {LABELS: np.asarray(labels, "float32"), TEACHER: teacher.astype("float32")}
        if (features is None) == bool(self.feature_weight):
            raise DataError(
                "`features` must be given exactly if `feature_weight` > 0, which is "
                f"{self.feature_weight}."
            )
        if features is not None:
            if len(features) != len(labels):
                raise DataError(
                    f"`features` has {len(features)} rows, and `labels` {len(labels)}. Compute "
                    "them for the same photos, in the same order."
                )
            targets[FEATURES] = np.asarray(features, "float32")
        return targets


def mix_targets(labels: np.ndarray, logits: Sequence[np.ndarray], alpha: float = 0.9) -> np.ndarray:
    """Mix labels with the teachers' probabilities, for a training that takes one target.

    The cross-entropy with the mixture is that of `Distillation(temperature=1, alpha)`.

    Args:
        labels: One-hot labels, shape `(n, classes)`.
        logits: The scores of each teacher, each shape `(n, classes)`.
        alpha: Share of the teachers, above 0 and at most 1.

    Returns:
        float32, shape `(n, classes)`; rows add up to 1.

    Raises:
        ValueError: If `alpha` is not usable.
        DataError: If there is no teacher, or the shapes do not fit.
    """
    if not 0 < alpha <= 1:
        raise ValueError(f"`alpha` must lie above 0 and be at most 1, not {alpha!r}.")
    teacher = np.mean([soften(row, 1.0) for row in _checked(labels, logits)], axis=0)
    return ((1 - alpha) * np.asarray(labels) + alpha * teacher).astype("float32")


def teacher_logits(
    model: "keras.Model", batches: Iterable, layer: str | None = "logits"
) -> np.ndarray:
    """Compute what a teacher says, once, as in inference.

    Args:
        model: A functional model.
        batches: Batches of inputs, or of `(inputs, …)`, in the order of the student's rows.
        layer: Name of the layer to read, before the softmax, or of pooled features; `None`
            for the model's output, probabilities, whose logarithm is as good.

    Returns:
        float32, one row per photo.

    Raises:
        ValueError: If the teacher has no such layer.
        DataError: If there is no batch, or the output is not finite.
    """
    import keras

    tensor = model.outputs[0] if layer is None else _output(model, layer)
    reader = keras.Model(model.input, tensor)
    rows = [
        np.asarray(reader.predict_on_batch(batch[0] if isinstance(batch, tuple | list) else batch))
        for batch in batches
    ]
    if not rows:
        raise DataError("`batches` is empty: the teacher has nothing to look at.")
    found = np.concatenate(rows)
    if layer is None:
        found = np.log(found.clip(np.finfo("float32").tiny))
    if not np.isfinite(found).all():
        raise DataError(f"What {model.name!r} says is not finite. Are its weights damaged?")
    return found.astype("float32")


def soften(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Return the softmax of scores divided by a temperature."""
    scaled = np.asarray(logits, "float64") / temperature
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _checked(labels: np.ndarray, logits: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the scores of all teachers, or say why they do not fit the labels."""
    if not len(logits):
        raise DataError("`logits` is empty: pass a list with the scores of each teacher.")
    for scores in logits:
        if np.shape(scores) != np.shape(labels):
            raise DataError(
                f"`logits` must be a list of arrays shaped like `labels`, {np.shape(labels)}, not "
                f"{np.shape(scores)}: one row per photo and one column per class."
            )
    return [np.asarray(scores) for scores in logits]


def _output(model: "keras.Model", layer: str) -> "keras.KerasTensor":
    names = [known.name for known in model.layers]
    if layer not in names:
        raise ValueError(
            f"The model {model.name!r} has no layer {layer!r}.{did_you_mean(layer, names)} Its "
            f"last layers: {listed(names[-5:])}."
        )
    return model.get_layer(layer).output
