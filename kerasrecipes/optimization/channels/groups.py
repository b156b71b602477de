"""Which channels of a model belong together, because layers tie them to each other."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kerasrecipes.errors import listed
from kerasrecipes.keras_private import nodes_in_order
from kerasrecipes.surgery.channel_rules import RULES, ChannelTracker, rule_name
from kerasrecipes.surgery.rebuilding import is_functional

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class ChannelGroup:
    """Channels that one layer makes, or several layers whose channels are tied.

    Args:
        name: The first layer that makes them.
        producers: All convolutions and dense layers that make them.
        channels: Their numbers in the `ChannelMap`.
        residual: Whether additions tie them, as around a residual block.
        fixed: Why none of them can go; `""` if they can.
    """

    name: str
    producers: tuple[str, ...]
    channels: np.ndarray
    residual: bool
    fixed: str

    def __len__(self) -> int:
        return len(self.channels)


@dataclass(frozen=True)
class LayerChannels:
    """Which channels a layer works on.

    Args:
        takes: Number of the channel at each position on the last axis of the input.
        gives: The same for the output.
    """

    takes: np.ndarray
    gives: np.ndarray


@dataclass(frozen=True)
class ChannelMap:
    """The channels of a model, numbered.

    Args:
        count: How many there are; tied ones count once.
        groups: Those that layers make, in the order of the graph.
        layers: What each layer that depends on the number of channels works on, by name.
        norms: The BatchNormalization right behind a producer, by the producer's name.
    """

    count: int
    groups: tuple[ChannelGroup, ...]
    layers: dict[str, LayerChannels]
    norms: dict[str, str]


def find_channel_groups(model: "keras.Model") -> ChannelMap:
    """Follow the channels of a model from layer to layer.

    Additions and products tie the channels of their inputs, squeeze-and-excitation included;
    depthwise convolutions, normalization, activations and pooling pass them on;
    concatenation and flattening line them up.

    Args:
        model: A flat functional model with the channels on the last axis.

    Returns:
        All channels, and the groups in which they can go.

    Raises:
        ValueError: If the model has no readable graph, or has layers of which it is not known
            what they do to channels; the message names them.

    Example:
        >>> found = find_channel_groups(get_backbone("efficientnet_lite0").build(32, None))
        >>> [group.name for group in found.groups if len(group) == 24]
        ['block02_project_conv']
        >>> len(found.groups), sum(group.residual for group in found.groups)
        (24, 5)
    """
    import keras

    if not is_functional(model):
        raise ValueError(
            f"`model` must be a functional keras.Model, not a {type(model).__name__}: only the "
            "graph tells which channels belong together."
        )
    if isinstance(model, keras.Sequential):
        model = keras.Model(model.inputs, model.outputs, name=model.name)
    tracker = ChannelTracker()
    for tensor in model.inputs:
        tracker.fix(tracker.put(tensor, tracker.new(tensor.shape[-1])), "the model's input")
    unknown = []
    for node in nodes_in_order(model):
        if node.is_input:
            continue
        rule = RULES.get(rule_name(node.operation))
        gives = rule(tracker, node) if rule else None
        if gives is None:
            unknown.append(f"{node.operation.name} ({type(node.operation).__name__})")
            gives = tracker.new(node.outputs[0].shape[-1] or 0)
        for tensor in node.outputs:
            tracker.put(tensor, gives)
    if unknown:
        raise ValueError(
            f"It is not known what {len(unknown)} layers do to channels: {listed(unknown)}. "
            "Models within the model: flatten them with BackboneSpec.from_model. Anything else: "
            "choose another architecture, or prune weights with MagnitudePruning."
        )
    for tensor in model.outputs:
        tracker.fix(tracker.get(tensor), "the model's output")
    return _numbered(tracker)


def _numbered(tracker: ChannelTracker) -> ChannelMap:
    """Give each set of tied channels a number, and join those that share a producer."""
    roots = np.array([tracker.root(label) for label in range(len(tracker.parents))])
    kept, numbers = np.unique(roots, return_inverse=True)
    layers = {
        name: LayerChannels(numbers[takes], numbers[gives])
        for name, (takes, gives) in tracker.layers.items()
    }
    reasons = {numbers[label]: reason for label, reason in tracker.fixed.items()}
    added = {numbers[label] for label in tracker.added}
    groups: list[tuple[list[str], set[int]]] = []
    for producer in tracker.producers:
        producers, channels = [producer], set(layers[producer].gives.tolist())
        for group in [group for group in groups if group[1] & channels]:
            producers, channels = group[0] + producers, channels | group[1]
            groups.remove(group)
        groups.append((producers, channels))
    order = {name: index for index, name in enumerate(tracker.producers)}
    groups.sort(key=lambda group: min(order[name] for name in group[0]))
    made = []
    for producers, channels in groups:
        producers = sorted(producers, key=order.__getitem__)
        fixed = next((reasons[number] for number in channels if number in reasons), "")
        numbers_of_group = np.array(sorted(channels))
        residual = bool(added & channels)
        made.append(ChannelGroup(producers[0], tuple(producers), numbers_of_group, residual, fixed))
    return ChannelMap(len(kept), tuple(made), layers, tracker.norms)
