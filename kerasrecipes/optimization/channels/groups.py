"""Which channels of a model belong together, because layers tie them to each other."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.errors import printable
from kerasrecipes.keras_private import nodes_in_order
from kerasrecipes.surgery.channel_rules import ChannelTracker
from kerasrecipes.surgery.operation_rules import rule_of
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
        unknown: Layers and operations of which it is not known what they do to channels: all
            channels that they take and give stay.
    """

    count: int
    groups: tuple[ChannelGroup, ...]
    layers: dict[str, LayerChannels]
    norms: dict[str, str]
    unknown: tuple[str, ...] = ()


def find_channel_groups(model: "keras.Model") -> ChannelMap:
    """Follow the channels of a model from layer to layer.

    Additions and products tie the channels of their inputs, squeeze-and-excitation included;
    depthwise convolutions, normalization, activations and pooling pass them on;
    concatenation and flattening line them up. Around anything else, such as a grouped
    convolution, all channels stay.

    Args:
        model: A flat functional model with the channels on the last axis.

    Returns:
        All channels, and the groups in which they can go.

    Raises:
        ValueError: If the model has no readable graph.

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
        tracker.fix(tracker.put(tensor, tracker.new(_channels_of(tensor))), "the model's input")
    unknown: dict[str, None] = {}
    for node in nodes_in_order(model):
        if not node.is_input and not _follow(tracker, node):
            unknown[node.operation.name] = None
    for tensor in model.outputs:
        tracker.fix(tracker.get(tensor), "the model's output")
    return _numbered(tracker, tuple(unknown))


def _channels_of(tensor: "keras.KerasTensor") -> int:
    """Return the length of the last axis, 0 where it has none that is fixed."""
    return (tensor.shape[-1] if tensor.shape else None) or 0


def _follow(tracker: ChannelTracker, node: Any) -> bool:
    """Follow channels through one call; where that cannot be, all of them stay around it."""
    rule = rule_of(node.operation)
    gives = rule(tracker, node) if rule else None
    sizes = {_channels_of(tensor) for tensor in node.outputs}
    if gives is not None and sizes == {len(gives)}:
        for tensor in node.outputs:
            tracker.put(tensor, gives)
        return True
    operation = node.operation
    reason = (
        f"{printable(operation.name)} ({type(operation).__name__}), of which it is not known what "
        "it does to channels"
    )
    for labels in tracker.inputs(node):
        tracker.fix(labels, reason)
    for tensor in node.outputs:
        tracker.fix(tracker.put(tensor, tracker.new(_channels_of(tensor))), reason)
    return False


def _numbered(tracker: ChannelTracker, unknown: tuple[str, ...]) -> ChannelMap:
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
    return ChannelMap(len(kept), tuple(made), layers, tracker.norms, unknown)
