"""Leaving out whole residual branches while a model trains, and only then."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.keras_private import nodes_in_order
from kerasrecipes.surgery.adapters import DETOUR

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Branch:
    """The branch of a residual block.

    Args:
        place: Which of the addition's two inputs it is.
        rate: How often it is left out.
    """

    place: int
    rate: float


def residual_branches(model: "keras.Model", last_rate: float) -> dict[str, Branch]:
    """Find what residual blocks add, and how often to leave it out.

    An addition of two tensors is residual if both come from one weighted layer; the branch is
    the side on which more weighted layers lie in between.

    Args:
        model: A whole functional model.
        last_rate: Rate of the last branch. The rates rise linearly with the branch's number.

    Returns:
        Name of the addition → its branch, in the order of the graph.
    """
    nodes = nodes_in_order(model)
    # For each tensor, the nodes that it is computed from, as the bits of a number.
    behind: dict[int, int] = {}
    weighted = 0
    places: dict[str, int] = {}
    for index, node in enumerate(nodes):
        sources = [behind.get(id(tensor), 0) for tensor in node.input_tensors]
        if _adds_two(node) and sources[0] & sources[1] & weighted:
            left, right = (
                (one & ~other & weighted).bit_count() for one, other in (sources, sources[::-1])
            )
            if left != right:
                places[node.operation.name] = int(right > left)
        weighted |= bool(getattr(node.operation, "weights", ())) << index
        for tensor in node.outputs:
            behind[id(tensor)] = 1 << index | _union(sources)
    return {
        name: Branch(place, last_rate * number / len(places))
        for number, (name, place) in enumerate(places.items(), 1)
    }


def drop_branches(
    part: "keras.Model", branches: dict[str, Branch], seed: tuple[int, ...]
) -> "keras.Model":
    """Make a model of the same layers that leaves out residual branches while it trains.

    A branch is left out photo by photo, and counts more when it is there, so that it has the
    same expectation as in inference, where nothing is changed.

    Args:
        part: A functional model of one input, such as the open part of a larger one. It stays
            as it is, and so does any other model of its layers.
        branches: What `residual_branches` found in the whole model; those that are not in
            `part` do not matter.
        seed: Seed of what is left out; its state is one of the model's variables.

    Returns:
        The model to train.

    Reference:
        Huang et al., 2016, "Deep Networks with Stochastic Depth", equation 4.
    """
    import keras

    made: dict[int, Any] = {id(part.inputs[0]): part.inputs[0]}
    for index, node in enumerate(nodes_in_order(part)):
        if node.is_input:
            continue
        args, kwargs = node.arguments.fill_in(made)
        branch = branches.get(node.operation.name)
        if branch is not None:
            inputs = keras.tree.flatten((args, kwargs))
            draw = int(np.random.SeedSequence([*seed, index]).generate_state(1)[0] >> 1)
            drop = keras.layers.Dropout(
                branch.rate,
                noise_shape=(None, *[1] * (len(inputs[branch.place].shape) - 1)),
                seed=draw,
                name=f"{node.operation.name}_drop_branch",
            )
            inputs[branch.place] = drop(inputs[branch.place])
            args, kwargs = keras.tree.pack_sequence_as((args, kwargs), inputs)
        outputs = keras.tree.flatten(node.operation(*args, **kwargs))
        made.update(zip(map(id, node.outputs), outputs, strict=True))
    return keras.Model(part.inputs[0], made[id(part.outputs[0])])


def _adds_two(node: Any) -> bool:
    # A layer and an operation of Keras have this name.
    if type(node.operation).__name__ != "Add" or node.operation.name.startswith(DETOUR):
        return False
    tensors = node.input_tensors
    return len(tensors) == 2 and tensors[0].shape == tensors[1].shape


def _union(bits: list[int]) -> int:
    found = 0
    for one in bits:
        found |= one
    return found
