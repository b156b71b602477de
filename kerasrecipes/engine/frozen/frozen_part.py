"""Where a model can be cut for each stage, and the cached outputs at those cuts."""

import errno
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.backbones.spec import Backbone
from kerasrecipes.console import say
from kerasrecipes.data.examples import Examples, Reader
from kerasrecipes.engine.frozen.prefix_cache import (
    PrefixCache,
    cache_bytes,
    feed_of,
    free_bytes,
    shape_of,
)
from kerasrecipes.report.words import size

if TYPE_CHECKING:
    import keras

    from kerasrecipes.engine.wanted import Feed


@dataclass(frozen=True)
class Side:
    """The examples of one side of the split, for training or for validation.

    Args:
        reader: Reads them.
        views: Number of views of each.
    """

    reader: Reader
    views: int

    @property
    def examples(self) -> Examples:
        """What the reader reads."""
        return self.reader.examples


@dataclass
class FrozenPart:
    """The part of a model below the open blocks, computed once for as many stages as hold.

    Args:
        model: The whole model.
        spec: Its backbone.
        sides: Training, then validation.
        limit_gb: Largest size on disk of all that is kept at a time.
        memory: Outputs of earlier fits that began with the same weights, to be used again
            and added to, as far as the limit goes; `None` to keep none.
    """

    model: "keras.Model"
    spec: Backbone
    sides: tuple[Side, ...]
    limit_gb: float
    memory: dict | None = None
    _lowest_trained: float = float("inf")
    _caches: dict[int, list[np.ndarray]] = field(default_factory=dict)
    _filled_together: dict[int, list[int]] = field(default_factory=dict)
    _room: float = float("inf")

    def sources(self, first_open: int, later: list[int]) -> "tuple[Any, Sequence[Feed]] | None":
        """Return where training begins and what feeds it, or `None` to begin at the photos.

        Args:
            first_open: Index of the first block that trains now.
            later: The same for the stages that follow.

        Returns:
            The tensor at the cut, and for each side a function from a dataset of
            `(index, view)` to one of `(index, view, outputs)`.

        Raises:
            OSError: If the outputs were kept before a break, and cannot be kept now.
        """
        if first_open == 0 or not self.limit_gb:
            return None
        wanted = _cuts_that_hold(first_open, later)
        self._keep(wanted)
        if first_open not in self._caches:
            before = self._filled_together.get(first_open)
            blocks = self._that_fit(wanted) if before is None else before
            filled = self._fill(blocks)
            if before and not filled:
                raise OSError(
                    errno.ENOSPC,
                    "The run cannot go on as it was: the output of the frozen blocks, which was "
                    "kept on the disk before the break, has no room. Free some space, then resume",
                )
            blocks = blocks if filled else []
            self._filled_together |= dict.fromkeys(blocks or [first_open], blocks)
            self._keep(wanted)
        if first_open not in self._caches:
            return None
        cut = self.spec.boundary(self.model, first_open)
        feeds = [feed_of(one, free=None in cut.shape[1:]) for one in self._caches[first_open]]
        return cut, feeds

    def get_state(self) -> dict:
        """Return which cuts were computed in one pass.

        With other cuts, the runtime may join other operations, and round otherwise.
        """
        return {str(block): blocks for block, blocks in self._filled_together.items()}

    def set_state(self, state: dict) -> None:
        """Compute the same cuts together as before a break.

        Args:
            state: What `get_state` returned.
        """
        self._filled_together = {int(block): blocks for block, blocks in state.items()}

    def trained_from(self, first_open: int) -> None:
        """Drop what a stage that trained from this block on has made untrue."""
        self._lowest_trained = min(self._lowest_trained, first_open)
        self._keep(range(first_open + 1))

    def _keep(self, blocks: Container[int]) -> None:
        """Drop the outputs at all other cuts."""
        self._caches = {k: v for k, v in self._caches.items() if k in blocks}
        self._filled_together = {k: v for k, v in self._filled_together.items() if k in blocks}

    def _that_fit(self, wanted: list[int]) -> list[int]:
        """List the cuts to fill in one pass, as far as the disk reaches: that of this stage, and
        those of later ones; these have another chance when their stage begins."""
        held = [block for block, together in self._filled_together.items() if together]
        limit = self.limit_gb * 1e9 - sum(self._bytes(block) for block in held)
        self._room = min(limit, 0.8 * free_bytes())
        fitting = []
        for block in wanted:
            needed = self._bytes(block)
            if block not in held and needed <= self._room:
                self._room -= needed
                fitting.append(block)
            elif block == wanted[0]:
                frozen = "block" if block == 1 else f"{block} blocks"
                say(
                    f"  The output of the first {frozen} would take {size(needed)} of disk, "
                    f"and {size(max(0, self._room))} are left for it (`cache_gb` is "
                    f"{self.limit_gb:g}), so it is computed in every epoch."
                )
                return []
        return fitting

    def _bytes(self, block: int) -> int:
        """Return what the outputs at a cut take, or will take."""
        if block in self._caches:
            return sum(outputs.nbytes for outputs in self._caches[block])
        cut = self.spec.boundary(self.model, block)
        sides = ((shape_of(cut, side.reader), side) for side in self.sides)
        return sum(cache_bytes(shape, len(side.examples) * side.views) for shape, side in sides)

    def _fill(self, blocks: list[int]) -> bool:
        import keras

        if not blocks:
            return False
        frozen = keras.Model(
            self.model.input, [self.spec.boundary(self.model, block) for block in blocks]
        )
        try:
            caches = [self._remembered(frozen, side, blocks) for side in self.sides]
        except OSError as error:
            say(
                f"  The frozen blocks are computed in every epoch: their output cannot be kept "
                f"({error.strerror or error})."
            )
            return False
        for i, block in enumerate(blocks):
            self._caches[block] = [cache.stored[i] for cache in caches]
        return True

    def _remembered(self, frozen: "keras.Model", side: Side, blocks: list[int]) -> PrefixCache:
        # What has trained here is not what an earlier fit began with.
        if self.memory is None or max(blocks) > self._lowest_trained:
            return self._filled(frozen, side)
        shapes = tuple(tuple(output.shape) for output in frozen.outputs)
        key = (*side.reader.identity(), side.views, self.spec.name, shapes, _digest(frozen))
        if key not in self.memory:
            kept = [shape_of(output, side.reader) for output in frozen.outputs]
            self._forget(sum(cache_bytes(shape, side.views * len(side.examples)) for shape in kept))
            self.memory[key] = self._filled(frozen, side)
        return self.memory[key]

    def _forget(self, needed: int) -> None:
        """Forget what earlier fits have left, the oldest first, until there is room."""
        own = [one for outputs in self._caches.values() for one in outputs]
        while self.memory:
            alive = [*own, *(one for cache in self.memory.values() for one in cache.stored)]
            together = sum({id(one): one.nbytes for one in alive}.values())
            if together + needed <= self.limit_gb * 1e9:
                return
            del self.memory[next(iter(self.memory))]

    def _filled(self, frozen: "keras.Model", side: Side) -> PrefixCache:
        cache = PrefixCache(frozen, side.reader, side.views)
        try:
            cache.fill("computing the frozen blocks")
            return cache
        except OverflowError as error:
            self._room -= sum(one.nbytes for one in cache.stored)
            if self._room < 0:
                raise OSError(
                    errno.EDQUOT,
                    f"{str(error)[:-1]}, and in single precision `cache_gb` would be exceeded",
                ) from error
            say(f"  {error} Keeping single precision.")
        del cache  # It would take its room besides.
        cache = PrefixCache(frozen, side.reader, side.views, "float32")
        cache.fill("computing the frozen blocks")
        return cache


def _cuts_that_hold(first_open: int, later: list[int]) -> list[int]:
    """List the cuts of this stage and of those later ones that no stage in between changes."""
    cuts = [first_open]
    for block in later:
        if 0 < block < min(cuts):
            cuts.append(block)
        elif block == 0:
            break
    return cuts


def _digest(model: "keras.Model") -> str:
    """Return what stands for all values of a model: other weights compute another output."""
    hashed = sha256()
    for weight in model.get_weights():
        hashed.update(weight.tobytes())
    return hashed.hexdigest()
