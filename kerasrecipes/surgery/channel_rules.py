"""What each kind of layer does to channels: one rule per class of Keras."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras

# Everything else, such as softmax, sees all channels at once.
ALONE = {
    "celu", "elu", "exponential", "gelu", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh",
    "leaky_relu", "linear", "log_sigmoid", "mish", "relu", "relu6", "selu", "sigmoid", "silu",
    "softplus", "softsign", "swish", "tanh",
}  # fmt: skip


# These scale channels; all else that joins two tensors adds one to the other, as a residual does.
GATES = {"Divide", "DivideNoNan", "Multiply", "TrueDivide"}


class ChannelTracker:
    """Labels the channels of every tensor; labels that are tied have one root."""

    def __init__(self) -> None:
        self.parents: list[int] = []
        self.fixed: dict[int, str] = {}
        self.added: list[int] = []
        self.layers: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self.producers: list[str] = []
        self.norms: dict[str, str] = {}
        self._tensors: dict[int, np.ndarray] = {}
        self._made_by: dict[int, str] = {}

    def new(self, count: int) -> np.ndarray:
        """Make labels that nothing has yet."""
        start = len(self.parents)
        self.parents += range(start, start + count)
        return np.arange(start, start + count)

    def root(self, label: int) -> int:
        """Return the label that stands for all that are tied to this one."""
        while self.parents[label] != label:
            self.parents[label] = self.parents[self.parents[label]]
            label = self.parents[label]
        return label

    def tie(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Tie labels pairwise; a single one is spread over the others and ties nothing."""
        if len(one) == 1 or len(other) == 1:
            return one if len(other) == 1 else other
        for a, b in zip(one, other, strict=True):
            first, second = sorted((self.root(a), self.root(b)))
            self.parents[second] = first
        return one

    def fix(self, labels: np.ndarray, reason: str) -> None:
        """Say why channels cannot go."""
        for label in labels:
            self.fixed.setdefault(int(label), reason)

    def put(self, tensor: "keras.KerasTensor", labels: np.ndarray) -> np.ndarray:
        """Remember the labels of a tensor."""
        self._tensors[id(tensor)] = labels
        return labels

    def get(self, tensor: "keras.KerasTensor") -> np.ndarray:
        """Return the labels of a tensor."""
        return self._tensors[id(tensor)]

    def inputs(self, node: Any) -> list[np.ndarray]:
        """Return the labels of all inputs of a node."""
        return [self.get(tensor) for tensor in node.input_tensors]

    def record(self, layer: Any, takes: np.ndarray, gives: np.ndarray) -> np.ndarray:
        """Note what a layer works on; a layer that is called again ties its inputs."""
        if layer.name in self.layers:
            before = self.layers[layer.name]
            self.tie(before[0], takes)
            return self.tie(before[1], gives)
        self.layers[layer.name] = (takes, gives)
        return gives

    def produce(self, node: Any, count: int) -> np.ndarray:
        """Note a layer that mixes all channels it takes into new ones."""
        layer, (takes,) = node.operation, self.inputs(node)
        if layer.name not in self.layers:
            self.producers.append(layer.name)
            self.record(layer, takes, self.new(count))
        else:
            self.record(layer, takes, self.layers[layer.name][1])
        self._made_by[id(node.outputs[0])] = layer.name
        return self.layers[layer.name][1]

    def normalized(self, node: Any) -> None:
        """Note that a node normalizes what a producer has just made."""
        producer = self._made_by.get(id(node.input_tensors[0]))
        if producer:
            self.norms[producer] = node.operation.name


Rule = Callable[[ChannelTracker, Any], np.ndarray | None]


def rule_name(operation: Any) -> str:
    """Return the class name of an operation of Keras itself, `""` for any other."""
    kind = type(operation)
    return kind.__name__ if kind.__module__.startswith("keras.") else ""


def _activated(tracker: ChannelTracker, layer: Any, labels: np.ndarray) -> np.ndarray:
    function = getattr(layer, "activation", None)
    name = getattr(function, "__name__", type(function).__name__)
    if function is not None and name not in ALONE:
        tracker.fix(labels, f"the activation {name}, which sees all channels")
    return labels


def _channels_last(layer: Any) -> bool:
    return getattr(layer, "data_format", "channels_last") != "channels_first"


def _pass(tracker: ChannelTracker, node: Any) -> np.ndarray | None:
    return tracker.inputs(node)[0] if _channels_last(node.operation) else None


def _activation(tracker: ChannelTracker, node: Any) -> np.ndarray:
    return _activated(tracker, node.operation, tracker.inputs(node)[0])


def seen_by_softmax(tracker: ChannelTracker, node: Any) -> np.ndarray:
    """Keep channels that a softmax weighs against each other."""
    labels = tracker.inputs(node)[0]
    tracker.fix(labels, "the activation softmax, which sees all channels")
    return labels


def _scale(tracker: ChannelTracker, node: Any) -> np.ndarray:
    layer, labels = node.operation, tracker.inputs(node)[0]
    if layer.weights or np.size(getattr(layer, "scale", 1)) > 1:
        tracker.fix(labels, f"{layer.name}, which has a number for each channel")
    return labels


def _convolution(tracker: ChannelTracker, node: Any) -> np.ndarray | None:
    layer = node.operation
    if not _channels_last(layer) or layer.groups != 1 or layer.quantization_mode:
        return None
    return _activated(tracker, layer, tracker.produce(node, layer.filters))


def _dense(tracker: ChannelTracker, node: Any) -> np.ndarray | None:
    layer = node.operation
    if layer.quantization_mode:
        return None
    return _activated(tracker, layer, tracker.produce(node, layer.units))


def _depthwise(tracker: ChannelTracker, node: Any) -> np.ndarray | None:
    layer, (takes,) = node.operation, tracker.inputs(node)
    if not _channels_last(layer):
        return None
    gives = tracker.record(layer, takes, np.repeat(takes, layer.depth_multiplier))
    return _activated(tracker, layer, gives)


def _batch_norm(tracker: ChannelTracker, node: Any) -> np.ndarray | None:
    layer, (labels,) = node.operation, tracker.inputs(node)
    if layer.axis not in (-1, len(node.input_tensors[0].shape) - 1):
        return None
    tracker.normalized(node)
    return tracker.record(layer, labels, labels)


def merged(tracker: ChannelTracker, node: Any) -> np.ndarray | None:
    """Tie the channels of tensors that are added, multiplied, …, place by place."""
    import keras

    given = keras.tree.flatten((node.arguments.args, node.arguments.kwargs))
    numbers = [value for value in given if not isinstance(value, keras.KerasTensor)]
    if any(np.size(value) > 1 for value in numbers):
        return None
    first, *others = tracker.inputs(node)
    if len({len(labels) for labels in (first, *others)} - {1}) > 1:
        return None  # the last axis of one of them has no fixed length
    for labels in others:
        first = tracker.tie(first, labels)
        if rule_name(node.operation) not in GATES:
            tracker.added += first.tolist()
    return first


def concatenated(tracker: ChannelTracker, node: Any) -> np.ndarray | None:
    """Line channels up, or tie them where tensors are joined along another axis."""
    rank = len(node.input_tensors[0].shape)
    if node.operation.axis in (-1, rank - 1):
        return np.concatenate(tracker.inputs(node))
    first, *others = tracker.inputs(node)
    for labels in others:
        tracker.tie(first, labels)
    return first


def reshaped(tracker: ChannelTracker, node: Any) -> np.ndarray | None:
    """Follow channels that stay on the last axis, or are lined up place by place."""
    before, after = node.input_tensors[0].shape[1:], node.outputs[0].shape[1:]
    labels = tracker.inputs(node)[0]
    if not _channels_last(node.operation) or not after:
        return None
    if None not in before and after[-1] == math.prod(before):
        return tracker.record(node.operation, labels, np.tile(labels, math.prod(before[:-1])))
    same = after[-1] == before[-1]
    return tracker.record(node.operation, labels, labels) if same else None


def _rules(rule: Rule, *names: str) -> dict[str, Rule]:
    return dict.fromkeys(names, rule)


PLACES = ("1D", "2D", "3D")
LAYERS: dict[str, Rule] = {
    **_rules(_convolution, *(f"Conv{places}" for places in PLACES)),
    **_rules(_depthwise, "DepthwiseConv1D", "DepthwiseConv2D"),
    **_rules(_dense, "Dense"),
    **_rules(_batch_norm, "BatchNormalization"),
    **_rules(_activation, "Activation"),
    **_rules(seen_by_softmax, "Softmax", "LogSoftmax"),
    **_rules(_scale, "Rescaling", "Normalization"),
    **_rules(merged, "Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract"),
    **_rules(concatenated, "Concatenate"),
    **_rules(reshaped, "Flatten", "Reshape"),
    **_rules(
        _pass, "ELU", "LeakyReLU", "ReLU", "Relu", "Relu6", "Sigmoid", "HardSigmoid", "Silu",
        "HardSilu", "Gelu", "Tanh", "Dropout", "GaussianDropout", "GaussianNoise", "Identity",
        "ActivityRegularization",
        *(
            f"{kind}{places}"
            for places in PLACES
            for kind in (
                "AveragePooling", "Cropping", "GlobalAveragePooling", "GlobalMaxPooling",
                "MaxPooling", "SpatialDropout", "UpSampling", "ZeroPadding",
            )
        ),
    ),
}  # fmt: skip
