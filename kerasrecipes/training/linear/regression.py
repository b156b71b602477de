"""Linear regressions of any kind of answer, each solved to its optimum by scikit-learn."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.data.examples import CLASS, LABELS, NUMBER, Examples
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.heads.regression import VALUE
from kerasrecipes.losses.class_weights import class_weights

if TYPE_CHECKING:
    import keras

# Inverse strengths of the penalty, for rows that have a mean square length of 1.
STRENGTHS = tuple(float(10 ** (step / 2)) for step in range(-1, 10))
BALANCED_SOFTMAX = "balanced_softmax"
# Of the mean variance of a block, which each of its features counts as having besides its own.
LEAST_SHARE = 0.1
_FLOOR, _TINY = 1e-15, 1e-12
# What stands in for the logit of a class that a part of the examples lacks.
_NEVER = -30.0


@dataclass(frozen=True)
class LinearProbe:
    """A linear model of pooled features, ready to be a head's dense layer.

    Args:
        kernel: float32 `(features, width)`, for features as they are.
        bias: float32 `(width,)`.
        depths: How many of the last blocks the features are of.
        target: What it answers with: one class, labels, or a number; see `Examples`.
    """

    kernel: np.ndarray
    bias: np.ndarray
    depths: int = 1
    target: str = CLASS

    def answers(self, features: np.ndarray) -> np.ndarray:
        """Return class probabilities, scores of labels, or numbers, float64 `(n, width)`."""
        return answers_of(features.astype(np.float64) @ self.kernel + self.bias, self.target)

    def put_into(self, model: "keras.Model") -> None:
        """Make this the last dense layer of a model whose head reads the same depths."""
        import keras

        kernel, bias = self.kernel, self.bias
        if self.target == NUMBER:  # the layer behind the dense one scales back
            back = model.get_layer(VALUE)
            kernel, bias = kernel / back.scale, (bias - back.offset) / back.scale
        dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)][-1]
        dense.set_weights([kernel, bias])


def answers_of(found: np.ndarray, target: str) -> np.ndarray:
    """Return what linear scores answer: probabilities of classes, of labels, or numbers."""
    if target == NUMBER:
        return found
    if target == LABELS:
        return 0.5 + 0.5 * np.tanh(found / 2)  # the sigmoid, which never overflows so
    odds = np.exp(found - found.max(axis=-1, keepdims=True))
    return odds / odds.sum(axis=-1, keepdims=True)


def losses_of(answers: np.ndarray, targets: np.ndarray, target: str) -> np.ndarray:
    """Return the log-loss of each answer, the mean of its labels', or its squared error."""
    if target == NUMBER:
        return np.square(answers[:, 0] - targets)
    if target == LABELS:
        said = np.where(targets > 0.5, answers, 1 - answers)
        return -np.log(np.maximum(said, _FLOOR)).mean(axis=1)
    return -np.log(np.maximum(answers[np.arange(len(targets)), targets], _FLOOR))


def linear_weights(
    examples: Examples, output: OutputSpec, wish: str | None, loss_name: str = ""
) -> np.ndarray | None:
    """Return how much an example of each class counts, where examples have one class each.

    What balanced softmax asks for, that no class is likelier than another, a regression gets by
    weights: the inverse frequencies.

    Args:
        examples: What is learned from.
        output: The classes, in the order of the answers.
        wish: A recipe's `class_weights`.
        loss_name: The loss of the recipe's head.
    """
    if examples.target != CLASS:
        return None
    counts = examples.counts()
    wish = "balanced" if loss_name == BALANCED_SOFTMAX else wish
    return class_weights([counts[name] for name in output.class_names], wish)


@dataclass(frozen=True)
class Scaled:
    """Features on one scale, in the fewest coordinates in which they are all told apart.

    A penalised solution lies in the span of its examples, so nothing is lost by leaving out the
    rest, and 30 photos need 30 coordinates, not thousands.

    Args:
        rows: float64 `(n, coordinates)`, about a middle of 0, with a mean square length of 1.
        axes: From features to coordinates, float64 `(features, coordinates)`.
        middle: What stands in the middle, float64 `(features,)`.
    """

    rows: np.ndarray
    axes: np.ndarray
    middle: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray, widths: tuple[int, ...], each: bool) -> "Scaled":
        """Scale features by how much they vary.

        Args:
            features: Shape `(n, features)`.
            widths: Sizes of the blocks of columns.
            each: Whether each feature has a scale of its own, not each block. One that hardly
                varies here may do so elsewhere, so none is scaled up much beyond its block.
        """
        values = features.astype(np.float64)
        middle = values.mean(axis=0)
        values = values - middle
        squares = np.square(values).mean(axis=0)
        starts = np.cumsum((0, *widths[:-1]))
        blocks = np.repeat(np.add.reduceat(squares, starts) / widths, widths)
        blocks = np.maximum(blocks, _TINY)
        scale = 1 / np.sqrt(squares + LEAST_SHARE * blocks if each else blocks)
        scale /= np.sqrt(np.repeat(widths, widths) * len(widths))
        values *= scale
        if values.shape[1] <= len(values):
            return cls(values, np.diag(scale), middle)
        sizes, basis = np.linalg.eigh(values @ values.T)
        kept = sizes > 1e-10 * max(sizes[-1], _TINY)
        lengths = np.sqrt(sizes[kept])
        axes = scale[:, None] * (values.T @ (basis[:, kept] / lengths))
        return cls(basis[:, kept] * lengths, axes, middle)

    def back(self, kernel: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the kernel and the bias for the features as they are."""
        kernel = self.axes @ kernel
        return kernel, bias - self.middle @ kernel


# From a strength to the kernel and the bias for scaled rows.
Fit = Callable[[float], tuple[np.ndarray, np.ndarray]]


def fitter(
    target: str, rows: np.ndarray, targets: np.ndarray, weights: np.ndarray | None, exact: bool
) -> Fit:
    """Return what solves a regression for one strength after the other, from the weakest.

    It is a logistic regression for classes, one for each of several labels, and a ridge
    regression for numbers.

    Args:
        target: What the targets are: one class, labels, or a number; see `Examples`.
        rows: Scaled features, shape `(n, coordinates)`.
        targets: Class indices, shape `(n,)`; zeros and ones, shape `(n, labels)`; or numbers.
        weights: How much an example of each class counts, shape `(classes,)`; `None` without
            classes.
        exact: Whether to solve to the last digits, as for a model that is kept.
    """
    if target == NUMBER:
        return _fit_numbers(rows, targets)
    make = _logistic(1e-5 if exact else 1e-3)
    if target == LABELS:
        return _fit_labels(make, rows, targets)
    return _fit_classes(make, rows, targets, weights)


def _logistic(tolerance: float) -> Callable[[], Any]:
    from sklearn.linear_model import LogisticRegression

    # Each solution is where the search for the next, weaker penalty begins.
    return lambda: LogisticRegression(max_iter=2000, warm_start=True, tol=tolerance)


def _fit_classes(
    make: Callable[[], Any], rows: np.ndarray, labels: np.ndarray, weights: Any
) -> Fit:
    model, there, known = make(), np.unique(labels), len(weights)

    def fit(strength: float) -> tuple[np.ndarray, np.ndarray]:
        kernel, bias = np.zeros((rows.shape[1], known)), np.full(known, _NEVER)
        if len(there) == 1:
            bias[there] = 0.0
            return kernel, bias
        model.set_params(C=strength).fit(rows, labels, sample_weight=weights[labels])
        if len(there) == 2:  # of which scikit-learn keeps the second one only
            kernel[:, there[1]], bias[there] = model.coef_[0], (0.0, model.intercept_[0])
        else:
            kernel[:, there], bias[there] = model.coef_.T, model.intercept_
        return kernel, bias

    return fit


def _fit_labels(make: Callable[[], Any], rows: np.ndarray, targets: np.ndarray) -> Fit:
    counts = targets.sum(axis=0)
    # A label that all have, or none, is as likely for any photo.
    always = np.log((counts + 0.5) / (len(targets) - counts + 0.5))
    models = {k: make() for k in np.flatnonzero((counts > 0) & (counts < len(targets)))}

    def fit(strength: float) -> tuple[np.ndarray, np.ndarray]:
        kernel, bias = np.zeros((rows.shape[1], targets.shape[1])), always.astype(np.float64)
        for k, model in models.items():
            model.set_params(C=strength).fit(rows, targets[:, k])
            kernel[:, k], bias[k] = model.coef_[0], model.intercept_[0]
        return kernel, bias

    return fit


def _fit_numbers(rows: np.ndarray, targets: np.ndarray) -> Fit:
    from sklearn.linear_model import Ridge

    def fit(strength: float) -> tuple[np.ndarray, np.ndarray]:
        model = Ridge(alpha=1 / strength).fit(rows, targets)
        return model.coef_[:, None], np.array([model.intercept_])

    return fit
