"""What the config of a Keras model asks for, judged before any of it is made."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kerasrecipes.errors import listed
from kerasrecipes.keras_private import has_graph, nodes_in_order, parts_of
from kerasrecipes.surgery.rebuilding import as_functional, is_functional

if TYPE_CHECKING:
    import keras

# Keras needs milliseconds for each call of a layer. The largest of keras.applications has 1,100.
MOST_CALLS = 10_000
# What an honest layer takes, several times over: operations without a name, shared calls.
CALLS_PER_LAYER, OBJECTS_PER_LAYER = 10, 30
# Of which a model of few layers may have many: arithmetic takes a third of a millisecond a call,
# and Keras itself cannot follow a thousand in a row.
SPARE_CALLS, SPARE_OBJECTS = 1_000, 4_000
LONGEST_TEXT = 100_000
DEEPEST = 200
# Numbers in one tensor for one example: 8 GB.
LARGEST_TENSOR = 2**31


def check_config(config: Any, groups: int) -> None:
    """Refuse a config that asks for more than the weights file beside it has entries for.

    Args:
        config: The content of `config.json`.
        groups: How many groups the weights file has: Keras writes two for each layer, also for
            those without weights.

    Raises:
        ValueError: If it asks for more layers, or for more calls of them, or is nested deeply.
    """
    if not isinstance(config, dict):
        raise ValueError("its config is not an object")
    objects = layers = 0
    for item in _walked(config):
        if isinstance(item, dict) and "class_name" in item:
            objects += 1
            layers += _is_counted_layer(item)
        elif isinstance(item, str) and len(item) > LONGEST_TEXT:
            raise ValueError(f"its config has a text of {len(item):,} characters")
    entries = groups // 2
    for count, most, what in (
        (layers, entries + 1, "layers"),
        (objects, most_objects(entries), "objects"),
        (_calls(config), most_calls(entries), "calls of layers"),
    ):
        if count > most:
            raise ValueError(
                f"its config asks for {count:,} {what}, and its weights are of {entries:,} layers; "
                "it is damaged, or made to fill the memory, do not trust it"
            )


def most_objects(layers: int) -> int:
    """Return how many objects the config of so many layers may have."""
    return SPARE_OBJECTS + OBJECTS_PER_LAYER * layers


def most_calls(layers: int) -> int:
    """Return how many calls the config of so many layers may have."""
    return min(MOST_CALLS, SPARE_CALLS + CALLS_PER_LAYER * layers)


def check_calls(model: "keras.Model", name: str) -> None:
    """Refuse a model whose layers are called so often that what is saved of it is not loaded.

    Each call is an object in the file, and so is each tensor that it takes.

    Args:
        model: A functional model; those nested in it count as often as they are called.
        name: What the user calls it.

    Raises:
        ValueError: If there are more than `check_config` lets pass.
    """
    layers = len(parts_of(model))
    calls, taken = _nested_calls(model, {})
    for count, most, what in (
        (calls, most_calls(layers), "calls of layers"),
        (layers + taken, most_objects(layers), "layers and tensors that they take"),
    ):
        if count > most:
            raise ValueError(
                f"The model {name!r} has {count:,} {what}, with those of models that are called "
                f"again, and {layers:,} layers. It could be trained, but a file of it could not be "
                f"loaded: at most {most:,} are. Call a model or a layer less often, and give each "
                "place its own."
            )


def _nested_calls(model: "keras.Model", known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """Count the calls of layers, and the tensors that they take."""
    if id(model) not in known:
        calls = taken = 0
        for node in nodes_in_order(as_functional(model)):
            nested = is_functional(node.operation)
            more = _nested_calls(node.operation, known) if nested else (1, len(node.input_tensors))
            calls, taken = calls + more[0], taken + more[1]
        known[id(model)] = calls, taken
    return known[id(model)]


def _walked(config: Any) -> Iterator[Any]:
    """Go through all values of a config, without calling itself."""
    stack = [(config, 0)]
    while stack:
        item, depth = stack.pop()
        if depth > DEEPEST:
            raise ValueError("its config is nested too deeply")
        yield item
        if isinstance(item, dict):
            yield from item
            stack += [(value, depth + 1) for value in item.values()]
        elif isinstance(item, list):
            stack += [(value, depth + 1) for value in item]


def _is_counted_layer(item: dict) -> bool:
    """Say whether an object of a config is a layer that has its own entry among the weights."""
    config = item.get("config")
    is_layer = isinstance(config, dict) and "trainable" in config and "dtype" in config
    # A Sequential model does not list its input.
    return is_layer and item["class_name"] != "InputLayer"


def _calls(item: Any) -> int:
    """Count the calls of layers that rebuilding a model takes: those in a nested model run again
    with each call of it."""
    config = item.get("config") if isinstance(item, dict) else None
    if not isinstance(config, dict):
        return 1
    inner = config.get("layers")
    if not isinstance(inner, list):
        values = (value for value in config.values() if isinstance(value, dict))
        return 1 + sum(_calls(value) for value in values if _is_counted_layer(value))
    total = 1
    for layer in inner:
        nodes = layer.get("inbound_nodes") if isinstance(layer, dict) else None
        total += _calls(layer) * max(1, len(nodes) if isinstance(nodes, list) else 0)
        if total > MOST_CALLS:
            break
    return total


def check_tensors(model: "keras.Model") -> None:
    """Refuse a model that answers an example with tensors beyond any memory.

    Args:
        model: The model; nothing is computed.

    Raises:
        ValueError: If a tensor for one example is larger than `LARGEST_TENSOR`.
    """
    for node in nodes_in_order(model) if has_graph(model) else ():
        for tensor in node.outputs:
            if math.prod(side or 1 for side in tensor.shape[1:]) > LARGEST_TENSOR:
                raise ValueError(
                    f"{listed([node.operation.name])} makes tensors of shape {tuple(tensor.shape)}"
                )
