"""Reading the graph of a functional model: where it can be cut, and into which blocks."""

import math
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from kerasrecipes.keras_private import nodes_in_order

if TYPE_CHECKING:
    import keras

    from kerasrecipes.backbones.spec import Backbone


# What this toolkit calls layers that it adds to a graph; a copied layer of that name gets a longer
# one. Those of `_OURS` are numbered, or named after others.
TAKEN = frozenset(
    "photo grey_as_rgb channels_as_rgb scale average_pool max_pool gem_pool attention_pool pool "
    "head_norm feature_direction dropout logits scores projection embedding "
    "class_means class_directions label_logits standard_value value rank steps above above_each "
    "above_padded above_ordered from_lower to_higher class_shares class_shares_flat "
    "class_shares_whole trained teacher_features".split()
)
_OURS = re.compile(
    r"(average|max|gem|attention)_pool_.+|hidden_\d+(_dropout)?|novelty(_.*)?|adapter_.*|"
    r".*_drop_branch"
)


def anchored(pattern: str) -> str:
    """Anchor a regular expression at both ends.

    Example:
        >>> anchored("a|b")
        '^(?:a|b)$'
    """
    return f"^(?:{pattern})$"


def consumers(nodes: list[Any]) -> dict[int, list[Any]]:
    """Map the id of each tensor to the nodes that take it.

    Args:
        nodes: `nodes_in_order` of a model.
    """
    taking: dict[int, list[Any]] = {}
    for node in nodes:
        for tensor in node.input_tensors:
            taking.setdefault(id(tensor), []).append(node)
    return taking


def _weight_count(node: Any) -> int:
    weights = getattr(node.operation, "weights", ())
    return sum(math.prod(weight.shape) for weight in weights)


def find_cuts(model: "keras.Model", nodes: list[Any]) -> Iterator[tuple[int, "keras.KerasTensor"]]:
    """Yield the tensors that all paths pass, with the index of the node that makes them.

    In any topological order such a tensor is, once made, the only one still needed.
    """
    last_use = {id(tensor): len(nodes) for tensor in model.outputs}
    for index, node in enumerate(nodes):
        for tensor in node.input_tensors:
            last_use[id(tensor)] = max(index, last_use.get(id(tensor), 0))
    needed: dict[int, keras.KerasTensor] = {}
    for index, node in enumerate(nodes):
        for tensor in node.outputs:
            if last_use.get(id(tensor), -1) > index:
                needed[id(tensor)] = tensor
        for key in [key for key in needed if last_use[key] == index]:
            del needed[key]
        if len(needed) == 1:
            yield index, next(iter(needed.values()))


def find_boundary(model: "keras.Model", spec: "Backbone", block: int) -> "keras.KerasTensor":
    """Find the tensor between a block and all before it; see `Backbone.boundary`."""
    count = len(spec.blocks)
    if not isinstance(block, int) or not 0 <= block <= count:
        raise ValueError(
            f"`block` must be 0 to {count} for the {count} blocks of {spec.name!r}, not {block!r}."
        )
    if len(model.inputs) != 1:
        raise ValueError(
            f"`model` must have one input, the photo; {model.name!r} has {len(model.inputs)}."
        )
    if block == 0:
        return model.inputs[0]
    nodes = nodes_in_order(model)
    before, after = 0, len(nodes)
    for index, node in enumerate(nodes):
        if getattr(node.operation, "weights", None):
            owner = spec.block_of(node.operation.name)
            if (count if owner is None else owner) < block:
                before = index
            else:
                after = min(after, index)
    if block == count and after == len(nodes):
        return model.outputs[0]
    inside = [
        (index, tensor) for index, tensor in find_cuts(model, nodes) if before <= index < after
    ]
    if not inside:
        last, first = nodes[before].operation.name, nodes[min(after, len(nodes) - 1)].operation.name
        raise ValueError(
            f"Block {block} of {spec.name!r} cannot be cut off from what comes before it: more "
            f"than one tensor crosses between {last!r} and {first!r}. Choose another block."
        )
    return _smallest(inside, nodes)


def _smallest(
    candidates: list[tuple[int, "keras.KerasTensor"]], nodes: list[Any]
) -> "keras.KerasTensor":
    """Take the smallest tensor, the last among equals, but none after something random."""
    first = candidates[0][0]
    chosen, smallest = candidates[0][1], math.inf
    for index, tensor in candidates:
        passed = nodes[first + 1 : index + 1]
        if any(getattr(node.operation, "seed_generator", None) for node in passed):
            break
        size = math.prod(side for side in tensor.shape if side is not None)
        if size <= smallest:
            chosen, smallest = tensor, size
    return chosen


def blocks_from_graph(model: "keras.Model", limit: int = 16) -> tuple[str, ...]:
    """Divide the weighted layers of any functional model into blocks that can be cut apart.

    Args:
        model: A functional model with one input.
        limit: The most blocks to return; the smallest neighbours are joined until then.

    Returns:
        Anchored regular expressions on layer names, in the order of the graph.

    Raises:
        ValueError: If the model has no layer with weights.
    """
    nodes = nodes_in_order(model)
    segments: list[tuple[dict[str, None], int]] = []
    start = 0
    for end in [index for index, _ in find_cuts(model, nodes)] + [len(nodes) - 1]:
        weighted = [node for node in nodes[start : end + 1] if _weight_count(node)]
        start = max(start, end + 1)
        if weighted:
            names = dict.fromkeys(node.operation.name for node in weighted)
            parameters = sum(map(_weight_count, weighted))
            # A normalization belongs to the convolution that it normalizes.
            alone = all("Normalization" in type(node.operation).__name__ for node in weighted)
            if alone and segments:
                segments[-1] = _joined(segments[-1], (names, parameters))
            else:
                segments.append((names, parameters))
            # A layer that is called again belongs to all that lies between its calls.
            while any(names.keys() & earlier.keys() for earlier, _ in segments[:-1]):
                segments[-2:] = [_joined(*segments[-2:])]
    if not segments:
        raise ValueError(f"The model {model.name!r} has no layers with weights to freeze or train.")
    while len(segments) > limit:
        sizes = [left[1] + right[1] for left, right in pairwise(segments)]
        least = sizes.index(min(sizes))
        segments[least : least + 2] = [_joined(*segments[least : least + 2])]
    return tuple(anchored("|".join(map(re.escape, names))) for names, _ in segments)


def _joined(
    left: tuple[dict[str, None], int], right: tuple[dict[str, None], int]
) -> tuple[dict[str, None], int]:
    return left[0] | right[0], left[1] + right[1]


def model_name(name: str) -> str:
    """Make a name that Keras accepts, e.g. `hub_resnet_18` from `hub:resnet/18`.

    Example:
        >>> model_name("hub:./My Net")
        'hub_My_Net'
    """
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_") or "backbone"


def not_ours(name: str) -> str:
    """Return a name that no layer has which this toolkit numbers, or names after another.

    Example:
        >>> not_ours("adapter_1_up"), not_ours("up")
        ('own_adapter_1_up', 'up')
    """
    return f"own_{name}" if _OURS.fullmatch(name) else name
