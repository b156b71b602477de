"""Whether validation data are like the training data, and how far training moves the features."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.callbacks.base import Resumable
from kerasrecipes.console import say
from kerasrecipes.keras_private import features_of, functional_of, has_graph, nodes_in_order
from kerasrecipes.statistics.two_sample import points_test

_DIRECTIONS = 64
_FEWEST = 20
_RIDGE = 1e-2


@named
class DriftCheck(Resumable, keras.callbacks.Callback):
    """Compare validation with training data as the model sees them, and watch its features move.

    Before the first step, the features of both sides are compared. A split at random is alike on
    both sides even where the data hold a change; a split by time or part shows it, and that a
    model is to be judged on other data than it learns from is worth knowing before it is
    trained. After each epoch it measures how like the features still are to those at the
    beginning: `feature_similarity` in the logs, 1 for the same up to rotation and size; and how
    much of those can no longer be read from them: `forgotten`, 0 for nothing. Features that
    become others lose what was learnt before; features that only gain keep it.

    Args:
        train: Training data as the model takes them: an array, a `tf.data.Dataset` in batches of
            inputs or of `(inputs, …)`, or a `PyDataset`. `None` in the fit of a recipe, which has
            its own.
        val: The same of the validation data.
        layer: Name of the layer whose answers are the features; `None` for what the last layer
            with weights reads.
        examples: At most so many of either side are looked at, the first ones of a dataset.
        level: Below this p-value the sides differ.
        seed: Seed of what is drawn.

    Raises:
        ValueError: If only one side is given, an argument is out of range, or, while training,
            there are no data, fewer than 20 examples, or no such layer.

    Example:
        >>> DriftCheck().summary()["words"]
        'Nothing was compared yet.'

    Reference:
        Gretton et al., 2012, "A kernel two-sample test"; the similarity is linear CKA of
        Kornblith et al., 2019, "Similarity of neural network representations revisited".
    """

    STATE = ("p_value", "similarities", "losses", "_start")

    def __init__(
        self,
        train: Any = None,
        val: Any = None,
        *,
        layer: str | None = None,
        examples: int = 500,
        level: float = 0.01,
        seed: int = 0,
    ):
        super().__init__()
        if (train is None) != (val is None):
            raise ValueError("`train` and `val` belong together: pass both, or neither.")
        if not isinstance(examples, int) or examples < _FEWEST:
            raise ValueError(f"`examples` must be at least {_FEWEST}, not {examples!r}.")
        if not (isinstance(level, int | float) and 0 < level < 1):
            raise ValueError(f"`level` must be between 0 and 1, not {level!r}.")
        self.train, self.val = train, val
        self.layer, self.examples, self.level, self.seed = layer, examples, level, seed
        self.p_value: float | None = None
        self.similarities: list[float] = []
        self.losses: list[float] = []
        self._sides: Callable | None = None

    @property
    def differs(self) -> bool:
        """Whether validation data are unlike the training data."""
        return self.p_value is not None and self.p_value < self.level

    def follow_classes(self, class_names: Sequence[str], sides: Callable) -> None:
        """Take the data of a recipe's fit.

        Args:
            class_names: Not needed.
            sides: Returns `(x, y)` of the training and of the validation photos.
        """
        self._sides = sides

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.p_value, self.similarities, self.losses = None, [], []
        rng = np.random.default_rng(self.seed)
        if not has_graph(functional_of(self.model)):
            raise ValueError("DriftCheck needs a functional or sequential model, to see features.")
        self._seen = keras.Model(self.model.inputs, self._features())
        train, self._val = (self._drawn(side, rng) for side in self._data())
        before, self._start = (_rows(self._seen, side) for side in (train, self._val))
        # An activation may make a number of what is none.
        if not all(np.isfinite(one).all() for one in (train, self._val, before, self._start)):
            raise ValueError(
                "DriftCheck cannot compare what is not finite. Look for NaN in `train` and `val`, "
                "and in the model's weights."
            )
        self.p_value = _difference(before, self._start, self.seed)
        if self.differs:
            say(self.summary()["words"])

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        now = _rows(self._seen, self._val)
        self.similarities.append(similarity(self._start, now))
        self.losses.append(forgotten(self._start, now))
        if logs is not None:
            logs["feature_similarity"] = self.similarities[-1]
            logs["forgotten"] = self.losses[-1]

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        # What a recipe's fit has cached would else live as long as the callback.
        self._sides = None

    def summary(self) -> dict:
        """Return the p-value of the comparison, what every epoch did to the features, and words."""
        return {
            "p_value": self.p_value,
            "differs": self.differs,
            "similarities": self.similarities,
            "forgotten": self.losses,
            "words": self._words(),
        }

    def _words(self) -> str:
        if self.p_value is None:
            return "Nothing was compared yet."
        how = f"p = {self.p_value:.2g} by what the model sees in them"
        if not self.differs:
            return f"Validation data are like the training data ({how})."
        return (
            f"Validation data are NOT like the training data ({how}). If that is how the model "
            "will be used, its validation numbers are the honest ones; if not, look at how the "
            "data were split."
        )

    def _data(self) -> tuple[Any, Any]:
        if self.train is not None:
            return self.train, self.val
        if self._sides is None:
            raise ValueError(
                "DriftCheck has no data to compare. Pass `train` and `val`: the inputs of the "
                "training and of the validation data."
            )
        (train, _), (val, _) = self._sides()
        return train, val

    def _drawn(self, side: Any, rng: np.random.Generator) -> np.ndarray:
        """Return some inputs of one side."""
        if isinstance(side, keras.utils.PyDataset):
            inputs = self._first(side[i] for i in range(side.num_batches or 0))
        elif not hasattr(side, "element_spec"):
            inputs = _array(side)
            chosen = np.sort(rng.permutation(len(inputs))[: self.examples])
            inputs = inputs[chosen]
        else:
            inputs = self._first(side)
        if len(inputs) < _FEWEST:
            raise ValueError(
                f"DriftCheck needs {_FEWEST} examples on either side, and one has {len(inputs)}. "
                "Leave it out."
            )
        return inputs

    def _first(self, batches: Iterable[Any]) -> np.ndarray:
        """Return the inputs of the first batches of a dataset, `(inputs, …)` or inputs each."""
        found: list[np.ndarray] = []
        for batch in batches:
            found.append(_array(batch[0] if isinstance(batch, tuple | list) else batch))
            if not found[-1].shape or sum(map(len, found)) >= self.examples:
                break
        if not found:
            return np.zeros((0, 1))
        if found[0].ndim < len(self.model.inputs[0].shape):
            raise ValueError("DriftCheck needs a dataset in batches. Call `batch(32)` on it.")
        return np.concatenate(found)[: self.examples]

    def _features(self) -> "keras.KerasTensor":
        model = functional_of(self.model)
        if self.layer is None:
            return features_of(model)
        nodes = {node.operation.name: node for node in nodes_in_order(model)}
        if self.layer not in nodes:
            raise ValueError(
                f"`layer` must be one of the model's layers, not {self.layer!r}; the last are "
                f"{list(nodes)[-5:]}."
            )
        return nodes[self.layer].outputs[0]


def similarity(one: np.ndarray, other: np.ndarray) -> float:
    """Compare the features of two models on the same examples, by linear CKA.

    Args:
        one: Shape `(n, d)`.
        other: Shape `(n, e)`, of the same examples in the same order.

    Returns:
        1 where one is the other up to rotation and size, 0 where they have nothing in common.

    Example:
        >>> rows = np.random.default_rng(0).normal(size=(50, 4))
        >>> similarity(rows, -3 * rows)
        1.0
    """
    one, other = (rows - rows.mean(axis=0) for rows in (np.float64(one), np.float64(other)))
    sizes = np.linalg.norm(one.T @ one) * np.linalg.norm(other.T @ other)
    return round(float(np.linalg.norm(one.T @ other) ** 2 / sizes), 12) if sizes else 1.0


def forgotten(start: np.ndarray, now: np.ndarray) -> float:
    """Tell how much of earlier features later ones do not hold any more.

    Args:
        start: Shape `(n, d)`.
        now: Shape `(n, e)`, of the same examples in the same order.

    Returns:
        0 where all that a linear map can tell of the earlier features is still told, 1 where
        nothing is: judged on every second example, by a ridge regression on the others.

    Example:
        >>> rows = np.random.default_rng(0).normal(size=(50, 4))
        >>> forgotten(rows, np.hstack([-3 * rows, rows**2])) < 0.1
        True
    """
    start, now = (rows - rows.mean(axis=0) for rows in (np.float64(start), np.float64(now)))
    before, after = _told(start, start), _told(now, start)
    return round(min(1.0, max(0.0, 1 - after / before)), 6) if before > 0 else 0.0


def _told(of: np.ndarray, about: np.ndarray) -> float:
    """Return the share of the variance of some features that others explain."""
    known, asked = of[::2], of[1::2]
    kernel = known @ known.T
    ridge = _RIDGE * max(np.trace(kernel) / len(kernel), 1e-12)
    weights = np.linalg.solve(kernel + ridge * np.eye(len(kernel)), about[::2])
    left = about[1::2] - asked @ known.T @ weights
    return 1 - float((left**2).sum() / max((about[1::2] ** 2).sum(), 1e-12))


def _array(inputs: Any) -> np.ndarray:
    """Return inputs as one array.

    Raises:
        ValueError: If they are something else, such as the inputs by name or `(x, y)`.
    """
    if keras.ops.is_tensor(inputs):
        return keras.ops.convert_to_numpy(inputs)
    try:
        found = np.asarray(inputs)
    except ValueError:
        found = np.asarray(None)
    if not found.shape or found.dtype == object:
        raise ValueError(
            f"DriftCheck needs the inputs alone, as one array, not {type(inputs).__name__}. Pass "
            "`x` for `(x, y)`, and leave the callback out where a model has several inputs."
        )
    return found


def _rows(model: keras.Model, inputs: np.ndarray) -> np.ndarray:
    """Return the features, one row each; of maps the mean over all places."""
    found = model.predict(inputs, verbose=0, batch_size=32)
    return found.mean(axis=tuple(range(1, found.ndim - 1))) if found.ndim > 2 else found


def _difference(before: np.ndarray, now: np.ndarray, seed: int) -> float:
    """Return the p-value of the clouds, and of random directions through them, together."""
    # Not divided by the spread of one side, which treats the two alike no more.
    lines = np.random.default_rng(seed).normal(size=(before.shape[1], _DIRECTIONS))
    return points_test(before, now, lines, seed=seed).p_value
