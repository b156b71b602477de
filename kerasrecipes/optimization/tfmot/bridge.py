"""A Keras 3 model repeated with layers of tf_keras, and its weights brought back.

TensorFlow Model Optimization (TFMOT) takes models of tf_keras, the Keras 2 of today, alone.
"""

import numbers
import os
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.errors import listed
from kerasrecipes.keras_private import has_graph, nodes_in_order, run_graph
from kerasrecipes.surgery.rebuilding import is_functional

if TYPE_CHECKING:
    import keras
    import tf_keras

_LEGACY = "TF_USE_LEGACY_KERAS"
_CONVOLUTION = (
    "kernel_size", "strides", "padding", "data_format", "dilation_rate", "use_bias", "activation",
)  # fmt: skip
_POOL = ("pool_size", "strides", "padding", "data_format")
_GLOBAL_POOL = ("data_format", "keepdims")
# What a layer of tf_keras is told of its counterpart in Keras 3. How weights begin and are
# regularized is not among it: they are copied, and trained by the loss alone.
_FIELDS: dict[str, tuple[str, ...]] = {
    "Activation": ("activation",),
    "Add": (),
    "AveragePooling2D": _POOL,
    "BatchNormalization": ("axis", "momentum", "epsilon", "center", "scale"),
    "Concatenate": ("axis",),
    "Conv2D": ("filters", "groups", *_CONVOLUTION),
    "Dense": ("units", "use_bias", "activation"),
    "DepthwiseConv2D": ("depth_multiplier", *_CONVOLUTION),
    "Dropout": ("rate", "noise_shape", "seed"),
    "Flatten": ("data_format",),
    "GlobalAveragePooling2D": _GLOBAL_POOL,
    "GlobalMaxPooling2D": _GLOBAL_POOL,
    "LayerNormalization": ("axis", "epsilon", "center", "scale"),
    "MaxPooling2D": _POOL,
    "Multiply": (),
    "Permute": ("dims",),
    "ReLU": ("max_value", "negative_slope", "threshold"),
    "Rescaling": ("scale", "offset"),
    "Reshape": ("target_shape",),
    "SeparableConv2D": ("filters", "depth_multiplier", *_CONVOLUTION),
    "Softmax": ("axis",),
    "UpSampling2D": ("size", "data_format", "interpolation"),
    "ZeroPadding2D": ("padding", "data_format"),
}


def import_tfmot() -> tuple[ModuleType, ModuleType]:
    """Import TFMOT and tf_keras, and leave Keras 3 and the environment as they were.

    Importing TFMOT tells the whole process, and those that it starts, to use tf_keras.

    Returns:
        `tensorflow_model_optimization` and `tf_keras`.

    Example:
        >>> tfmot, tf_keras = import_tfmot()
        >>> tf_keras.__version__[0], "TF_USE_LEGACY_KERAS" in os.environ
        ('2', False)
    """
    import tensorflow as tf

    before = os.environ.get(_LEGACY)
    # What `tf.keras` is gets decided when it is first used: here, before TFMOT does it.
    getattr(tf.keras, "__version__", None)
    try:
        import tensorflow_model_optimization as tfmot
        import tf_keras
    finally:
        if before is None:
            os.environ.pop(_LEGACY, None)
        else:
            os.environ[_LEGACY] = before
    return tfmot, tf_keras


def to_tf_keras(model: "keras.Model") -> "tf_keras.Model":
    """Repeat a Keras 3 model with layers of tf_keras, of the same names and weights.

    Args:
        model: A flat functional model of one input; see `backbones.rebuilding.flattened`.

    Returns:
        A model that answers the same. Regularizers, constraints and frozen layers are not
        repeated.

    Raises:
        ValueError: If a layer has no counterpart; nothing was built then.

    Example:
        >>> twin = to_tf_keras(get_backbone("efficientnet_lite0").build(32, None))
        >>> type(twin).__module__.split(".")[0], twin.count_params()
        ('tf_keras', 3413024)
    """
    _check(model)
    _, tf_keras = import_tfmot()
    made: dict[str, Callable] = {}

    def counterpart(operation: Any) -> Callable:
        if operation.name not in made:
            made[operation.name] = _counterpart(operation, tf_keras.layers)
        return made[operation.name]

    photo = model.inputs[0]
    given = tf_keras.Input(batch_shape=photo.shape, dtype=photo.dtype, name=photo.name)
    outputs = run_graph(model, [given], counterpart)
    twin = tf_keras.Model(given, outputs, name=model.name)
    for layer in _weighted(model):
        twin.get_layer(layer.name).set_weights(layer.get_weights())
    return twin


def copy_back(twin: "tf_keras.Model", model: "keras.Model") -> None:
    """Give a Keras 3 model the weights of its counterpart.

    Args:
        twin: What `to_tf_keras` made of it, trained, without the wrappers of TFMOT.
        model: The model, changed in place.

    Raises:
        ValueError: If a layer is missing there, or has other weights; nothing was changed then.
    """
    found = {layer.name: layer.get_weights() for layer in twin.layers}
    wrong = [
        layer.name
        for layer in _weighted(model)
        if [np.shape(one) for one in found.get(layer.name, ())]
        != [tuple(one.shape) for one in layer.weights]
    ]
    if wrong:
        raise ValueError(
            f"`twin` has no weights that fit the layers {listed(wrong)} of {model.name!r}. Strip "
            "the wrappers off first: strip_pruning, strip_clustering."
        )
    for layer in _weighted(model):
        layer.set_weights(found[layer.name])


def _weighted(model: "keras.Model") -> list["keras.Layer"]:
    # Normalization has become two constants.
    return [one for one in model.layers if one.weights and type(one).__name__ in _FIELDS]


def _check(model: "keras.Model") -> None:
    """Name all that cannot be repeated, before anything is built."""
    if not is_functional(model) or len(model.inputs) != 1 or not has_graph(model):
        raise ValueError(
            f"`model` must be a functional keras.Model of one input, and {model.name!r} is a "
            f"{type(model).__name__}. Build it from keras.Input to outputs."
        )
    wrong = {}
    for node in nodes_in_order(model):
        if not node.is_input and (reason := _reason(node)):
            wrong[node.operation.name] = reason
    if wrong:
        raise ValueError(
            f"{len(wrong)} layers of {model.name!r} have no counterpart in tf_keras, which TFMOT "
            f"works on: {listed([f'{name} ({reason})' for name, reason in wrong.items()])}. "
            "Use what works without TFMOT, e.g. engine='native', or a backbone and a head without "
            "them: `pooling='gem'` and `cosine` are made of such layers."
        )


def _reason(node: Any) -> str:
    """Say why a call of a layer cannot be repeated; empty if it can."""
    operation = node.operation
    kind = type(operation).__name__
    if _is_arithmetic(operation):
        given = {id(tensor) for tensor in node.input_tensors}
        constants = [value for value in node.arguments.args if id(value) not in given]
        plain = all(isinstance(value, numbers.Real) for value in constants)
        return "" if plain and not node.arguments.kwargs else f"keras.ops.{kind.lower()}"
    if is_functional(operation):
        return "a model within the model; flatten it first"
    if kind == "Normalization":
        return "" if operation.invert is False else "inverted Normalization"
    if kind not in _FIELDS or not type(operation).__module__.startswith("keras."):
        return kind
    activation = operation.get_config().get("activation")
    known = activation is None or (isinstance(activation, str) and activation in _ACTIVATIONS)
    return "" if known else f"the activation {activation!r}"


def _is_arithmetic(operation: Any) -> bool:
    """Say whether it is a `+` or `*` between tensors, or with a number, as in MobileNetV3."""
    kind = type(operation)
    return kind.__name__ in {"Add", "Multiply"} and kind.__module__.endswith("ops.numpy")


def _counterpart(operation: Any, layers: ModuleType) -> Callable:
    """Return what repeats a layer: one of tf_keras, called without Keras 3's own arguments."""
    if _is_arithmetic(operation):
        return _arithmetic(operation, layers)
    kind, config = type(operation).__name__, operation.get_config()
    if kind == "Normalization":
        mean, variance = (np.asarray(one) for one in (operation.mean, operation.variance))
        layer = layers.Normalization(
            axis=operation.axis, mean=mean, variance=variance, name=operation.name
        )
    else:
        settings = {field: config[field] for field in _FIELDS[kind]}
        if "activation" in settings:
            settings["activation"] = _ACTIVATIONS[settings["activation"] or "linear"]
        layer = getattr(layers, kind)(name=operation.name, **settings)
    return lambda *args, training=None, mask=None: layer(*args)


def _arithmetic(operation: Any, layers: ModuleType) -> Callable:
    adds = type(operation).__name__ == "Add"

    def apply(left: Any, right: Any) -> Any:
        given = [one for one in (left, right) if not isinstance(one, numbers.Real)]
        if len(given) == 2:
            return (layers.Add if adds else layers.Multiply)(name=operation.name)(given)
        (number,) = (one for one in (left, right) if isinstance(one, numbers.Real))
        scale, offset = (1.0, number) if adds else (number, 0.0)
        return layers.Rescaling(scale, offset, name=operation.name)(given[0])

    return apply


def hard_sigmoid(x: Any) -> Any:
    """Return Keras 3's function of that name; that of tf_keras is another one."""
    return relu6(x + 3.0) / 6.0


def hard_silu(x: Any) -> Any:
    """Return Keras 3's function of that name, which tf_keras lacks."""
    return x * hard_sigmoid(x)


def relu6(x: Any) -> Any:
    """Return Keras 3's function of that name, which tf_keras lacks."""
    import tensorflow as tf

    return tf.nn.relu6(x)


# A name where both mean the same.
_ACTIVATIONS: dict[str, str | Callable] = {
    **{
        name: name
        for name in
        ("elu", "gelu", "linear", "relu", "selu", "sigmoid", "softmax", "softplus", "tanh")
    },
    "silu": "swish",
    "hard_sigmoid": hard_sigmoid,
    "hard_silu": hard_silu,
    "relu6": relu6,
}  # fmt: skip
