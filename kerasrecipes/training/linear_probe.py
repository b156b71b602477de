"""A regularised logistic regression on the pooled features of a frozen backbone.

The features are what the head of a classifier pools, and the result is its dense layer.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.console import bar
from kerasrecipes.data.examples import Examples
from kerasrecipes.engine.frozen.runtime import frozen_engine
from kerasrecipes.heads.classification import LOGITS, ClassificationHead

if TYPE_CHECKING:
    import keras

BATCH = 32
# Inverse strength of the penalty on standardised features: from "almost the class frequencies"
# to "almost free". Log-loss on held-out photos has its minimum inside, mostly near 1e-3.
STRENGTHS = (1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 1.0)


@dataclass(frozen=True)
class LinearProbe:
    """A linear classifier of pooled features, ready to be a head's dense layer.

    Args:
        kernel: float32 `(features, classes)`, for features that are not standardised.
        bias: float32 `(classes,)`.
        strength: scikit-learn's `C` that was chosen; smaller is more regularised.
    """

    kernel: np.ndarray
    bias: np.ndarray
    strength: float

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Return class probabilities, float64 `(n, classes)`."""
        logits = features.astype(np.float64) @ self.kernel + self.bias
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)

    def put_into(self, model: "keras.Model") -> None:
        """Make this the dense layer of a model that `build_linear` returned."""
        model.get_layer(LOGITS).set_weights([self.kernel, self.bias])


def build_linear(backbone: "keras.Model", class_count: int) -> "keras.Model":
    """Put the head of a classifier on a backbone, with weights of no meaning yet.

    Args:
        backbone: What `BackboneSpec.build` returned.
        class_count: Number of classes.
    """
    import keras

    scores = ClassificationHead().build(backbone.output, class_count, seed=0)
    return keras.Model(backbone.input, scores, name=backbone.name)


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

    pooled = keras.Model(model.input, [model.get_layer(LOGITS).input])
    total = sum(map(len, sets))
    run = frozen_engine(pooled, total)
    found, done = [], 0
    with bar("computing features") as show:
        for photos in sets:
            reader = photos.reader(model)
            rows = []
            for pixels in reader.in_order(BATCH):
                rows.append(run(pixels.numpy())[0])
                show(done := done + len(pixels), total)
            found.append(np.concatenate(rows))
    return found


def fit_linear_probe(
    features: np.ndarray,
    labels: np.ndarray,
    class_weights: np.ndarray,
    val_features: np.ndarray,
    val_labels: np.ndarray,
) -> LinearProbe:
    """Fit one logistic regression per strength, and keep the best on held-out photos.

    Args:
        features: Pooled features, shape `(n, features)`.
        labels: Class indices, shape `(n,)`; every class occurs.
        class_weights: How much a photo of each class counts, shape `(classes,)`.
        val_features: The same for the photos to choose by, shape `(m, features)`.
        val_labels: Their class indices, shape `(m,)`.

    Returns:
        The probe with the lowest log-loss on the photos to choose by, weighted alike.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(features)
    scaled = scaler.transform(features)
    # Each solution is where the search for the next, weaker penalty begins.
    model = LogisticRegression(max_iter=2000, warm_start=True)
    found = []
    for strength in STRENGTHS:
        model.set_params(C=strength).fit(scaled, labels, sample_weight=class_weights[labels])
        probe = _unscaled(model, scaler, strength)
        right = probe.scores(val_features)[np.arange(len(val_labels)), val_labels]
        losses = -np.log(np.maximum(right, 1e-15))
        loss = np.average(losses, weights=class_weights[val_labels])
        found.append((loss, strength, probe))
    return min(found, key=lambda entry: entry[:2])[2]


def _unscaled(model: "keras.Model", scaler: Any, strength: float) -> LinearProbe:
    """Write a classifier of standardised features as one of the features themselves."""
    kernel, bias = model.coef_.T, model.intercept_
    if kernel.shape[1] == 1:  # with two classes scikit-learn keeps the second one only
        kernel, bias = np.hstack([0 * kernel, kernel]), np.array([0.0, bias[0]])
    kernel = kernel / scaler.scale_[:, None]
    bias = bias - scaler.mean_ @ kernel
    return LinearProbe(kernel.astype(np.float32), bias.astype(np.float32), strength)
