"""How much each channel of a model matters, by three measures."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.errors import DataError
from kerasrecipes.optimization.channels.groups import ChannelMap, find_channel_groups

if TYPE_CHECKING:
    import keras

Scores = dict[str, np.ndarray]


def score_by_kernel(model: "keras.Model", channels: ChannelMap | None = None) -> Scores:
    """Score channels by the size of the weights that make them, which needs no data.

    Args:
        model: A flat functional model.
        channels: Its `find_channel_groups`, if that is at hand.

    Returns:
        For each group, by name, one number ≥ 0 per channel: the mean of the absolute weights
        of the channel, over all layers that make it.

    Raises:
        ValueError: If the channels of the model cannot be followed.

    Reference:
        Li et al., 2017, "Pruning Filters for Efficient ConvNets", section 3.1,
        arXiv 1608.08710.
    """
    channels = channels or find_channel_groups(model)
    values = {}
    for group in channels.groups:
        for name in group.producers:
            kernel = np.abs(model.get_layer(name).get_weights()[0])
            values[name] = kernel.mean(axis=tuple(range(kernel.ndim - 1)))
    return _of_groups(channels, values, np.mean)


def score_by_batch_norm(model: "keras.Model", channels: ChannelMap | None = None) -> Scores:
    """Score channels by the scale of the BatchNormalization they go through.

    Groups without one have no scores, and so are never pruned by them, such as the inner
    channels of a squeeze-and-excitation block.

    Args:
        model: A flat functional model.
        channels: Its `find_channel_groups`, if that is at hand.

    Returns:
        For each group, by name, one number ≥ 0 per channel: the mean of the absolute scales.

    Raises:
        ValueError: If the channels of the model cannot be followed, or no BatchNormalization
            in it has a scale.

    Reference:
        Liu et al., 2017, "Learning Efficient Convolutional Networks through Network
        Slimming", section 3, arXiv 1708.06519.
    """
    import keras

    channels = channels or find_channel_groups(model)
    total, layers = np.zeros(channels.count), np.zeros(channels.count)
    for layer in model.layers:
        work = channels.layers.get(layer.name)
        norm = isinstance(layer, keras.layers.BatchNormalization) and layer.gamma is not None
        if norm and work is not None:
            np.add.at(total, work.takes, np.abs(layer.gamma.numpy()))
            np.add.at(layers, work.takes, 1)
    groups = [group for group in channels.groups if layers[group.channels].all()]
    if not groups:
        raise ValueError(
            f"No BatchNormalization of {model.name!r} scales the channels of a group. Use "
            "scores='kernel', or score_by_gradient."
        )
    return {group.name: (total / layers.clip(1))[group.channels] for group in groups}


def score_by_gradient(
    model: "keras.Model",
    batches: Iterable[tuple],
    loss: "keras.losses.Loss",
    channels: ChannelMap | None = None,
) -> Scores:
    """Score channels by how much the loss would change without them, to first order.

    The sum of activation times gradient over a batch is read off the weights: it equals the
    sum of weight times gradient over the weights that make the channel, or over the scale and
    the shift where BatchNormalization comes behind them. The model runs as in inference.

    Args:
        model: A flat functional model.
        batches: Batches `(inputs, targets, …)` of training data; small ones tell more.
        loss: What the model's output is judged by, against the targets.
        channels: Its `find_channel_groups`, if that is at hand.

    Returns:
        For each group, by name, one number ≥ 0 per channel: the squared change of the loss
        that leaving out the channel's activation would make, averaged over the batches.

    Raises:
        ValueError: If the channels of the model cannot be followed.
        DataError: If there is no batch, or a gradient is not finite.

    Reference:
        Molchanov et al., 2019, "Importance Estimation for Neural Network Pruning",
        equation 8 with gates behind BatchNormalization, arXiv 1906.10771.
    """
    channels = channels or find_channel_groups(model)
    gates = {name: _gate(model, name, channels) for name in _producers(channels)}
    variables = [variable for gate in gates.values() for variable in gate]
    squares: dict[str, Any] = {group.name: 0.0 for group in channels.groups}
    count = 0
    for inputs, targets, *_ in batches:
        gradients = iter(_gradients(model, inputs, targets, loss, variables))
        changes: dict[str, Any] = {
            name: sum(_per_channel(v.numpy(), next(gradients)) for v in gate)
            for name, gate in gates.items()
        }
        for name, change in _of_groups(channels, changes, np.sum).items():
            squares[name] = squares[name] + change**2
        count += 1
    if not count:
        raise DataError("`batches` is empty: the gradient needs at least one batch.")
    if not all(np.isfinite(values).all() for values in squares.values()):
        raise DataError("A gradient is not finite. Are there damaged weights, or NaN in `batches`?")
    return {name: values / count for name, values in squares.items()}


def _producers(channels: ChannelMap) -> list[str]:
    return [name for group in channels.groups for name in group.producers]


def _gate(model: "keras.Model", producer: str, channels: ChannelMap) -> list:
    """Return the weights whose product with their gradient is that of the activation."""
    if producer in channels.norms:
        norm = model.get_layer(channels.norms[producer])
        if norm.gamma is not None and norm.beta is not None:
            return [norm.gamma, norm.beta]
    layer = model.get_layer(producer)
    return [layer.kernel] if layer.bias is None else [layer.kernel, layer.bias]


def _gradients(
    model: "keras.Model", inputs: np.ndarray, targets: np.ndarray, loss: Any, variables: list
) -> list[np.ndarray]:
    import keras
    import tensorflow as tf

    values = [variable.value for variable in variables]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(values)  # also what is frozen
        result = keras.ops.mean(loss(targets, model(inputs, training=False)))
    zero = tf.UnconnectedGradients.ZERO
    gradients = tape.gradient(result, values, unconnected_gradients=zero)
    return [gradient.numpy() for gradient in gradients]


def _per_channel(weight: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    return (weight.astype("float64") * gradient).sum(axis=tuple(range(weight.ndim - 1)))


def _of_groups(
    channels: ChannelMap, values: dict[str, np.ndarray], join: Callable[..., Any]
) -> Scores:
    """Join what the producers of each group say about its channels."""
    scores = {}
    for group in channels.groups:
        told = np.zeros((len(group.producers), channels.count))
        knows = np.zeros((len(group.producers), channels.count), bool)
        for row, name in enumerate(group.producers):
            told[row, channels.layers[name].gives] = values[name]
            knows[row, channels.layers[name].gives] = True
        scores[group.name] = np.array(
            [join(told[knows[:, number], number]) for number in group.channels]
        )
    return scores


def check_scores(scores: Scores, channels: ChannelMap) -> None:
    """Raise unless scores fit the groups of a model.

    Args:
        scores: For each group to be pruned, by name, one number per channel.
        channels: The model's groups.

    Raises:
        ValueError: If a name or a length does not fit, or a number is not finite.
    """
    sizes = {group.name: len(group) for group in channels.groups}
    for name, values in scores.items():
        if name not in sizes:
            raise ValueError(
                f"`scores` has {name!r}, which is no group of channels. Use the names and the "
                "order of find_channel_groups(model)."
            )
        if np.shape(values) != (sizes[name],) or not np.isfinite(values).all():
            raise ValueError(
                f"`scores` of {name!r} must be {sizes[name]} finite numbers, one per channel, "
                f"not an array of shape {np.shape(values)}."
            )
