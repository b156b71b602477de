"""How far an example is from all classes that a model knows, put into the model's graph."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.errors import DataError
from kerasrecipes.novelty.detector import NOVELTY
from kerasrecipes.novelty.distances import TINY

if TYPE_CHECKING:
    import keras

FEWEST = 20
# The whole of it hides some of what is far from everything: of sentences about other things than a
# bank's, 93 to 100 % were found then, and all with this much, at the same share set aside; of other
# requests to a bank 9 points fewer beside 3 classes, and 5 more beside 57. On training texts alone.
_TAKEN_OFF = 0.85


def check_enough_known(labels: np.ndarray) -> None:
    """Refuse examples that are too few to learn from, before anything is trained.

    Args:
        labels: The class of each; see `OutOfScope.of`.

    Raises:
        DataError: If there are fewer than 20 examples, or no class has two.
    """
    counts = np.unique(labels, return_counts=True)[1]
    if len(labels) < FEWEST or counts.max() < 2:
        raise DataError(
            f"What is out of scope cannot be learned from {len(labels)} examples of {len(counts)} "
            f"classes. Pass at least {FEWEST}, two of a class among them, or leave `out_of_scope` "
            "out."
        )


@dataclass(frozen=True)
class OutOfScope:
    """How far an example is from the nearest class, less most of how far it is from all together.

    Features are taken at length 1. Each class is a Gaussian around its mean, with one covariance
    for all; all examples together are one, too, whose covariance is that of a class plus that of
    the classes' means. So both are shrunk alike: shrunk each by itself, the second distance of what
    is far from a few classes is the larger one. What is unlike in a way in which examples of all
    classes differ from each other says little of scope, and so is taken off.

    Args:
        mean: Of all examples, float32 `(features,)`.
        within: Whitens what examples of a class differ by, float32 `(features, features)`.
        overall: The same of all examples.
        centres: The mean of each class, less that of all and whitened by `within`, float32
            `(classes, features)`.
        scale: What the difference of both squared distances is multiplied by.
        bias: What is added then.

    Reference:
        Ren et al., 2021, "A Simple Fix to Mahalanobis Distance for Improving Near-OOD
        Detection", equation 3, where all of the second distance is taken off.
    """

    mean: np.ndarray
    within: np.ndarray
    overall: np.ndarray
    centres: np.ndarray
    scale: float = 1.0
    bias: float = 0.0

    @classmethod
    def of(cls, features: np.ndarray, labels: np.ndarray) -> Self:
        """Learn from examples of known classes.

        Args:
            features: Shape `(n, features)`.
            labels: The class of each, int64 `(n,)`, from 0 on.

        Raises:
            DataError: If there are fewer than 20 examples, or no class has two.
        """
        check_enough_known(labels)
        classes, places, counts = np.unique(labels, return_inverse=True, return_counts=True)
        rows = _of_length_one(features.astype(np.float64))
        mean = rows.mean(axis=0)
        rows = rows - mean
        means = np.zeros((len(classes), rows.shape[1]))
        np.add.at(means, places, rows)
        means /= counts[:, None]
        of_class = _covariance(rows - means[places])
        of_means = (means.T * counts) @ means / len(rows)
        within, overall = _whitening(of_class), _whitening(of_class + of_means)
        mean, centres, within, overall = (
            one.astype(np.float32) for one in (mean, means @ within, within, overall)
        )
        return cls(mean, within, overall, centres)

    def distances(self, features: np.ndarray) -> np.ndarray:
        """Return the difference of the two squared distances, standardised, float64 `(n,)`.

        Args:
            features: Shape `(n, features)`.
        """
        rows = _of_length_one(features.astype(np.float64)) - self.mean
        near, own = rows @ self.within, np.square(self.centres).sum(axis=1)
        nearest = (own - 2 * near @ self.centres.T).min(axis=1)
        far = np.square(rows @ self.overall).sum(axis=1)
        found = np.square(near).sum(axis=1) + nearest - _TAKEN_OFF * far
        return found * self.scale + self.bias

    def standardised(self, features: np.ndarray) -> Self:
        """Return the same, by which examples like some are at 0 on average, with a spread of 1.

        Args:
            features: Of examples that nothing was learned from, shape `(n, features)`.
        """
        found = self.distances(features)
        scale = self.scale / (found.std() + TINY)
        bias = (self.bias - found.mean()) / (found.std() + TINY)
        return replace(self, scale=float(scale), bias=float(bias))

    def attach(self, features: "keras.KerasTensor") -> "keras.KerasTensor":
        """Continue a graph from its features by plain layers.

        Returns:
            What `distances` says, shape `(batch, 1)`, of the layer `"novelty"`.
        """
        from keras import layers, ops

        rows = layers.UnitNormalization(name="novelty_length")(features)
        near = _dense(rows, self.within, -self.mean @ self.within, "within")
        far = _dense(rows, self.overall, -self.mean @ self.overall, "overall")
        own = np.square(self.centres).sum(axis=1)
        apart = ops.min(_dense(near, -2 * self.centres.T, own, "centres"), axis=-1, keepdims=True)
        squares = [ops.sum(ops.square(x), axis=-1, keepdims=True) for x in (near, far)]
        score = layers.Dense(1, name=NOVELTY)
        answer = score(squares[0] + apart - _TAKEN_OFF * squares[1])
        score.set_weights([np.array([[self.scale]]), np.array([self.bias])])
        return answer


def scope_output(threshold: float) -> OutputSpec:
    """Describe what `OutOfScope.attach` answers with.

    Args:
        threshold: From this score on an example is out of scope.
    """
    return OutputSpec(name=NOVELTY, task=NOVELTY, thresholds=(threshold,))


def _of_length_one(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), TINY)


def _covariance(rows: np.ndarray) -> np.ndarray:
    from sklearn.covariance import ledoit_wolf

    found, _ = ledoit_wolf(rows, assume_centered=True)
    return np.asarray(found)


def _whitening(covariance: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(covariance)
    return vectors / np.sqrt(np.maximum(values, 0) + TINY * max(values.max(), TINY))


def _dense(x: Any, kernel: np.ndarray, bias: np.ndarray, name: str) -> Any:
    from keras import layers

    layer = layers.Dense(kernel.shape[1], name=f"novelty_{name}")
    made = layer(x)
    layer.set_weights([kernel, bias])
    return made
