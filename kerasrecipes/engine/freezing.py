"""Freezing blocks, keeping BatchNorm statistics still, and saying what trains."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kerasrecipes.arguments import named
from kerasrecipes.backbones.spec import Backbone
from kerasrecipes.console import warn
from kerasrecipes.errors import is_number
from kerasrecipes.keras_private import parts_of
from kerasrecipes.report.run_report import FreezeRow
from kerasrecipes.statistics.shown import Part, Shown
from kerasrecipes.statistics.tables import Table

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class FreezeSummary(Shown):
    """What trains in one stage, block by block.

    Args:
        rows: One per block of the backbone, then one for the head.
        trainable_parameters: Number of weights that a training step may change.
        total_parameters: Number of weights in the model.
    """

    rows: tuple[FreezeRow, ...]
    trainable_parameters: int
    total_parameters: int

    def parts(self) -> Iterator[Part]:
        """Yield what trains, block by block, and how much that is."""
        rows = []
        for row in _merged(self.rows):
            note = f", {row.batch_norm}" if row.batch_norm and row.trained else ""
            trains = "yes" + note if row.trained else "no"
            rows.append((f"  {row.block}", str(row.layers), f"{row.parameters:,}", trains))
        yield Table("", ("  block", "layers", "parameters", "trains"), tuple(rows), right=(1, 2))
        share = self.trainable_parameters / max(self.total_parameters, 1)
        yield (
            f"  {self.trainable_parameters:,} of {self.total_parameters:,} "
            f"parameters train ({share:.1%})."
        )


@named
@dataclass(frozen=True)
class FreezePolicy:
    """Which blocks of a backbone train.

    Apply it before `compile`: a model that was compiled, and perhaps fitted, goes on training
    what it did, and says so.

    BatchNormalization layers get `trainable=False` one by one. Calling a backbone with
    `training=False` does not protect their statistics in a functional model (keras#20285).

    Args:
        open_blocks: Number of blocks that train, counted from the top of the backbone.
        train_batch_norm: Also train BatchNormalization of open blocks, statistics included.
        adapters: Identities of the only weights of the backbone that may train, which
            `AdaptedModel.weights` has; `None` for all.
    """

    open_blocks: int
    train_batch_norm: bool = False
    adapters: frozenset[int] | None = None

    @named
    def apply(self, model: "keras.Model", spec: Backbone) -> FreezeSummary:
        """Set `trainable` on every layer of `model`, in place.

        Args:
            model: A functional model grown from `spec.build`; layers that belong to no
                block are the head, which always trains.
            spec: The backbone's specification.

        Returns:
            A table of what trains; print it.

        Raises:
            ValueError: If `open_blocks` is no whole number in range, or if nothing would train.
        """
        if not is_number(self.open_blocks, 0, len(spec.blocks), whole=True):
            raise ValueError(
                f"`open_blocks` must be between 0 and {len(spec.blocks)}, the number of "
                f"blocks of {spec.name!r}, and whole, not {self.open_blocks!r}."
            )
        before = [id(weight) for weight in model.trainable_weights]
        first_open = len(spec.blocks) - self.open_blocks
        parts: dict[int, list] = {}
        for layer in model.layers:
            block = spec.block_of(layer.name)
            part = len(spec.blocks) if block is None else block
            if self.adapters is None or block is None:
                layer.trainable = part >= first_open
                for norm in batch_norms(layer):
                    norm.trainable = layer.trainable and self.train_batch_norm
            else:
                # On the weights: on the layer, it would open those that are adapted.
                for weight in layer.weights:
                    weight.trainable = part >= first_open and id(weight) in self.adapters
            if layer.weights:
                parts.setdefault(part, []).append(layer)
        rows = tuple(
            self._row(part, layers, len(spec.blocks)) for part, layers in sorted(parts.items())
        )
        trainable = sum(math.prod(weight.shape) for weight in model.trainable_weights)
        if not trainable:
            raise ValueError(
                "Nothing would train: every layer with weights is frozen. "
                "Open some blocks (`open_fraction` > 0), or add a head."
            )
        if model.compiled and before != [id(weight) for weight in model.trainable_weights]:
            warn(
                f"{model.name!r} was compiled before other layers were frozen, and Keras trains "
                "what trained then. Call `compile` again before the next `fit`."
            )
        return FreezeSummary(rows, trainable, model.count_params())

    def _row(self, part: int, layers: list, head: int) -> FreezeRow:
        norms = [norm for layer in layers for norm in batch_norms(layer)]
        if head == 0:
            name = "all"
        else:
            name = "head" if part == head else "stem" if part == 0 else f"block {part}"
        return FreezeRow(
            block=name,
            layers=len(layers),
            parameters=sum(layer.count_params() for layer in layers),
            trained=any(weight.trainable for layer in layers for weight in layer.weights),
            batch_norm="" if not norms else _norm_state(self.train_batch_norm),
        )


def held_still(model: "keras.Model") -> "keras.Layer":
    """Wrap a model in a layer that computes as in inference, whatever trains around it.

    Calling the model with `training=False` is not enough: a functional model around it
    overrides that with its own (keras#20285), and Dropout drops.

    Args:
        model: A functional model.
    """
    import keras

    class Still(keras.Layer):
        def __init__(self) -> None:
            super().__init__(name=f"still_{model.name}")
            self.inner = model
            self.end = keras.layers.Dropout(0.0)

        def call(
            self, inputs: "keras.KerasTensor", training: bool | None = None
        ) -> "keras.KerasTensor":
            # Keras 3.16 lets what stands behind a call forget its mode, unless it is told anew.
            return self.end(self.inner(inputs, training=False), training=training)

    return Still()


def batch_norms(layer: "keras.Layer") -> list:
    """Find a layer's BatchNormalization, in itself and in the layers that it is made of.

    Args:
        layer: A Keras layer, perhaps made of others.
    """
    import keras

    # KerasHub's blocks hide theirs two levels down.
    norm = keras.layers.BatchNormalization
    return [part for part in parts_of(layer) if isinstance(part, norm)]


def _norm_state(trained: bool) -> str:
    return "BatchNorm trained" if trained else "BatchNorm statistics frozen"


def _merged(rows: tuple[FreezeRow, ...]) -> list[FreezeRow]:
    """Join neighbouring backbone blocks of the same state, so that the table fits a screen."""
    merged: list[FreezeRow] = []
    first = ""
    for row in rows:
        last = merged[-1] if merged else None
        if last is None or row.block == "head" or last.trained != row.trained:
            first = row.block
            merged.append(row)
            continue
        merged[-1] = FreezeRow(
            block=f"{first.removeprefix('block ')}–{row.block.removeprefix('block ')}",
            layers=last.layers + row.layers,
            parameters=last.parameters + row.parameters,
            trained=row.trained,
            batch_norm=last.batch_norm or row.batch_norm,
        )
    return merged
