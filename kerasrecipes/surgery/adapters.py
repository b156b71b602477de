"""Adapters: a few weights that are trained in place of a backbone's many.

Everything else stands still, BatchNorm statistics included; the head trains as ever.
"""

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from numbers import Integral
from typing import TYPE_CHECKING, Any

from kerasrecipes.arguments import named
from kerasrecipes.errors import is_number
from kerasrecipes.keras_private import parts_of
from kerasrecipes.surgery.adapter_table import AdapterSummary, summarise
from kerasrecipes.surgery.low_rank import enable_low_rank
from kerasrecipes.surgery.rebuilding import is_functional, rebuild

if TYPE_CHECKING:
    import keras

    from kerasrecipes.backbones.spec import Backbone

ADDED = ("bias", "beta")
# How the names of a bottleneck's layers begin.
DETOUR = "adapter_"


@named
@dataclass(frozen=True)
class LowRank:
    """Train a low-rank change of kernels, in dense, einsum and convolution layers.

    This is Keras's own `enable_lora`; on a convolution it is a convolution to `rank`
    channels and a 1x1 convolution behind it. Depthwise kernels mix no channels and have no
    such form: they stay as they are, and the table says so.

    Args:
        rank: Rank of the change. A kernel that would get as many new weights as it has is
            left alone, too.
        alpha: The change is multiplied by `alpha / rank`; `None` for `rank`.
        match: Regular expression, searched in the names of the backbone's layers; a layer
            inside a composite one is called `<layer>/<inner layer>`. `""` matches all.

    Raises:
        ValueError: If an argument is not usable.

    Reference:
        Hu et al., 2022, "LoRA: Low-Rank Adaptation of Large Language Models", section 4.1.
    """

    rank: int = 4
    alpha: float | None = None
    match: str = ""

    def __post_init__(self) -> None:
        _check_count("rank", self.rank)
        if self.alpha is not None and not is_number(self.alpha, 0, math.inf, above=True):
            raise ValueError(f"`alpha` must be above 0, or None for `rank`, not {self.alpha!r}.")
        try:
            re.compile(self.match)
        except (re.error, TypeError) as error:
            raise ValueError(
                f"`match` must be a regular expression, not {self.match!r}: {error}."
            ) from error


@named
@dataclass(frozen=True)
class Bottleneck:
    """Put a residual detour behind blocks: down to a few channels, ReLU, and up again.

    It begins as exactly nothing, since the way up begins at zero. No other weights could
    take it in, so `merge` leaves its layers in the model, where they cost some time.

    Args:
        units: Channels in the middle.
        blocks: Which of the backbone's blocks, 0 for the stem; `None` for all of them.

    Raises:
        ValueError: If `units` is not a whole number above 0, or `blocks` names none.

    Reference:
        Houlsby et al., 2019, "Parameter-Efficient Transfer Learning for NLP", section 2.1.
    """

    units: int = 16
    blocks: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        _check_count("units", self.units)
        _check_blocks(self.blocks)
        if self.blocks is not None and not len(self.blocks):
            raise ValueError("`blocks` is empty, so nothing would be added. Pass None for all.")


@dataclass(frozen=True)
class BitFit:
    """Train only what is added: biases, and the beta of normalisation layers.

    Reference:
        Ben Zaken et al., 2022, "BitFit: Simple Parameter-efficient Fine-tuning for
        Transformer-based Masked Language-models", section 3.
    """


Adapter = LowRank | Bottleneck | BitFit


@dataclass(frozen=True)
class AdaptedModel:
    """A copy of a model with adapters, ready for `compile` and `fit`.

    Which weights train is set on the weights themselves. Setting `trainable` on a layer
    would let Keras train its kernel again, and a saved low-rank model comes back with
    adapters that cannot learn: `merge` before you do either.

    Args:
        model: The functional model to train.
        summary: A table of what trains; print it.
        spec: The backbone's specification, with the layers that were added in its blocks.
    """

    model: "keras.Model"
    summary: AdapterSummary
    spec: "Backbone"

    @cached_property
    def weights(self) -> frozenset[int]:
        """Identities of all weights of the backbone that train, also when they stand still."""
        return frozenset(
            id(weight)
            for layer in self.model.layers
            if self.spec.block_of(layer.name) is not None
            for weight in layer.weights
            if weight.trainable
        )

    def merge(self) -> "keras.Model":
        """Return a new, plain model that computes the same, to save and to export.

        Low-rank changes are added to their kernels, in the order of operations in which the
        adapted model does so, and biases are in their place already: called eagerly, both
        models agree to the last bit. Compiled, they agree to rounding (relative 1e-5).
        Bottlenecks stay, as plain layers. All layers are trainable, as in any new model.
        """
        return _copied(self.model)


def adapter_to_dict(adapter: Adapter) -> dict[str, Any]:
    """Return an adapter as JSON-safe data."""
    return {"kind": type(adapter).__name__, **asdict(adapter)}


def check_adapter(adapter: Any) -> None:
    """Raise a `ValueError` unless something is an adapter."""
    if not isinstance(adapter, Adapter):
        raise ValueError(
            f"`adapter` must be a LowRank, Bottleneck or BitFit, not {adapter!r}. "
            "Pass e.g. LowRank(rank=4)."
        )


@named
def add_adapter(
    model: "keras.Model",
    spec: "Backbone",
    adapter: Adapter,
    *,
    first_block: int = 0,
    seed: int = 0,
) -> AdaptedModel:
    """Copy a model and put adapters into the copy's backbone, which is frozen otherwise.

    The copy begins by computing exactly what the model does.

    Args:
        model: A functional model grown from `spec.build`; it stays as it is. Layers that
            belong to no block are the head, which trains.
        spec: The backbone's specification.
        adapter: What to put in.
        first_block: Index of the first block that is adapted.
        seed: Seed of the adapters' initial weights.

    Returns:
        The adapted model and a table of what trains.

    Raises:
        ValueError: If the model is not grown from this backbone, or the adapter finds
            nothing to adapt.

    Example:
        >>> from kerasrecipes import get_backbone
        >>> spec = get_backbone("mobilenet_v2")
        >>> backbone = spec.build(32, weights=None)
        >>> adapted = add_adapter(backbone, spec, LowRank(rank=2, match="project"))
        >>> adapted.summary.trainable_parameters
        17280
        >>> adapted.merge().count_params() == backbone.count_params()
        True
    """
    check_adapter(adapter)
    _check_grown(model, spec)
    detours = {}
    if isinstance(adapter, Bottleneck):
        detours = _detours(model, spec, adapter, first_block, seed)
    copy = _copied(model, detours)
    for layer in copy.layers:
        _freeze(layer, head=spec.block_of(layer.name) is None)
    left_alone: dict[str, int] = {}
    parts = [part for layer in copy.layers for part in _parts(layer, spec, first_block)]
    if isinstance(adapter, LowRank):
        adapted, left_alone = enable_low_rank(parts, adapter, seed)
    elif isinstance(adapter, BitFit):
        adapted = _open_added(parts, spec)
    else:
        adapted = [f"{detour.name}_up" for detour in detours.values()]
    added = {layer.name for layer in copy.layers} - {layer.name for layer in model.layers}
    summary = summarise(copy, spec, adapted=adapted, added=added, left_alone=left_alone)
    blocks = (f"{block}|{DETOUR}{index}_.+" for index, block in enumerate(spec.blocks))
    return AdaptedModel(copy, summary, replace(spec, blocks=tuple(blocks)))


def _check_blocks(blocks: Any) -> None:
    whole = isinstance(blocks, Iterable) and all(isinstance(one, Integral) for one in blocks)
    if blocks is not None and not whole:
        raise ValueError(f"`blocks` must be whole numbers, e.g. (3, 4), or None, not {blocks!r}.")


def _check_count(name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"`{name}` must be a whole number above 0, not {value!r}.")


def _check_grown(model: "keras.Model", spec: "Backbone") -> None:
    fits = is_functional(model) and len(model.inputs) == 1
    if not fits or all(spec.block_of(layer.name) is None for layer in model.layers):
        raise ValueError(
            f"`model` is not grown from {spec.name!r}: it must be a functional model of one input "
            "that contains the layers of that backbone. Pass the specification that built it."
        )


def _copied(model: "keras.Model", detours: dict[int, Any] | None = None) -> "keras.Model":
    import keras

    old = model.inputs[0]
    photo = keras.Input(old.shape[1:], name=old.name, dtype=old.dtype)

    def after(old: Any, new: Any) -> Any:
        return detours[id(old)](new) if detours and id(old) in detours else new

    return keras.Model(photo, rebuild(model, photo, after=after), name=model.name)


def _freeze(layer: "keras.Layer", head: bool) -> None:
    import keras

    layer.trainable = head
    for part in parts_of(layer):
        if isinstance(part, keras.layers.BatchNormalization):
            part.trainable = False


def _parts(
    layer: "keras.Layer", spec: "Backbone", first_block: int
) -> Iterator[tuple[str, "keras.Layer"]]:
    """Yield the innermost layers of the backbone's blocks with their names."""
    block = spec.block_of(layer.name)
    if block is not None and block >= first_block:
        for part in parts_of(layer):
            if len(parts_of(part)) == 1:
                yield (layer.name if part is layer else f"{layer.name}/{part.name}"), part


def _open_added(parts: list[tuple[str, "keras.Layer"]], spec: "Backbone") -> list[str]:
    opened = []
    for name, part in parts:
        added = [weight for weight in part.weights if weight.name in ADDED]
        for weight in added:
            # On the weight, not on the layer: a BatchNormalization that is trainable would
            # train its statistics as well.
            weight.trainable = True
        opened += [name] if added else []
    if not opened:
        raise ValueError(
            f"BitFit finds nothing to train in {spec.name!r}: no layer of the backbone has a bias "
            "or a beta. Choose LowRank or Bottleneck."
        )
    return opened


@dataclass(frozen=True)
class _Detour:
    """One residual bottleneck, applied to the tensor behind a block."""

    name: str
    units: int
    seed: int

    def __call__(self, x: Any) -> Any:
        from keras import initializers, layers

        down, channels = initializers.HeUniform(self.seed), x.shape[-1]
        options: dict[str, Any] = {
            "name": f"{self.name}_down",
            "activation": "relu",
            "kernel_initializer": down,
        }
        back: dict[str, Any] = {"name": f"{self.name}_up", "kernel_initializer": "zeros"}
        if len(x.shape) == 3:  # tokens of a text, zero behind the last one: it has to stay so
            options["use_bias"] = back["use_bias"] = False
        if len(x.shape) == 4:
            detour = layers.Conv2D(self.units, 1, **options)(x)
            detour = layers.Conv2D(channels, 1, **back)(detour)
        else:
            detour = layers.Dense(self.units, **options)(x)
            detour = layers.Dense(channels, **back)(detour)
        return layers.Add(name=f"{self.name}_add")([x, detour])


def _detours(
    model: "keras.Model", spec: "Backbone", adapter: Bottleneck, first_block: int, seed: int
) -> dict[int, _Detour]:
    """Map the tensor behind each block, by identity, to what comes after it."""
    count = len(spec.blocks)
    blocks = range(first_block, count) if adapter.blocks is None else adapter.blocks
    wrong = [one for one in blocks if not isinstance(one, int) or not first_block <= one < count]
    if wrong:
        which = "the blocks" if not first_block else "the blocks that are opened"
        raise ValueError(
            f"`blocks` must be from {first_block} to {count - 1}, {which} of {spec.name!r}, not "
            f"{wrong[0]}."
        )
    if any(layer.name.startswith(DETOUR) for layer in model.layers):
        raise ValueError(f"The model {model.name!r} has bottlenecks already. Adapt one without.")
    return {
        id(spec.boundary(model, block + 1)): _Detour(
            f"{DETOUR}{block}", adapter.units, seed + block
        )
        for block in blocks
    }
