"""What is measured of examples to tell whether they still are as they were."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from kerasrecipes.console import bar
from kerasrecipes.data.examples import Examples
from kerasrecipes.data.inference import BATCH, batch_for, batch_runner
from kerasrecipes.data.modality import Modality
from kerasrecipes.data.tables.spelling import meaning, written
from kerasrecipes.keras_private import features_of

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Observed:
    """Measurements of examples, one row each.

    Args:
        inputs: Name to what was measured of the inputs, shape `(n,)` each.
        features: What the model's last layer sees, shape `(n, d)`.
        answers: What the model answers, shape `(n, width)`.
        targets: What it should answer, see `Task.targets`; `None` where that is not known.
        groups: What stands for each one's group, in every window, uint64 `(n,)`; see
            `group_keys`. `None` if they are independent.
    """

    inputs: dict[str, np.ndarray]
    features: np.ndarray
    answers: np.ndarray
    targets: np.ndarray | None = None
    groups: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.answers)

    @property
    def clusters(self) -> np.ndarray | None:
        """Number of each one's group, from 0 as they come; `None` if no two are of one group."""
        if self.groups is None:
            return None
        _, first, inverse = np.unique(self.groups, return_index=True, return_inverse=True)
        return None if len(first) == len(self) else np.argsort(np.argsort(first))[inverse]

    @property
    def independent(self) -> int:
        """How many examples, or groups of them, are independent of each other."""
        return len(self) if self.groups is None else len(np.unique(self.groups))

    def one_of_each_group(self, fewest: int, seed: int) -> "Observed":
        """Return one example of each group, drawn, for tests that take examples for independent.

        Args:
            fewest: With fewer groups all examples are returned.
            seed: Seed of the draw.
        """
        clusters = self.clusters
        if clusters is None or self.independent < fewest:
            return self
        order = np.random.default_rng(seed).permutation(len(self))
        return self.rows(np.sort(order[np.unique(clusters[order], return_index=True)[1]]))

    def rows(self, chosen: np.ndarray) -> "Observed":
        """Return some of the examples."""
        inputs = {name: values[chosen] for name, values in self.inputs.items()}
        targets, groups = (
            None if known is None else known[chosen] for known in (self.targets, self.groups)
        )
        return Observed(inputs, self.features[chosen], self.answers[chosen], targets, groups)

    def with_rows(self, other: "Observed") -> "Observed":
        """Return these examples and those of another window."""
        inputs = {
            name: np.concatenate([values, other.inputs[name]])
            for name, values in self.inputs.items()
        }
        pairs = [(self.features, other.features), (self.answers, other.answers)]
        if self.targets is not None and other.targets is not None:
            pairs.append((self.targets, other.targets))
        joined = Observed(inputs, *(np.concatenate(pair) for pair in pairs))
        if self.groups is None or other.groups is None:
            return joined
        return replace(joined, groups=np.concatenate([self.groups, other.groups]))


def group_keys(groups: Sequence[str | None], keys: Sequence[str]) -> np.ndarray | None:
    """Return what stands for the groups of examples, today and in a window of next month.

    Args:
        groups: One for each example; `None` for one that is independent of all others.
        keys: SHA-256 of each example, by which the independent ones are told apart.

    Returns:
        uint64 `(n,)`; `None` if there are no groups.
    """
    names = [written(group) for group in groups]
    if not any(names):
        return None
    return example_keys(
        [key if name is None else _told(name) for name, key in zip(names, keys, strict=True)]
    )


def _told(name: str) -> str:
    read = meaning(name)
    text = read if isinstance(read, str) else str(read.normalize())
    return hashlib.sha256(f"group {text}".encode("utf-8", "surrogatepass")).hexdigest()


def example_keys(sha256: Sequence[str]) -> np.ndarray:
    """Shorten digests to uint64 `(n,)`."""
    return np.array([int(one[:16], 16) for one in sha256], np.uint64)


# From inputs, some at a time, to their features and answers.
Runner = Callable[[np.ndarray], Sequence[np.ndarray]]
# A model is asked on validation, on the test and for its profile, and compiled once for all.
_RUNNERS: "WeakKeyDictionary[keras.Model, Runner]" = WeakKeyDictionary()


def observe(model: "keras.Model", examples: Examples, modality: Modality) -> Observed:
    """Ask a model about examples, and measure these as it takes them, in one pass.

    Args:
        model: A model of one input and one output.
        examples: What to look at; labels are not looked at.
        modality: The kind of data.

    Raises:
        DataError: If an example cannot be read, or changed since it was scanned.
    """
    places: list[np.ndarray] = []

    def batches() -> Iterator[np.ndarray]:
        for index, batch in examples.reader(model).each_once(batch_for(model)):
            places.append(index)
            yield batch.numpy()

    seen = observe_inputs(keras_runner(model), batches(), len(examples), modality)
    return seen.rows(np.argsort(np.concatenate(places))) if places else seen


def keras_runner(model: "keras.Model") -> Runner:
    """Return what asks a Keras model of one input and one output for features and answers."""
    import keras

    if model not in _RUNNERS:
        both = keras.Model(model.input, [features_of(model), model.outputs[0]])
        _RUNNERS[model] = batch_runner(both)
    return _RUNNERS[model]


def observe_inputs(
    run: Runner, batches: Iterable[np.ndarray], count: int, modality: Modality
) -> Observed:
    """Do the same with inputs that were read already.

    Args:
        run: Gives features and answers.
        batches: Inputs as the model takes them, some at a time.
        count: How many there are in all.
        modality: The kind of data.
    """
    features: list[np.ndarray] = []
    answers: list[np.ndarray] = []
    inputs: list[dict[str, float]] = []
    with bar("computing answers") as show:
        for taken in batches:
            for rows, found in zip((features, answers), run(taken), strict=True):
                rows.append(found)
            inputs += [modality.measure(one) for one in taken]
            show(len(inputs), count)
    if not inputs:
        return Observed({}, np.zeros((0, 0), np.float32), np.zeros((0, 0), np.float32))
    measured = {name: np.array([one[name] for one in inputs]) for name in inputs[0]}
    return Observed(measured, np.concatenate(features), np.concatenate(answers))


def in_batches(inputs: Iterable[np.ndarray], padding: float = 0) -> Iterator[np.ndarray]:
    """Stack inputs, some at a time.

    Args:
        inputs: As a model takes them.
        padding: What stands behind those that are shorter; see `Modality.padding`.
    """
    waiting = iter(inputs)
    while some := list(islice(waiting, BATCH)):
        longest = max(len(one) for one in some)
        if any(len(one) < longest for one in some):  # of free length
            some = [
                np.pad(
                    one,
                    [(0, longest - len(one)), *[(0, 0)] * (one.ndim - 1)],
                    constant_values=padding,
                )
                for one in some
            ]
        yield np.stack(some)
