"""A regularised linear model on the pooled features of a frozen backbone.

The features are what a head pools, and the result is its dense layer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.console import bar
from kerasrecipes.data.examples import CLASS, LABELS, NUMBER, Examples
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.engine.frozen.runtime import frozen_engine
from kerasrecipes.heads import Head, make_head
from kerasrecipes.heads.head import HEAD_OF
from kerasrecipes.heads.regression import VALUE
from kerasrecipes.losses.class_weights import class_weights

if TYPE_CHECKING:
    import keras

BATCH = 32
# Inverse strength of the penalty on standardised features: from "almost the class frequencies"
# to "almost free". Log-loss on held-out photos has its minimum inside, mostly near 1e-3.
STRENGTHS = (1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 1.0)
_FLOOR = 1e-15


@dataclass(frozen=True)
class LinearProbe:
    """A linear model of pooled features, ready to be a head's dense layer.

    Args:
        kernel: float32 `(features, width)`, for features that are not standardised.
        bias: float32 `(width,)`.
        strength: scikit-learn's `C` that was chosen, or 1 / `alpha` of a ridge regression;
            smaller is more regularised.
        target: What it answers with: one class, labels, or a number; see `Examples`.
    """

    kernel: np.ndarray
    bias: np.ndarray
    strength: float
    target: str = CLASS

    def answers(self, features: np.ndarray) -> np.ndarray:
        """Return class probabilities, scores of labels, or numbers, float64 `(n, width)`."""
        found = features.astype(np.float64) @ self.kernel + self.bias
        if self.target == NUMBER:
            return found
        if self.target == LABELS:
            return 0.5 + 0.5 * np.tanh(found / 2)  # the sigmoid, which never overflows so
        odds = np.exp(found - found.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)

    def put_into(self, model: "keras.Model") -> None:
        """Make this the dense layer of a model that `build_linear` returned."""
        kernel, bias = self.kernel, self.bias
        if self.target == NUMBER:  # the layer behind the dense one scales back
            back = model.get_layer(VALUE)
            kernel, bias = kernel / back.scale, (bias - back.offset) / back.scale
        _dense(model).set_weights([kernel, bias])


def linear_head(examples: Examples) -> Head:
    """Return the head whose dense layer the linear model of such examples is.

    One for ordered classes, or with embeddings, is more than a dense layer.

    Args:
        examples: What is learned from.
    """
    return make_head(HEAD_OF[examples.target]).suited(examples)


def build_linear(backbone: "keras.Model", width: int, head: Head | None = None) -> "keras.Model":
    """Put a linear head on a backbone, with weights of no meaning yet.

    Args:
        backbone: What `BackboneSpec.build` returned.
        width: How many numbers an answer has, e.g. the number of classes.
        head: Of `linear_head`; `None` for that of one class each.
    """
    import keras

    head = head or make_head(HEAD_OF[CLASS])
    answers = head.build(backbone.output, width, seed=0)
    return keras.Model(backbone.input, answers, name=backbone.name)


def _dense(model: "keras.Model") -> "keras.layers.Layer":
    import keras

    return [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)][-1]


def pooled_features(model: "keras.Model", *sets: Examples) -> list[np.ndarray]:
    """Run a frozen backbone over photos once, up to what the dense layer of the head sees.

    Args:
        model: What `build_linear` returned.
        *sets: What to run it on; labels are not looked at.

    Returns:
        One array for each set, float32, shape `(n, features)`.

    Raises:
        DataError: If a photo cannot be read, or changed since it was scanned.
    """
    import keras

    pooled = keras.Model(model.input, [_dense(model).input])
    total = sum(map(len, sets))
    run = frozen_engine(pooled, total)
    found, done = [], 0
    with bar("computing features") as show:
        for photos in sets:
            reader = photos.reader(model)
            rows = np.zeros((len(photos), pooled.outputs[0].shape[-1]), np.float32)
            for index, inputs in reader.each_once(BATCH):
                rows[index] = run(inputs.numpy())[0]
                show(done := done + len(inputs), total)
            found.append(rows)
    return found


def linear_weights(examples: Examples, output: OutputSpec, wish: str | None) -> np.ndarray | None:
    """Return how much an example of each class counts, where examples have one class each.

    Args:
        examples: What is learned from.
        output: The classes, in the order of the answers.
        wish: A recipe's `class_weights`.
    """
    if examples.target != CLASS:
        return None
    counts = examples.counts()
    return class_weights([counts[name] for name in output.class_names], wish)


def fit_linear_probe(
    features: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray | None,
    val_features: np.ndarray,
    val_targets: np.ndarray,
    target: str = CLASS,
) -> LinearProbe:
    """Fit one linear model per strength, and keep the best on held-out photos.

    It is a logistic regression for classes, one for each of several labels, and a ridge
    regression for numbers.

    Args:
        features: Pooled features, shape `(n, features)`.
        targets: Class indices, shape `(n,)`, of which every class occurs; zeros and ones, shape
            `(n, labels)`; or numbers, shape `(n,)`.
        weights: How much a photo of each class counts, shape `(classes,)`; of classes only.
        val_features: The same for the photos to choose by, shape `(m, features)`.
        val_targets: What is right for them.
        target: What the targets are: one class, labels, or a number; see `Examples`.

    Returns:
        The probe with the lowest loss on the photos to choose by: the log-loss, of classes
        weighted alike, or the squared error.
    """
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(features)
    scaled = scaler.transform(features)
    fit = _FITS[target](scaled, targets, weights)
    found = []
    for strength in STRENGTHS:
        kernel, bias = fit(strength)
        kernel = kernel / scaler.scale_[:, None]
        bias = bias - scaler.mean_ @ kernel
        layer = (kernel.astype(np.float32), bias.astype(np.float32))
        probe = LinearProbe(*layer, strength, target)
        loss = _LOSSES[target](probe.answers(val_features), val_targets, weights)
        found.append((loss, strength, probe))
    return min(found, key=lambda entry: entry[:2])[2]


# From a strength to the kernel and the bias for standardised features.
_Fit = Callable[[float], tuple[np.ndarray, np.ndarray]]


def _logistic(**settings: Any) -> Any:
    from sklearn.linear_model import LogisticRegression

    # Each solution is where the search for the next, weaker penalty begins.
    return LogisticRegression(max_iter=2000, warm_start=True, **settings)


def _fit_classes(scaled: np.ndarray, labels: np.ndarray, weights: Any) -> _Fit:
    model = _logistic()

    def fit(strength: float) -> tuple[np.ndarray, np.ndarray]:
        model.set_params(C=strength).fit(scaled, labels, sample_weight=weights[labels])
        kernel, bias = model.coef_.T, model.intercept_
        if kernel.shape[1] == 1:  # with two classes scikit-learn keeps the second one only
            kernel, bias = np.hstack([0 * kernel, kernel]), np.array([0.0, bias[0]])
        return kernel, bias

    return fit


def _fit_labels(scaled: np.ndarray, targets: np.ndarray, weights: Any) -> _Fit:
    counts = targets.sum(axis=0)
    # A label that all have, or none, is as likely for any photo.
    always = np.log((counts + 0.5) / (len(targets) - counts + 0.5))
    models = {k: _logistic() for k in np.flatnonzero((counts > 0) & (counts < len(targets)))}

    def fit(strength: float) -> tuple[np.ndarray, np.ndarray]:
        kernel, bias = np.zeros((scaled.shape[1], targets.shape[1])), always.astype(np.float64)
        for k, model in models.items():
            model.set_params(C=strength).fit(scaled, targets[:, k])
            kernel[:, k], bias[k] = model.coef_[0], model.intercept_[0]
        return kernel, bias

    return fit


def _fit_numbers(scaled: np.ndarray, targets: np.ndarray, weights: Any) -> _Fit:
    from sklearn.linear_model import Ridge

    def fit(strength: float) -> tuple[np.ndarray, np.ndarray]:
        model = Ridge(alpha=1 / strength).fit(scaled, targets)
        return model.coef_[:, None], np.array([model.intercept_])

    return fit


def _class_loss(answers: np.ndarray, labels: np.ndarray, weights: Any) -> float:
    losses = -np.log(np.maximum(answers[np.arange(len(labels)), labels], _FLOOR))
    return float(np.average(losses, weights=weights[labels]))


def _label_loss(answers: np.ndarray, targets: np.ndarray, weights: Any) -> float:
    said = np.where(targets > 0.5, answers, 1 - answers)
    return float(-np.log(np.maximum(said, _FLOOR)).mean())


def _number_loss(answers: np.ndarray, targets: np.ndarray, weights: Any) -> float:
    return float(np.square(answers[:, 0] - targets).mean())


_FITS = {CLASS: _fit_classes, LABELS: _fit_labels, NUMBER: _fit_numbers}
_LOSSES = {CLASS: _class_loss, LABELS: _label_loss, NUMBER: _number_loss}
