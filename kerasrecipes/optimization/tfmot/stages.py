"""TFMOT's pruning, clustering and quantization-aware training, on Keras 3 models by the bridge."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.environment import silenced
from kerasrecipes.errors import VerificationError, listed, printable, unknown_name
from kerasrecipes.keras_private import nodes_in_order
from kerasrecipes.optimization.tfmot.bridge import copy_back, import_tfmot, to_tf_keras
from kerasrecipes.quantization.plan import SMALL_HEAD
from kerasrecipes.surgery.rebuilding import is_functional

if TYPE_CHECKING:
    import keras
    import tf_keras

# What is held while a model is trained for 8 bits: the zeros, or the shared values, or both.
SCHEMES = ("qat", "pqat", "cqat", "pcqat")
_SCALING = ("Rescaling", "Normalization")
# Trains a model of tf_keras with further callbacks.
Fit = Callable[["tf_keras.Model", Sequence[Any]], object]


def prune_by_tfmot(model: "keras.Model", fit: Fit, schedule: Any) -> None:
    """Set kernels to zero by TFMOT's `prune_low_magnitude` while the model trains.

    `MagnitudePruning` does the same without tf_keras, and can also be resumed.

    Args:
        model: A flat functional model; its weights change in place.
        fit: Called as `fit(twin, callbacks)`; trains the model of tf_keras that it is given.
        schedule: `tfmot.sparsity.keras.PolynomialDecay` or another of its schedules.

    Raises:
        ValueError: If a layer cannot be repeated with tf_keras.

    Reference:
        Zhu and Gupta, 2017, "To Prune, or Not to Prune", equation 1, arXiv 1710.01878.
    """
    tfmot, tf_keras = import_tfmot()
    sparsity = tfmot.sparsity.keras

    def wrap(layer: Any) -> Any:
        return sparsity.prune_low_magnitude(layer, schedule) if _has_kernel(layer) else layer

    wrapped = _cloned(to_tf_keras(model), wrap, tf_keras)
    fit(wrapped, [sparsity.UpdatePruningStep()])
    copy_back(sparsity.strip_pruning(wrapped), model)


def cluster_by_tfmot(
    model: "keras.Model", fit: Fit, clusters: int = 16, *, keep_zeros: bool = False
) -> None:
    """Let kernels get along with few values by TFMOT's `cluster_weights` while the model trains.

    Args:
        model: A flat functional model; its weights change in place.
        fit: Called as `fit(twin, callbacks)`; trains the model of tf_keras that it is given.
        clusters: Values per kernel, from 2 on, spaced evenly in the beginning.
        keep_zeros: Whether what is zero stays zero.

    Raises:
        ValueError: If a layer cannot be repeated with tf_keras.

    Reference:
        Han et al., 2016, "Deep Compression", section 3, arXiv 1510.00149.
    """
    tfmot, tf_keras = import_tfmot()
    from tensorflow_model_optimization.python.core.clustering.keras.experimental import cluster

    start = tfmot.clustering.keras.CentroidInitialization.LINEAR

    def wrap(layer: Any) -> Any:
        if not _has_kernel(layer):
            return layer
        return cluster.cluster_weights(layer, clusters, start, preserve_sparsity=keep_zeros)

    wrapped = _cloned(to_tf_keras(model), wrap, tf_keras)
    fit(wrapped, [])
    copy_back(tfmot.clustering.keras.strip_clustering(wrapped), model)


@dataclass(frozen=True)
class QuantizedTwin:
    """A model of tf_keras that rounds as its int8 file will.

    Args:
        model: Maps float photos `(n, height, width, 3)`, 0…255, to scores; train this one.
        core: The part of it behind the scaling of the photo, with TFMOT's wrappers.
        scheme: One of `SCHEMES`.
    """

    model: "tf_keras.Model"
    core: "tf_keras.Model"
    scheme: str

    def convert(self, output: str = "scores") -> bytes:
        """Convert to `.tflite` bytes: one uint8 photo in, float scores out, int8 between.

        No calibration photos are needed: the ranges were learned in training.

        Args:
            output: What the file calls the scores.

        Raises:
            VerificationError: If TFLite has no built-in operator for one of the model's.
        """
        import tensorflow as tf

        tfmot, tf_keras = import_tfmot()
        if self.scheme in {"cqat", "pcqat"}:
            tfmot.experimental.combine.strip_clustering_cqat(self.core)
        photo = tf_keras.Input(batch_shape=(1, *self.model.input_shape[1:]), dtype="uint8")
        scores = self.model(tf.cast(photo, tf.float32), training=False)
        # Its signature calls an answer as the layer that it comes from.
        scores = tf_keras.layers.Activation("linear", name=output)(scores)
        whole = tf_keras.Model(photo, scores)
        converter = tf.lite.TFLiteConverter.from_keras_model(whole)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        try:
            with silenced(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return converter.convert()
        except Exception as error:  # The converter raises whatever it likes.
            lines = [line for line in str(error).splitlines() if line.strip()] or [repr(error)]
            raise VerificationError(
                "The quantization-aware model cannot be converted to TFLite with built-in "
                f"operators only: {printable(lines[-1])[:300]} Use engine='native'."
            ) from error


def quantization_aware_twin(model: "keras.Model", scheme: str = "qat") -> QuantizedTwin:
    """Make a model of tf_keras that rounds weights and activations as an int8 file does.

    BatchNormalization is annotated like all other layers, so that the converter folds it. The
    scaling of the photo stays in float, and so does the head, unless it is large.

    Args:
        model: A flat functional classifier of photos; it stays as it is.
        scheme: `"qat"`; `"pqat"` to hold the zeros of a pruned model, `"cqat"` the shared values
            of a clustered one, `"pcqat"` both.

    Returns:
        The model, to be trained.

    Raises:
        ValueError: If `scheme` is unknown, or TFMOT cannot quantize a layer.

    Reference:
        Jacob et al., 2018, "Quantization and Training of Neural Networks for Efficient
        Integer-Arithmetic-Only Inference", section 3, arXiv 1712.05877.
    """
    if scheme not in SCHEMES:
        raise unknown_name("scheme", scheme, SCHEMES, "help(quantization_aware_twin)")
    scaling, core = _without_scaling(model)
    tfmot, tf_keras = import_tfmot()
    plain = to_tf_keras(core)
    quantization = tfmot.quantization.keras
    quantized = _layers_to_quantize(plain)
    _check_support(model.name, quantized, quantization.default_8bit)
    names = {layer.name for layer in quantized}

    def annotate(layer: Any) -> Any:
        return quantization.quantize_annotate_layer(layer) if layer.name in names else layer

    annotated = _cloned(plain, annotate, tf_keras)
    aware = quantization.quantize_apply(annotated, _tfmot_scheme(scheme, tfmot))
    photo = tf_keras.Input(model.input_shape[1:], name="photo")
    x = photo
    if scaling is not None:
        x = to_tf_keras(scaling)(x)
    return QuantizedTwin(tf_keras.Model(photo, aware(x), name=model.name), aware, scheme)


def learn_ranges(model: "tf_keras.Model", photos: np.ndarray, batch_size: int = 32) -> None:
    """Set the ranges of a model's activations to what photos give, before it is trained.

    TFMOT begins with -6…6 and goes a thousandth of the way in each step, so that a training of
    some hundred steps would end with ranges that have little to do with the model.

    Args:
        model: What `quantization_aware_twin` made, with BatchNormalization held still.
        photos: Training photos, shape `(n, height, width, 3)`, values 0…255.
        batch_size: Photos that are computed at a time.
    """
    import_tfmot()  # tf_keras must be in force before any of it is imported
    import tensorflow as tf
    from tensorflow_model_optimization.python.core.quantization.keras import quant_ops

    seen: set[Any] = set()

    def widen(inputs: Any, min_var: Any, max_var: Any, **_: Any) -> Any:
        """Take the place of TFMOT's average: remember the extremes, and round nothing yet."""
        low = tf.minimum(tf.reduce_min(inputs), 0.0)
        high = tf.maximum(tf.reduce_max(inputs), 0.0)
        known = min_var.ref() in seen
        min_var.assign(tf.minimum(low, min_var) if known else low)
        max_var.assign(tf.maximum(high, max_var) if known else high)
        seen.add(min_var.ref())
        return inputs

    follow, quant_ops.MovingAvgQuantize = quant_ops.MovingAvgQuantize, widen
    try:
        for start in range(0, len(photos), batch_size):
            model(tf.cast(photos[start : start + batch_size], tf.float32), training=True)
    finally:
        quant_ops.MovingAvgQuantize = follow


def _tfmot_scheme(scheme: str, tfmot: Any) -> Any:
    combined = tfmot.experimental.combine
    if scheme == "pqat":
        return combined.Default8BitPrunePreserveQuantizeScheme()
    if scheme in {"cqat", "pcqat"}:
        return combined.Default8BitClusterPreserveQuantizeScheme(scheme == "pcqat")
    return tfmot.quantization.keras.default_8bit.Default8BitQuantizeScheme()


def _without_scaling(model: "keras.Model") -> tuple["keras.Model | None", "keras.Model"]:
    """Split a model behind the layers that scale the photo; `None` if it begins with none."""
    import keras

    if not is_functional(model) or len(model.inputs) != 1:
        return None, model  # `to_tf_keras` says what is wrong
    tensor = model.inputs[0]
    nodes = [node for node in nodes_in_order(model) if not node.is_input]
    for node in nodes:
        if type(node.operation).__name__ not in _SCALING or node.input_tensors != [tensor]:
            break
        tensor = node.outputs[0]
    if tensor is model.inputs[0]:
        return None, model
    return keras.Model(model.input, tensor), keras.Model(tensor, model.output, name=model.name)


def _layers_to_quantize(twin: "tf_keras.Model") -> list[Any]:
    """Return all layers but those that see no photo any more, behind pooling, if these are small.

    They cost accuracy, and save next to nothing; as in post-training int8.
    """
    layers = twin.layers[1:]
    body = [layer for layer in layers if len(layer.output_shape) == 4]
    head = sum(layer.count_params() for layer in layers if layer not in body)
    return body if body and head <= SMALL_HEAD * twin.count_params() else layers


def _check_support(name: str, layers: Sequence[Any], default: Any) -> None:
    """Name all layers that TFMOT cannot quantize; itself it names the first one."""
    registry = default.Default8BitQuantizeRegistry()

    def supported(layer: Any) -> bool:
        if type(layer).__name__ == "BatchNormalization":
            before = type(layer.inbound_nodes[0].inbound_layers).__name__
            return "Conv" in before or before == "Dense"
        activation = getattr(layer, "activation", None)
        ours = getattr(activation, "__module__", "").startswith("kerasrecipes.")
        return registry.supports(layer) and not ours

    wrong = [f"{layer.name} ({type(layer).__name__})" for layer in layers if not supported(layer)]
    if wrong:
        raise ValueError(
            f"TFMOT cannot quantize {len(wrong)} layers of {name!r}: {listed(wrong)}. Use "
            "engine='native', or a backbone of plain convolutions, e.g. 'efficientnet_lite0' or "
            "'mobilenet_v2'. (It folds BatchNormalization that directly follows a convolution.)"
        )


def _has_kernel(layer: Any) -> bool:
    # As in `find_kernels`; a depthwise convolution is a kind of Conv2D in neither.
    return type(layer).__name__ in {"Conv2D", "Dense"}


def _cloned(twin: "tf_keras.Model", renewed: Callable[[Any], Any], tf_keras: Any) -> Any:
    """Repeat a model with other layers around its own, which keep their weights."""
    return tf_keras.models.clone_model(
        twin,
        clone_function=lambda layer: (
            layer if isinstance(layer, tf_keras.layers.InputLayer) else renewed(layer)
        ),
    )
