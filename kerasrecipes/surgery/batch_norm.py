"""Setting BatchNormalization's statistics to those of a data set, exactly."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.data.examples import Examples
from kerasrecipes.errors import DataError, NoEffectError, TrainingError, listed
from kerasrecipes.keras_private import nodes_in_order, parts_of, spare_names
from kerasrecipes.surgery.rebuilding import is_functional

if TYPE_CHECKING:
    import keras

# Small: called without compiling, a model keeps all its layers' outputs of a batch.
BATCH = 16
Levels = list[list[tuple["keras.layers.BatchNormalization", "keras.KerasTensor"]]]


@dataclass(frozen=True)
class BatchNormChange:
    """What `reestimate_batch_norm` did.

    Args:
        layers: Number of BatchNormalization layers.
        photos: Number of photos in one pass.
        passes: How often the photos were read.
        largest_shift: Largest move of a channel's mean, in its former standard deviations.
        largest_ratio: Largest factor between a channel's former and new standard deviation.
    """

    layers: int
    photos: int
    passes: int
    largest_shift: float
    largest_ratio: float

    def __str__(self) -> str:
        return (
            f"{self.layers} BatchNormalization layers re-estimated on {self.photos} photos in "
            f"{self.passes} passes: means moved by up to {self.largest_shift:.2g} standard "
            f"deviations, standard deviations by a factor of up to {self.largest_ratio:.2g}."
        )


@named
def reestimate_batch_norm(
    model: "keras.Model",
    photos: Examples | Iterable[Any],
    *,
    batch_size: int = BATCH,
    keep_answers: bool = False,
) -> BatchNormChange:
    """Set all moving means and variances to the population's, for the weights as they are.

    This is exact, not the usual average of batch statistics: the photos are read once for
    each BatchNormalization on the longest path, the model runs as in inference, and a layer
    is measured when all before it are set. So the batch size has no influence, dropout and
    augmentation layers do nothing, and for each layer the input's mean and variance over
    the photos end up as the moving ones. A few hundred photos do; the time is about half
    the number of passes times a prediction of all of them.

    Args:
        model: A functional model, changed in place, whether its layers are frozen or not.
        photos: A `PhotoSet`, or batches that can be iterated over again and again, such as
            a `tf.data.Dataset` or a list, of photos or of `(photos, …)`; or one array.
        batch_size: Photos per step, for a `PhotoSet` or an array.
        keep_answers: Change gamma and beta so that each layer's output stays as it was, in
            one pass; a layer without both of them keeps its statistics. A model fine-tuned
            with frozen statistics has got used to theirs, and would answer quite differently
            with the population's. Do this before something is taken away from its kernels,
            and re-estimate again after it: then each channel has its old mean and variance.

    Returns:
        How much changed; print it.

    Raises:
        ValueError: If the model has no BatchNormalization that could be reached, or `photos`
            can be read only once.
        DataError: If there are no photos, or another number of them in a later pass.
        TrainingError: If a statistic is not finite. In this case, as in any other that ends
            the work early, the former statistics are put back.

    Reference:
        Wu and Johnson, 2021, "Rethinking 'Batch' in BatchNorm", section 3 ("PreciseBN"),
        whose single pass is the approximation that this one avoids.
    """
    levels = _levels(model)
    if keep_answers:
        both = [(norm, x) for level in levels for norm, x in level if norm.scale and norm.center]
        if not both:
            raise NoEffectError(
                f"No BatchNormalization of {model.name!r} has both gamma and beta, so "
                "`keep_answers` leaves all as it is."
            )
        levels = [both]
    norms = [norm for level in levels for norm, _ in level]
    former = [norm.get_weights() for norm in norms]
    read = _reader(model, photos, batch_size)
    counts = []
    with _all_or_nothing(norms, former):
        for level in levels:
            counts.append(_set_level(model, level, read, keep_answers))
            if counts[-1] != counts[0] or not counts[-1]:
                raise DataError(
                    f"Pass {len(counts)} over `photos` gave {counts[-1]} photos, the first one "
                    f"{counts[0]}. Every pass must give the same photos, at least one."
                )
    shift, ratio = _change(norms, former)
    return BatchNormChange(len(norms), counts[0], len(levels), shift, ratio)


def _levels(model: "keras.Model") -> Levels:
    """Sort the layers, with their inputs, by how many others lie before them on a path."""
    import keras

    if not is_functional(model) or len(model.inputs) != 1:
        raise ValueError(
            "`model` must be a functional keras.Model of one photo, not a "
            f"{type(model).__name__} that is none, or has more inputs."
        )
    norm_kind = keras.layers.BatchNormalization
    depth = {id(tensor): 0 for tensor in model.inputs}
    levels: dict[int, list] = {}
    seen: set[str] = set()
    for node in nodes_in_order(model):
        before = max((depth[id(tensor)] for tensor in node.input_tensors), default=0)
        if isinstance(node.operation, norm_kind):
            levels.setdefault(before, []).append((node.operation, node.input_tensors[0]))
            if node.operation.name in seen:
                raise ValueError(
                    f"The layer {node.operation.name!r} is called more than once, so it has no "
                    "statistics of one input. Give each call a layer of its own."
                )
            seen.add(node.operation.name)
            before += 1
        depth.update({id(tensor): before for tensor in node.outputs})
    inside = [
        layer.name
        for layer in model.layers
        if not isinstance(layer, norm_kind)
        and any(isinstance(part, norm_kind) for part in parts_of(layer))
    ]
    if inside:
        raise ValueError(
            f"The BatchNormalization inside {listed(inside)} cannot be reached: the model must be "
            "flat. BackboneSpec.from_model flattens models within models."
        )
    if not levels:
        raise NoEffectError(
            f"The model {model.name!r} has no BatchNormalization, so nothing would change."
        )
    return [levels[level] for level in sorted(levels)]


def _reader(
    model: "keras.Model", photos: Examples | Iterable[Any], batch_size: int
) -> Callable[[], Iterator[Any]]:
    """Return a function that begins a new pass and yields batches of photos."""
    if isinstance(photos, Examples):
        reader = photos.reader(model)
        return lambda: reader.in_order(batch_size)
    if isinstance(photos, np.ndarray):
        photos = [photos[i : i + batch_size] for i in range(0, len(photos), batch_size)]
    if isinstance(photos, Iterator):
        raise ValueError(
            f"`photos` is a {type(photos).__name__}, which can be read only once; the work takes "
            "several passes. Pass a list of batches, a tf.data.Dataset or a PhotoSet."
        )

    def read_batches() -> Iterator[Any]:
        for batch in photos:
            yield batch[0] if isinstance(batch, tuple | list) else batch

    return read_batches


def _set_level(
    model: "keras.Model", level: list, read: Callable[[], Iterator[Any]], keep_answers: bool
) -> int:
    """Measure the inputs of layers that do not depend on each other, and set the layers."""
    import keras

    spare_names(model)
    outputs = []
    for norm, tensor in level:
        axes = [axis for axis in range(len(tensor.shape)) if axis != norm.axis % len(tensor.shape)]
        values = keras.ops.cast(tensor, "float32")
        outputs += [keras.ops.mean(values, axes), keras.ops.var(values, axes)]
    probe = keras.Model(model.inputs[0], outputs)
    total, pooled = 0, [_Moments() for _ in level]
    for photos in read():
        # Called, not compiled: a graph for each level would cost more than it saves.
        found = [np.asarray(values, np.float64) for values in probe(photos, training=False)]
        total += len(photos)
        for moments, mean, variance in zip(pooled, found[::2], found[1::2], strict=True):
            moments.add(len(photos), mean, variance)
    for (norm, _), moments in zip(level, pooled, strict=True):
        if not np.isfinite(moments.mean + moments.variance).all():
            raise TrainingError(
                f"The input of {norm.name!r} is not finite, so it has no statistics. Are there "
                "damaged weights, or NaN in `photos`?"
            )
        if total:
            _set(norm, moments.mean, moments.variance, keep_answers)
    return total


def _set(norm: "keras.Layer", mean: Any, variance: Any, keep_answers: bool) -> None:
    if keep_answers:
        gamma, beta, old_mean, old_variance = norm.get_weights()
        old = np.sqrt(old_variance + norm.epsilon)
        norm.gamma.assign(gamma * np.sqrt(variance + norm.epsilon) / old)
        norm.beta.assign(beta + gamma * (mean - old_mean) / old)
    norm.moving_mean.assign(mean)
    norm.moving_variance.assign(variance)


@dataclass
class _Moments:
    """Mean and variance per channel of all photos so far; batches weigh as many as they hold."""

    count: int = 0
    mean: np.ndarray | float = 0.0
    variance: np.ndarray | float = 0.0

    def add(self, count: int, mean: np.ndarray, variance: np.ndarray) -> None:
        """Join a batch, without the cancellation of a mean of squares (Chan et al., 1979)."""
        whole = self.count + count
        gap, part = mean - self.mean, count / whole
        self.mean = self.mean + gap * part
        self.variance = self.variance * (1 - part) + variance * part + gap**2 * part * (1 - part)
        self.count = whole


@contextmanager
def _all_or_nothing(norms: list, former: list[list[np.ndarray]]) -> Iterator[None]:
    """Put the former weights back if the work ends early."""
    try:
        yield
    except BaseException:
        for norm, weights in zip(norms, former, strict=True):
            norm.set_weights(weights)
        raise


def _change(norms: list, former: list[list[np.ndarray]]) -> tuple[float, float]:
    shift, ratio = 0.0, 1.0
    for norm, (*_, mean, variance) in zip(norms, former, strict=True):
        old = np.sqrt(variance + norm.epsilon)
        new = np.sqrt(norm.moving_variance.numpy() + norm.epsilon)
        shift = max(shift, float((np.abs(norm.moving_mean.numpy() - mean) / old).max()))
        ratio = max(ratio, float(np.maximum(old / new, new / old).max()))
    return shift, ratio
