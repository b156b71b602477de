"""Training what TFMOT makes of a model, on photos, from start to end of a scheme."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.console import say
from kerasrecipes.errors import DataError, TrainingError, is_number, unknown_name
from kerasrecipes.optimization.tfmot.bridge import import_tfmot
from kerasrecipes.optimization.tfmot.stages import (
    SCHEMES,
    QuantizedTwin,
    cluster_by_tfmot,
    learn_ranges,
    prune_by_tfmot,
    quantization_aware_twin,
)
from kerasrecipes.release.calibration import calibration_inputs

if TYPE_CHECKING:
    import keras
    import tf_keras

    from kerasrecipes.data.examples import Examples

# Of the steps of a pruning; in the rest the model gets used to its zeros.
PRUNED_AFTER = 0.75


@dataclass(frozen=True)
class TwinTrainer:
    """Trains models of tf_keras on photos, with BatchNormalization held still.

    Args:
        train: Photos to learn from.
        val: Photos to choose the weights by.
        epochs: Passes over the training photos.
        learning_rate: At the start; it falls along a cosine.
        batch_size: Photos per step.
        augment: A preset of `AUGMENTATIONS`, or an `Augmentation`, for the training photos.
        seed: Seed of order, augmentation and dropout.
        targets: What to learn for each training photo, shape `(n, classes)`, e.g. its label
            mixed with what a teacher says; `None` for its label.

    Raises:
        ValueError: If a number is not usable.
        DataError: If there are no photos, or `targets` does not fit them.
    """

    train: "Examples"
    val: "Examples"
    epochs: int = 3
    learning_rate: float = 1e-4
    batch_size: int = 32
    augment: Any = "light"
    seed: int = 0
    targets: np.ndarray | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"`{name}` must be a whole number of at least 1, not {value!r}.")
        if not 0 < self.learning_rate < 1:
            raise ValueError(
                f"`learning_rate` must lie between 0 and 1, not {self.learning_rate!r}."
            )
        if not len(self.train) or not len(self.val):
            raise DataError("`train` and `val` must have photos: one to learn, one to choose by.")
        shape = (len(self.train), len(self.train.class_names))
        if self.targets is not None and np.shape(self.targets) != shape:
            raise DataError(
                f"`targets` must have one row per training photo and one column per class, "
                f"{shape}, not {np.shape(self.targets)}."
            )

    @property
    def steps(self) -> int:
        """Steps of the whole training."""
        return self.epochs * math.ceil(len(self.train) / self.batch_size)

    def fit(
        self, model: "tf_keras.Model", callbacks: Sequence[Any] = (), *, keep_best: bool = False
    ) -> dict[str, list[float]]:
        """Train a model, in place.

        Args:
            model: Maps photos, 0…255, to probabilities.
            callbacks: Further callbacks of tf_keras.
            keep_best: Put the weights of the epoch with the smallest validation loss back;
                what takes something away step by step needs the last ones.

        Returns:
            Losses and accuracies by epoch.

        Raises:
            DataError: If a photo cannot be read, or changed since it was scanned.
            TrainingError: If no validation loss is finite.
        """
        _, tf_keras = import_tfmot()
        tf_keras.utils.set_random_seed(self.seed)
        _hold_batch_norm(model, tf_keras)
        rate = tf_keras.optimizers.schedules.CosineDecay(self.learning_rate, self.steps)
        model.compile(tf_keras.optimizers.Adam(rate), "categorical_crossentropy", ["accuracy"])
        best = _best_weights(tf_keras) if keep_best else None
        readers, (train, val) = self._data(model)
        with readers[0].errors(), readers[1].errors(), _without_warnings():
            history = model.fit(
                train,
                epochs=self.epochs,
                steps_per_epoch=self.steps // self.epochs,
                validation_data=val,
                callbacks=[*callbacks, *([best] if best else [])],
                verbose=0,
            ).history
        if not np.isfinite(history["val_loss"]).any():
            raise TrainingError(
                f"No validation loss is finite: {history['val_loss']}. Lower `learning_rate`, "
                f"which is {self.learning_rate}."
            )
        if best:
            model.set_weights(best.weights)
        return history

    def _data(self, model: "keras.Model") -> Any:
        from kerasrecipes.data.batches import index_batches, one_hot, with_targets

        readers = self.train.reader(model, self.augment, self.seed), self.val.reader(model)
        orders = (
            # One epoch more than is used: Keras asks for it to see that there is none.
            index_batches(
                len(self.train), self.batch_size, self.seed, range(self.epochs + 1), None
            ),
            index_batches(len(self.val), self.batch_size, None, range(1), 1),
        )
        targets = one_hot(self.train) if self.targets is None else self.targets.astype(np.float32)
        sides = zip(readers, orders, (targets, one_hot(self.val)), strict=True)
        return readers, [
            with_targets(reader.batches(order), wanted, np.ones(len(wanted))).prefetch(2)
            for reader, order, wanted in sides
        ]


def train_for_int8(
    model: "keras.Model",
    trainer: TwinTrainer,
    scheme: str = "qat",
    *,
    sparsity: float | None = None,
    clusters: int | None = None,
) -> QuantizedTwin:
    """Run one of TFMOT's schemes: prune, cluster, then train for 8 bits while that is held.

    Between the stages the weights come back into a Keras 3 model: TFMOT cannot quantize what its
    other parts have wrapped.

    Args:
        model: A functional classifier of photos, 0…255, ending in probabilities; it stays as
            it is.
        trainer: Trains each stage.
        scheme: `"qat"`; `"pqat"` to prune before, `"cqat"` to cluster before, `"pcqat"` for both.
        sparsity: Fraction of zeros, with a scheme that prunes; `None` for 0.5.
        clusters: Values per kernel, with a scheme that clusters; `None` for 16.

    Returns:
        The trained model; `convert()` makes its file.

    Raises:
        ValueError: If an argument is not usable or has no effect, or a layer cannot be
            quantized.
        DataError: If a photo cannot be read, or changed since it was scanned.
        TrainingError: If no validation loss is finite.
    """
    from kerasrecipes.surgery.rebuilding import copied, flattened

    scheme, sparsity, clusters = checked_scheme(scheme, sparsity, clusters)
    source = flattened(model)
    quantization_aware_twin(source)  # says what cannot be quantized, before anything is trained
    copy = copied(source)
    if sparsity:
        say(f"TFMOT prunes to {sparsity:.0%} zeros in {trainer.steps} steps.")
        prune_by_tfmot(copy, trainer.fit, _schedule(sparsity, trainer.steps))
    if clusters:
        say(f"TFMOT clusters each kernel to {clusters} values in {trainer.steps} steps.")
        cluster_by_tfmot(copy, trainer.fit, clusters, keep_zeros=bool(sparsity))
    twin = quantization_aware_twin(copy, scheme)
    _, tf_keras = import_tfmot()
    _hold_batch_norm(twin.model, tf_keras)
    shape = tuple(model.input.shape[1:])
    photos = calibration_inputs(trainer.train, shape, trainer.seed, model=model)
    learn_ranges(twin.model, photos)
    say(f"TFMOT trains for int8 ({scheme}) in {trainer.steps} steps.")
    history = trainer.fit(twin.model, keep_best=True)
    say(f"Validation loss by epoch: {', '.join(f'{loss:.4f}' for loss in history['val_loss'])}.")
    return twin


def checked_scheme(
    scheme: str | None, sparsity: float | None, clusters: int | None
) -> tuple[str, float | None, int | None]:
    """Judge what is asked of TFMOT, and fill in what is left open.

    Args:
        scheme: As in `train_for_int8`; `None` for `"qat"`.
        sparsity: As there.
        clusters: As there.

    Returns:
        The three; a number that the scheme has no use for is `None`.

    Raises:
        ValueError: If one is not usable or has no effect.

    Example:
        >>> checked_scheme("pqat", None, None)
        ('pqat', 0.5, None)
    """
    scheme = scheme or "qat"
    if scheme not in SCHEMES:
        raise unknown_name("scheme", scheme, SCHEMES, "help(kerasrecipes.quantize)")
    prunes, shares = scheme in {"pqat", "pcqat"}, scheme in {"cqat", "pcqat"}
    for name, value, used, other in (
        ("sparsity", sparsity, prunes, "pqat"),
        ("clusters", clusters, shares, "cqat"),
    ):
        if value is not None and not used:
            raise ValueError(
                f"`{name}` would have no effect with scheme={scheme!r}. Pass scheme={other!r} or "
                "'pcqat', or leave it out."
            )
    sparsity, clusters = 0.5 if sparsity is None else sparsity, 16 if clusters is None else clusters
    if not is_number(sparsity, 0, 1, above=True, below=True):
        raise ValueError(f"`sparsity` must lie between 0 and 1, not {sparsity!r}.")
    if not isinstance(clusters, int) or not 2 <= clusters <= 256:
        raise ValueError(f"`clusters` must be a whole number from 2 to 256, not {clusters!r}.")
    return scheme, sparsity if prunes else None, clusters if shares else None


def _schedule(sparsity: float, steps: int) -> Any:
    tfmot, _ = import_tfmot()
    end = max(1, round(PRUNED_AFTER * steps))
    every = max(1, end // 10)
    # Its last choice is made at a multiple of the frequency.
    return tfmot.sparsity.keras.PolynomialDecay(0.0, sparsity, 0, end - end % every, 3, every)


def _hold_batch_norm(model: Any, tf_keras: Any) -> None:
    """Let BatchNormalization use and keep its statistics: a few batches would spoil them."""
    for layer in model.layers:
        if isinstance(layer, tf_keras.Model):
            _hold_batch_norm(layer, tf_keras)
        inner = getattr(layer, "layer", layer)
        if isinstance(inner, tf_keras.layers.BatchNormalization):
            inner.trainable = False


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Keep back that kernels have no gradients: in TFMOT's clustering their centroids have."""
    import tensorflow as tf

    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        yield
    finally:
        logger.setLevel(level)


def _best_weights(tf_keras: Any) -> Any:
    class BestWeights(tf_keras.callbacks.Callback):
        """Remembers the weights of the epoch with the smallest validation loss."""

        def __init__(self) -> None:
            super().__init__()
            self.loss = math.inf
            self.weights: Any = None

        def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            loss = (logs or {})["val_loss"]
            if loss < self.loss or self.weights is None:
                self.loss, self.weights = loss, self.model.get_weights()

    return BestWeights()
