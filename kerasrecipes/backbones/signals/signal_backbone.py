"""What there is to know about one backbone for signals, and how to build it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasrecipes.backbones.spec import Backbone
from kerasrecipes.errors import DataError, NoEffectError
from kerasrecipes.signals.signal_set import SignalSet
from kerasrecipes.signals.similar import moments
from kerasrecipes.surgery.graph import anchored, model_name
from kerasrecipes.surgery.rebuilding import single_precision
from kerasrecipes.surgery.streaming.step_model import STEPS

if TYPE_CHECKING:
    import keras

    from kerasrecipes.data.examples import Examples

# What all layers with weights are called in front: nothing is pretrained, so all are one block.
BODY = "body"


@dataclass(frozen=True, kw_only=True)
class SignalBackbone(Backbone):
    """One entry of the catalogue of backbones for signals.

    Every backbone takes signals, float32, with NaN where a value is missing and behind the last
    step, scales each channel inside by what the training signals had, and gives one row of features
    for each signal, in which padding has no part. None has pretrained weights.

    Args:
        build_graph: Maps values, float32 `(batch, steps, channels)` with 0 for what is missing, and
            what says which steps there are, float32 `(batch, steps, 1)`, to features.
        causal: Whether an answer depends on earlier steps alone, so that it can be had step by
            step.
        recurrent: Whether it computes step after step, in a loop.
        channels: Channels of a signal.
        mean: Mean of each channel in training; empty for 0.
        variance: Variance of each channel in training; empty for 1.
        gaps: Whether training signals lack values, so that the model is told which there are.
    """

    build_graph: Callable[["keras.KerasTensor", "keras.KerasTensor"], "keras.KerasTensor"] = field(  # type: ignore[assignment]
        repr=False
    )
    causal: bool = False
    recurrent: bool = False
    channels: int = 1
    mean: tuple[float, ...] = ()
    variance: tuple[float, ...] = ()
    gaps: bool = False

    @property
    def modality(self) -> str:
        """The kind of data that it reads."""
        return "signals"

    def suited(self, examples: "Examples") -> "SignalBackbone":
        """Return the backbone as it reads signals like these: their channels, scale and gaps.

        Args:
            examples: The training signals.

        Raises:
            DataError: If they are no signals, or a channel has no value in any of them.
        """
        import numpy as np

        if not isinstance(examples, SignalSet):
            raise DataError(f"{self.name!r} reads signals, and these are {examples.noun[1]}.")
        mean, variance = moments(examples.signals)
        if not np.isfinite(mean).all():
            names = [n for n, m in zip(examples.layout.channels, mean, strict=True) if m != m]
            raise DataError(
                f"No training signal has a value of the channel {names[0]!r}. Leave it out by "
                "`channels`."
            )
        gaps = any(_has_gap(one.values) for one in examples.signals)
        return replace(
            self,
            channels=len(mean),
            mean=tuple(mean.tolist()),
            variance=tuple(np.where(variance > 0, variance, 1.0).tolist()),
            gaps=gaps,
        )

    def build(self, size: Any = None, weights: str | Path | None = None) -> "keras.Model":
        """Build the backbone as a flat functional model.

        Args:
            size: Nothing: the model reads signals of any length.
            weights: The path of a local weights file (`.weights.h5`, `.keras`, `.npz`), or `None`
                for random values.

        Returns:
            A model from `signal`, float32 `(steps, channels)`, to features `(feature_size,)`.

        Raises:
            ValueError: If an argument is not usable for this backbone.
            DataError: If a weights file is missing, damaged or of another model.

        Example:
            >>> get_backbone("gru", "signals").build().output_shape
            (None, 128)
        """
        load = self._loader(weights)
        import keras

        with single_precision():
            signal = keras.Input((None, self.channels), name="signal", dtype="float32")
            values, steps = self._prepared(signal)
            features = self.build_graph(values, steps)
            model = keras.Model(signal, features, name=model_name(self.name))
        if load is not None:
            load(model)
        return model

    def check(self, size: Any = None, weights: str | Path | None = None) -> None:
        """Raise what `build` would raise for its arguments, without building anything.

        Raises:
            ValueError: If an argument is not usable for this backbone.
        """
        if size is not None:
            raise NoEffectError(f"`size={size!r}` would have no effect: signals have any length.")
        self._loader(weights)

    def _prepared(
        self, signal: "keras.KerasTensor"
    ) -> "tuple[keras.KerasTensor, keras.KerasTensor]":
        """Scale the values, put 0 in place of those that are missing, and find the real steps."""
        from keras import layers, ops

        # Only NaN is not itself at least 0 when squared.
        known = ops.greater_equal(ops.square(signal), 0.0)
        mean = self.mean or (0.0,) * self.channels
        variance = self.variance or (1.0,) * self.channels
        scaled = layers.Normalization(mean=mean, variance=variance, name="scale")(signal)
        values = ops.where(known, scaled, ops.zeros_like(scaled))
        some = ops.cast(ops.any(known, axis=-1, keepdims=True), "float32")
        # A step is real if it or one behind it has a value: gaps are no end.
        left = ops.flip(ops.cumsum(ops.flip(some, axis=1), axis=1), axis=1)
        steps = layers.Identity(name=STEPS)(ops.minimum(left, 1.0))
        if self.gaps:
            values = ops.concatenate([values, ops.cast(known, "float32")], axis=-1)
        return values, steps


def _has_gap(values: Any) -> bool:
    """Tell whether a value is missing before the last one of a signal."""
    import numpy as np

    missing = np.isnan(values)
    rows = np.flatnonzero(~missing.all(axis=1))
    return bool(len(rows)) and bool(missing[: rows[-1] + 1].any())


def blocks() -> tuple[str, ...]:
    """Return the one block that every backbone for signals is."""
    return (anchored(f"{BODY}_.+"),)
