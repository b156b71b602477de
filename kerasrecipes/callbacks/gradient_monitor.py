"""Watching how gradients flow: norms, sizes of updates, activations, units that are dead."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.callbacks.base import Resumable, require_single_steps
from kerasrecipes.callbacks.learning_rates.weight_groups import group_weights
from kerasrecipes.errors import require
from kerasrecipes.keras_private import parts_of

# Values of a layer's answers in a histogram.
_SOME = 10_000


@named
class GradientMonitor(Resumable, keras.callbacks.Callback):
    """Measure gradients, updates, activations and dead units at the end of every epoch.

    The gradients are those of the loss of one fixed probe batch, in inference mode, so that
    neither BatchNormalization statistics nor random states move and epochs can be compared;
    they are not the gradients of the training steps. An update is what the epoch's first
    step changed: its norm over the weights' norm, usually about 0.001. A unit is dead if it
    answers zero to the whole probe batch.

    Args:
        probe: A batch `(x, y)` or `(x, y, sample_weight)` of arrays, large enough to wake
            every healthy unit; 64 rows or more. Photos need `cache_gb=0` in a recipe's fit,
            whose stages else begin behind its frozen blocks.
        groups: Name of a group → regular expression on the weights' paths, such as blocks;
            `None` for one group per layer. See `group_weights`.
        log_dir: Folder for TensorBoard histograms of weights, gradients and activations; `None`
            for none.

    Raises:
        ValueError: If `probe` is no batch, or, while training, if `groups` do not fit
            or the model takes several steps at once.
        RuntimeError: If Keras does not run on TensorFlow.
        MissingDependencyError: If `log_dir` is given without tensorboard.

    Reference:
        Dead units: Lu et al., 2019, "Dying ReLU and Initialization", arXiv 1903.06733.
    """

    STATE = ("epochs",)

    def __init__(
        self,
        probe: tuple,
        groups: Mapping[str, Any] | None = None,
        log_dir: str | Path | None = None,
    ):
        super().__init__()
        if keras.backend.backend() != "tensorflow":
            raise RuntimeError(
                f"GradientMonitor needs the TensorFlow backend, not {keras.backend.backend()!r}. "
                "Set KERAS_BACKEND=tensorflow."
            )
        if not isinstance(probe, tuple) or len(probe) not in {2, 3}:
            raise ValueError("`probe` must be a tuple (x, y) or (x, y, sample_weight) of arrays.")
        if log_dir is not None:
            require("tensorboard", "tensorboard", "GradientMonitor(log_dir=…)")
        self.probe = probe
        self.groups = groups
        self.log_dir = log_dir
        self.epochs: list[dict] = []

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        import tensorflow as tf

        require_single_steps(self)
        self.epochs = []
        self._groups = group_weights(self.model, self.groups)
        self._before: dict[str, np.ndarray] | None = None
        self._updates: dict[str, float] = {}
        self._writer: Any = self.log_dir and tf.summary.create_file_writer(str(self.log_dir))

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if batch == 0:
            self._before = {name: _flat(weights) for name, weights in self._groups.items()}

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self._before is None:
            return
        for name, weights in self._groups.items():
            change = float(np.linalg.norm(_flat(weights) - self._before[name]))
            self._updates[name] = _ratio(change, float(np.linalg.norm(self._before[name])))
        self._before = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        gradients, answers = self._gradients(), self._answers()
        norms = {name: float(np.linalg.norm(flat)) for name, flat in gradients.items()}
        self.epochs.append(
            {
                "gradient_norms": norms,
                "update_ratios": dict(self._updates),
                "dead_units": _dead(answers, rectifiers(self.model)),
                "activations": answers and {n: _moments(of) for n, of in answers.items()},
            }
        )
        if self._writer:
            self._write(epoch, gradients, answers or {})

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._writer:
            self._writer.close()

    def summary(self) -> dict:
        """Return one entry per epoch: norms and ratios by group, units and activations by layer.

        `dead_units` is `[dead, all]` for each layer that rectifies, frozen or not, and
        `activations` the mean and the spread, a standard deviation, of what these and layers with
        weights answer; `None` means that they are not known, as the model is not a functional one.
        """
        return {"epochs": self.epochs}

    def _gradients(self) -> dict[str, np.ndarray]:
        import tensorflow as tf

        x, y, sample_weight = (*self.probe, None)[:3]
        with tf.GradientTape() as tape:
            scores = self.model(x, training=False)
            loss = self._loss(x, y, scores, sample_weight)
        weights = [weight.value for group in self._groups.values() for weight in group]
        zero = tf.UnconnectedGradients.ZERO
        found = iter(tape.gradient(loss, weights, unconnected_gradients=zero))
        return {name: _flat([next(found) for _ in of]) for name, of in self._groups.items()}

    def _loss(self, *given: Any) -> Any:
        try:
            return self.model.compute_loss(*given, training=False)
        except ValueError as error:
            raise ValueError(
                f"GradientMonitor could not compute the loss of `probe`: {error} Compile the model "
                "with a `loss`, or give it a `compute_loss`, and pass a `probe` that fits it."
            ) from error

    def _answers(self) -> "dict[str, list[_Answer]] | None":
        if not getattr(self.model, "outputs", None):
            return None
        with _answers_of(_watched(self.model)) as answers:
            self.model(self.probe[0], training=False)
        return answers

    def _write(
        self, epoch: int, gradients: dict[str, np.ndarray], answers: "dict[str, list[_Answer]]"
    ) -> None:
        import tensorflow as tf

        with self._writer.as_default(step=epoch):
            for name, values in gradients.items():
                tf.summary.histogram(f"{name}/gradients", values)
                tf.summary.histogram(f"{name}/weights", _flat(self._groups[name]))
            for name, several in answers.items():
                some = np.concatenate([answer.some for answer in several])
                tf.summary.histogram(f"{name}/activations", some)
            for name, ratio in self._updates.items():
                tf.summary.scalar(f"{name}/update_ratio", ratio)
        self._writer.flush()


def rectifiers(model: keras.Model) -> dict[str, keras.Layer]:
    """Find the layers that end in a ReLU, by name; only these are exactly zero when idle.

    Args:
        model: A built model; layers inside others are found, too. One whose name is taken is
            called by its path.
    """
    return {name: layer for name, layer in _watched(model).items() if _rectifies(layer)}


def _rectifies(layer: keras.Layer) -> bool:
    activations = (keras.activations.relu, keras.activations.relu6)
    alone = isinstance(layer, keras.layers.ReLU) and not layer.negative_slope
    return alone or getattr(layer, "activation", None) in activations


def _watched(model: keras.Model) -> dict[str, keras.Layer]:
    """Find the layers that rectify or have weights, by name, as `rectifiers` does."""
    found: dict[str, keras.Layer] = {}
    for layer in parts_of(model):
        weighs = layer.weights and not isinstance(layer, keras.Model)
        if weighs or _rectifies(layer):
            found[layer.name if layer.name not in found else layer.path] = layer
    return found


@dataclass(frozen=True)
class _Answer:
    """What is kept of what a layer answers to the probe: the whole of it would fill the memory."""

    alive: np.ndarray
    mean: float
    spread: float
    some: np.ndarray

    @classmethod
    def of(cls, answer: np.ndarray) -> "_Answer":
        alive = np.asarray(np.any(answer > 0, axis=tuple(range(answer.ndim - 1))))
        flat = answer.ravel()
        mean, spread = (float(found) for found in (flat.mean(dtype=float), flat.std(dtype=float)))
        return cls(alive, mean, spread, flat[:: max(1, flat.size // _SOME)].astype(np.float32))


def _dead(
    answers: dict[str, list[_Answer]] | None, rectify: Mapping[str, keras.Layer]
) -> dict[str, list[int]] | None:
    if answers is None:
        return None
    dead = {}
    for name in (name for name in rectify if name in answers):
        # A layer may be called more than once.
        alive = np.any([answer.alive for answer in answers[name]], axis=0)
        dead[name] = [int((~alive).sum()), len(alive)]
    return dead


def _moments(several: list[_Answer]) -> dict[str, float]:
    return {
        name: float(np.mean([getattr(answer, name) for answer in several]))
        for name in ("mean", "spread")
    }


@contextmanager
def _answers_of(layers: dict[str, keras.Layer]) -> Iterator[dict[str, list[_Answer]]]:
    """Note what each of some layers answers in the block, also deep inside of others."""
    answers: dict[str, list[_Answer]] = {}

    def noting(name: str, call: Callable) -> Callable:
        @wraps(call)
        def noted(*args: Any, **kwargs: Any) -> Any:
            answer = call(*args, **kwargs)
            first = keras.tree.flatten(answer)[0]  # behind it are states
            seen = _Answer.of(np.asarray(keras.ops.convert_to_numpy(first)))
            answers.setdefault(name, []).append(seen)
            return answer

        return noted

    try:
        for name, layer in layers.items():
            layer.call = noting(name, layer.call)
        yield answers
    finally:
        for layer in layers.values():
            vars(layer).pop("call", None)


def _flat(arrays: list) -> np.ndarray:
    return np.concatenate([keras.ops.convert_to_numpy(array).ravel() for array in arrays])


def _ratio(change: float, size: float) -> float:
    return float(change / size) if size else 0.0
