"""A training step in parts: in less memory, or on several devices, the same step.

Keras's own accumulation counts steps, and takes a mean of means, also of unequal batches. Here
a batch is cut inside its step: the order of the photos, their mixtures, the schedule and what
callbacks see stay as they are, and each photo counts as in the whole batch.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.engine.devices.devices import Devices

if TYPE_CHECKING:
    import keras

ALONE = Devices()


def stage_model(
    begin: "keras.KerasTensor", end: "keras.KerasTensor", parts: int = 1, devices: Devices = ALONE
) -> "keras.Model":
    """Build the model that a stage trains.

    Args:
        begin: Where training begins, a Keras tensor.
        end: What the loss is computed on.
        parts: In how many parts, one after the other, to compute the gradient of a batch.
        devices: What shares each batch.

    Returns:
        A functional `keras.Model`.
    """
    import keras

    if parts == 1 and devices.count == 1:
        return keras.Model(begin, end)

    class SplitModel(keras.Model):
        def compile(self, *args: Any, **options: Any) -> None:
            # Parts differ in size, which XLA would compile one by one.
            super().compile(*args, jit_compile=False, **options)

        def train_step(self, data: Any) -> Any:
            return _train_in_parts(self, data, parts, devices)

        def test_step(self, data: Any) -> Any:
            return _test_share(self, data, devices)

        def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
            # Keras takes the mean of the devices' first shares, which must not differ in size.
            shapes = self.inputs[0].shape[1:], self.outputs[0].shape[1:], ()
            self._symbolic_build(data_batch=tuple(np.zeros((2, *one), "float32") for one in shapes))

    return SplitModel(begin, end)


def _train_in_parts(model: "keras.Model", data: Any, parts: int, devices: Devices) -> Any:
    import tensorflow as tf

    batch = _without_nothing(data)
    count = _count(data)
    everywhere = devices.summed([count])[0] if devices.count > 1 else count
    # Keras divides each loss by the number of replicas already.
    factor = _replicas() * tf.minimum(count, 1.0) / everywhere
    loss, gradients, scores = _part_by_part(model, batch, parts, factor)
    if devices.count > 1:
        gradients = devices.summed(gradients)
    model.optimizer.apply_gradients(zip(gradients, model.trainable_weights, strict=True))
    return _measured(model, data, loss, scores, devices)


def _test_share(model: "keras.Model", data: Any, devices: Devices) -> Any:
    inputs, target, weight = _without_nothing(data)
    scores = model(inputs, training=False)
    loss = model.compute_loss(inputs, target, scores, weight, training=False)
    return _measured(model, data, loss, scores, devices)


def _without_nothing(data: Any) -> list:
    """Replace no photos by an empty one: a device may get none of an epoch's last batch, and
    the loss of nothing is no number."""
    import tensorflow as tf

    none = tf.cast(tf.equal(tf.shape(data[1])[0], 0), tf.int32)
    empty = [tf.zeros(tf.concat([[none], tf.shape(rows)[1:]], 0), rows.dtype) for rows in data]
    return [tf.concat(pair, 0) for pair in zip(data, empty, strict=True)]


def _count(data: Any) -> Any:
    import tensorflow as tf

    return tf.cast(tf.shape(data[1])[0], tf.float32)


def _replicas() -> int:
    import tensorflow as tf

    return tf.distribute.get_replica_context().num_replicas_in_sync


def _measured(model: "keras.Model", data: Any, loss: Any, scores: Any, devices: Devices) -> dict:
    """Update the metrics by a device's photos, and return them for all devices."""
    import tensorflow as tf

    inputs, target, weight = data
    count = tf.shape(target)[0]
    losses, scores = tf.fill([count], _replicas() * loss), scores[:count]
    if devices.worker is not None:
        # Each worker has metrics of its own, and takes the same decisions by them.
        losses, target, weight, scores = devices.joined([losses, target, weight, scores])
    mean = next(metric for metric in model.metrics if metric.name == "loss")
    mean.update_state(losses)
    logs = model.compute_metrics(inputs, target, scores, sample_weight=weight)
    if devices.mirrored:
        # Keras would take the mean of the devices' means, whatever their share was.
        logs["loss"] = tf.math.divide_no_nan(*devices.summed([mean.total, mean.count]))
    return logs


def _part_by_part(model: "keras.Model", batch: list, parts: int, factor: Any) -> Any:
    """Return the mean loss of a batch, the sum of its photos' gradients, and its scores."""
    import tensorflow as tf

    variables = model.trainable_weights
    total = tf.shape(batch[1])[0]
    parts = tf.minimum(parts, total)

    def one_part(part: Any, loss: Any, gradients: Any, scores: Any) -> Any:
        begin, end = part * total // parts, (part + 1) * total // parts
        inputs, target, weight = (rows[begin:end] for rows in batch)
        count = tf.cast(end - begin, tf.float32)
        with tf.GradientTape() as tape:
            found = model(inputs, training=True)
            mean = model.compute_loss(inputs, target, found, weight, training=True)
            scaled = model.optimizer.scale_loss(mean * count * factor)
        found_gradients = tape.gradient(scaled, variables)
        gradients = [a + b for a, b in zip(gradients, found_gradients, strict=True)]
        share = count / tf.cast(total, tf.float32)
        return part + 1, loss + mean * share, gradients, scores.write(part, found)

    shape = model.outputs[0].shape
    scores = tf.TensorArray("float32", parts, infer_shape=False, element_shape=shape)
    zeros = [tf.zeros(variable.shape, variable.dtype) for variable in variables]
    _, loss, gradients, scores = tf.while_loop(
        lambda part, *_: part < parts, one_part, (0, 0.0, zeros, scores), parallel_iterations=1
    )
    return loss, gradients, scores.concat()
