"""Finding a learning rate before training, without leaving a trace."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.callbacks.learning_rates.lr_finder import LRFinder, check_fallback
from kerasrecipes.callbacks.learning_rates.suggestion import LearningRateSuggestion
from kerasrecipes.callbacks.learning_rates.weight_groups import group_weights
from kerasrecipes.callbacks.state.model_state import RandomState, fresh_optimizer

if TYPE_CHECKING:
    import tensorflow as tf


# Shuffling remembers how often it was read, and caching what was read.
REMEMBERS = ("SeedGenerator", "MemoryCache")


def copy_dataset(dataset: "tf.data.Dataset") -> "tf.data.Dataset":
    """Copy a data set, so that reading the copy leaves the order of the original alone.

    A shuffled `tf.data.Dataset` counts its passes: reading it once, even in part, changes
    every later epoch. The copy has counters of its own.

    Args:
        dataset: The data set to copy.

    Returns:
        A data set with the same elements.

    Raises:
        ValueError: If it cannot be copied, for example since it holds more than 2 GB of arrays.
    """
    import tensorflow as tf

    variant = tf.data.experimental.to_variant(dataset)
    try:
        # A policy of 1 lets Python generators and tables pass; the copy shares them.
        serialized = tf.raw_ops.DatasetToGraphV2(input_dataset=variant, external_state_policy=1)
        graph = tf.compat.v1.GraphDef.FromString(serialized.numpy())
        for node in graph.node:
            for handle in node.attr["value"].tensor.resource_handle_val:
                if any(kind in handle.maybe_type_name for kind in REMEMBERS):
                    # A name that leads nowhere makes the copy begin a state of its own.
                    handle.name = f"copy_of_{handle.name}"
        copy = tf.raw_ops.DatasetFromGraph(graph_def=graph.SerializeToString())
    except (tf.errors.OpError, ValueError) as error:
        raise ValueError(
            f"The data set cannot be read without changing its order: {error}. "
            "Pass arrays as a tuple (x, y), or a data set that reads from files."
        ) from error
    return tf.data.experimental.from_variant(copy, dataset.element_spec)


@named
def find_learning_rate(
    model: keras.Model,
    dataset: Iterable[Any],
    *,
    fallback: float = 1e-3,
    lowest: float = 1e-7,
    highest: float = 10.0,
    steps: int = 100,
    sweeps: int = 3,
    batch_size: int = 32,
    seed: int = 0,
) -> LearningRateSuggestion:
    """Run the learning-rate range test and suggest a rate.

    Three sweeps are run on a twin of the model that shares its layers. A training that
    follows is bit for bit the one that would have been without the test: weights, optimizer,
    statistics, random states, and the order of a shuffled data set are as before, also when
    a sweep fails or is interrupted.

    Args:
        model: A built and compiled model; the sweeps use its loss, and a fresh copy of its
            optimizer.
        dataset: A tuple `(x, y)` or `(x, y, sample_weight)` of arrays, or a batched
            `tf.data.Dataset` that can be read again.
        fallback: The rate to suggest if the sweeps do not tell: 1e-3 suits a new head, 1e-5
            a pretrained backbone.
        lowest: First rate of a sweep.
        highest: Last rate of a sweep.
        steps: Steps of a sweep.
        sweeps: Number of sweeps.
        batch_size: Rows per step where `dataset` is arrays.
        seed: Seed of the order in which arrays are read.

    Returns:
        The geometric median of what the sweeps suggest, at most a tenth of the rate at which
        the loss explodes; or `fallback`, with the reason.

    Raises:
        ValueError: If the model is not built and compiled, has a `train_step` or
            `compute_loss` of its own, `dataset` can be read only once, or a number is out of
            range.
    """
    finder = LRFinder(lowest, highest, steps, sweeps, fallback)
    _check_model(model)
    total = steps * sweeps
    before = RandomState()
    try:
        batches = _batches(dataset, total, batch_size, seed)
        twin = _twin(model, lowest)
        twin.fit(batches, steps_per_epoch=total, shuffle=False, callbacks=[finder], verbose=0)
    finally:
        finder.restore()
        before.restore()
    return finder.suggestion


@named
def find_group_learning_rates(
    model: keras.Model,
    dataset: Iterable[Any],
    groups: Mapping[str, object],
    *,
    fallback: float | Mapping[str, float] = 1e-3,
    **settings: Any,
) -> dict[str, LearningRateSuggestion]:
    """Find a learning rate for each group of weights.

    The groups are swept one after the other. While the rate of one rises, that of all others
    is zero: their weights stand still, so that each curve belongs to one group.

    Args:
        model: See `find_learning_rate`.
        dataset: See `find_learning_rate`.
        groups: See `group_weights`, e.g. `{"head": "^logits/", "rest": "^(?!logits/)"}`.
        fallback: One rate for all groups, or one for each by name.
        **settings: Further arguments of `find_learning_rate`.

    Returns:
        Group → suggestion.

    Raises:
        ValueError: As `find_learning_rate` and `group_weights`, or if `fallback` names
            other groups.
    """
    _check_model(model)
    weights = group_weights(model, groups)
    fallbacks = fallback if isinstance(fallback, Mapping) else dict.fromkeys(weights, fallback)
    if set(fallbacks) != set(weights):
        raise ValueError(
            f"`fallback` must name the groups {sorted(weights)}, not {sorted(fallbacks)}."
        )
    for rate in fallbacks.values():
        check_fallback(rate)
    suggestions = {}
    for name, members in weights.items():
        with _only_trainable(model, members):
            suggestions[name] = find_learning_rate(
                model, dataset, fallback=fallbacks[name], **settings
            )
    return suggestions


@contextmanager
def _only_trainable(model: keras.Model, members: list) -> Iterator[None]:
    kept = {id(member) for member in members}
    others = [weight for weight in model.trainable_variables if id(weight) not in kept]
    for weight in others:
        weight.trainable = False
    try:
        yield
    finally:
        for weight in others:
            weight.trainable = True


def _check_model(model: keras.Model) -> None:
    if not model.built or not model.trainable_variables:
        raise ValueError(
            "The model has no trainable weights yet. Build it first: begin it with "
            "`keras.Input`, or call it on a batch."
        )
    for name in ("train_step", "compute_loss"):
        if getattr(type(model), name) is not getattr(keras.Model, name):
            raise ValueError(
                f"{type(model).__name__} has a `{name}` of its own, which the sweep would not "
                "run. Put an LRFinder among the callbacks of its `fit` instead."
            )


def _twin(model: keras.Model, learning_rate: float) -> keras.Model:
    """Build a model of the same layers, so that nothing that `compile` made is touched.

    Keras peeks at the data of a first `fit`, which moves a shuffled data set on. A twin leaves
    the model in the state in which it would do so.
    """
    optimizer = fresh_optimizer(model, learning_rate)
    functional = getattr(model, "inputs", None) and getattr(model, "outputs", None)
    several = functional and len(model.outputs) > 1
    if functional and not isinstance(model, keras.Sequential):
        twin = keras.Model(model.input, model.output)
    else:
        twin = _Twin(model)
    twin.compile(
        optimizer,
        model.loss,
        loss_weights=model.get_compile_config()["loss_weights"] if several else None,
        run_eagerly=model.run_eagerly,
        jit_compile=model.jit_compile,
    )
    return twin


class _Twin(keras.Model):
    def __init__(self, model: keras.Model):
        super().__init__(name="twin")
        self.model = model

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        return self.model(inputs)


def _batches(dataset: Iterable[Any], count: int, batch_size: int, seed: int) -> Any:
    if isinstance(dataset, tuple) and 2 <= len(dataset) <= 3:
        return _Rows(dataset, count, batch_size, seed)
    if not (hasattr(dataset, "element_spec") and hasattr(dataset, "repeat")):
        raise ValueError(
            "`dataset` must be a tuple of arrays (x, y) or a tf.data.Dataset, which can be read "
            f"again, not {type(dataset).__name__}: what a sweep reads would be lost to training."
        )
    copy = copy_dataset(dataset)
    if next(iter(copy), None) is None:
        raise ValueError("`dataset` is empty. Pass one with at least one batch.")
    return copy.repeat()


class _Rows(keras.utils.PyDataset):
    """Full batches of arrays in an order of its own; no global random state takes part."""

    def __init__(self, arrays: tuple, count: int, batch_size: int, seed: int):
        super().__init__()
        self.arrays = keras.tree.map_structure(np.asarray, arrays)
        lengths = {len(array) for array in keras.tree.flatten(self.arrays)}
        if len(lengths) != 1 or 0 in lengths:
            raise ValueError(f"The arrays of `dataset` must be of one length, not {lengths}.")
        rng = np.random.default_rng(seed)
        (length,) = lengths
        passes = -(-count * batch_size // length)
        rows = np.concatenate([rng.permutation(length) for _ in range(passes)])
        self.rows = rows[: count * batch_size].reshape(count, batch_size)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, step: int) -> Any:
        return keras.tree.map_structure(lambda array: array[self.rows[step]], self.arrays)
