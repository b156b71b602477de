"""What trains in a model with adapters, as a table."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kerasrecipes.statistics.shown import Part, Shown
from kerasrecipes.statistics.tables import Table

if TYPE_CHECKING:
    import keras

    from kerasrecipes.backbones.spec import Backbone


@dataclass(frozen=True)
class AdapterRow:
    """One block of an adapted model.

    Args:
        block: `"stem"`, `"block 3"`, `"adapters"` or `"head"`.
        adapted: Number of its layers that were adapted.
        trainable_parameters: Number of its weights that training may change.
        parameters: Number of its weights, adapters included.
    """

    block: str
    adapted: int
    trainable_parameters: int
    parameters: int


@dataclass(frozen=True)
class AdapterSummary(Shown):
    """What trains in a model with adapters, block by block.

    Args:
        rows: One per block of the backbone, then the layers added between blocks, and the head.
        left_alone: How many layers an adapter matched and could not adapt, by reason.
    """

    rows: tuple[AdapterRow, ...]
    left_alone: dict[str, int] = field(default_factory=dict)

    @property
    def trainable_parameters(self) -> int:
        """Number of weights that training may change."""
        return sum(row.trainable_parameters for row in self.rows)

    @property
    def total_parameters(self) -> int:
        """Number of weights in the model, adapters included."""
        return sum(row.parameters for row in self.rows)

    def parts(self) -> Iterator[Part]:
        """Yield what trains, block by block, and how much that is."""
        heads = ("  block", "adapted", "trainable", "parameters")
        rows = (
            (
                f"  {row.block}",
                str(row.adapted),
                f"{row.trainable_parameters:,}",
                f"{row.parameters:,}",
            )
            for row in self.rows
        )
        yield Table("", heads, tuple(rows), right=(1, 2, 3))
        for reason, count in self.left_alone.items():
            yield f"  {count} matching layers left alone: {reason}."
        share = self.trainable_parameters / max(self.total_parameters, 1)
        yield (
            f"  {self.trainable_parameters:,} of {self.total_parameters:,} "
            f"parameters train ({share:.1%})."
        )


def summarise(
    model: "keras.Model",
    spec: "Backbone",
    *,
    adapted: list[str],
    added: set[str],
    left_alone: dict[str, int],
) -> AdapterSummary:
    """Count what trains in an adapted model.

    Args:
        model: The adapted model.
        spec: Its backbone's specification.
        adapted: Names of what was adapted; before a slash stands a layer of the model.
        added: Names of the layers that the adapter brought.
        left_alone: See `AdapterSummary`.
    """
    owners = [name.partition("/")[0] for name in adapted]
    parts: dict[str, list] = {}
    for layer in model.layers:
        if layer.weights:
            block = spec.block_of(layer.name)
            other = "adapters" if layer.name in added else "head"
            parts.setdefault(other if block is None else _block(block), []).append(layer)
    order = [_block(index) for index in range(len(spec.blocks))]
    rows = [
        AdapterRow(
            block=part,
            adapted=sum(owners.count(layer.name) for layer in parts[part]),
            trainable_parameters=_count(parts[part], trainable=True),
            parameters=_count(parts[part]),
        )
        for part in [*order, "adapters", "head"]
        if part in parts
    ]
    return AdapterSummary(tuple(rows), left_alone)


def _block(index: int) -> str:
    return "stem" if index == 0 else f"block {index}"


def _count(layers: list, trainable: bool = False) -> int:
    weights = [weight for layer in layers for weight in layer.weights]
    return sum(math.prod(w.shape) for w in weights if w.trainable or not trainable)
