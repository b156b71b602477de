"""Trying with a model, before it is trained, what it must stand afterwards: save, load, convert."""

import json
import random
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.environment import silenced
from kerasrecipes.errors import listed, printable
from kerasrecipes.files import TemporaryFolder
from kerasrecipes.keras_private import find_global_generator, nodes_in_order, put_global_generator
from kerasrecipes.surgery.converting.converter import tflite_converter
from kerasrecipes.surgery.converting.refusals import why_refused
from kerasrecipes.surgery.rebuilding import as_functional, is_functional, reason_and_remedy

if TYPE_CHECKING:
    import keras

TOLERANCE = 1e-3
# What is known to be saved, loaded and converted as it is. Everything else is tried.
PROVEN = {
    "keras.src.layers.": frozenset(
        """Activation Add Average AveragePooling2D BatchNormalization Concatenate Conv2D
        Conv2DTranspose Cropping2D Dense DepthwiseConv2D Dropout ELU Embedding Flatten
        GaussianDropout GaussianNoise GlobalAveragePooling2D GlobalMaxPooling2D Identity
        LayerNormalization LeakyReLU MaxPooling2D Maximum MultiHeadAttention Multiply
        Normalization PReLU Permute ReLU Rescaling Reshape SeparableConv2D Softmax
        SpatialDropout2D Subtract UpSampling2D ZeroPadding2D""".split()
    ),
    "keras.src.ops.": frozenset(
        """Absolute Add Any Cast Clip Concatenate Cumsum Divide ExpandDims GetItem HardSigmoid
        HardSilu Max Maximum Mean Minimum Multiply Negative NotEqual Power Relu Relu6 Reshape
        Sigmoid Silu Softmax Sqrt Square Subtract Sum Swapaxes Tanh Transpose TrueDivide
        ZerosLike""".split()
    ),
}
# So many of one class, made in different ways, are tried.
MOST_OF_A_KIND = 4
_PLAIN = (bool, int, float, str, slice, type(None), type(...))
# What was tried in this process, with what is wrong in a file, and in a .tflite file.
_TRIED: dict[str, tuple[str, str]] = {}


def rehearse(model: "keras.Model", name: str) -> None:
    """Find out which layers of a model could not be saved and loaded, or converted.

    What is not known to stand it is tried by itself, each kind once in a process, which takes
    milliseconds for most models. Random numbers that are drawn later are as before. A layer that
    no `.tflite` file can have is named in a warning.

    Args:
        model: A functional model, or one made of such.
        name: What the user calls it.

    Raises:
        ValueError: If a file of it could not be loaded; the message names the layer.
    """
    with nothing_drawn():
        unproven = dict(_unproven(model))
        for key, node in unproven.items():
            if key not in _TRIED:
                _TRIED[key] = _faults(node)
    for key, node in unproven.items():
        unsaved, unconverted = _TRIED[key]
        layer = f"its layer {listed([node.operation.name])} ({type(node.operation).__name__})"
        if unsaved:
            raise ValueError(
                f"The model {name!r} could be trained, but not saved and loaded: {layer} {unsaved}"
            )
        if unconverted:
            warnings.warn(
                f"The model {name!r} can be trained and saved, but not exported to .tflite: "
                f"{layer} does not convert, since {unconverted}. Replace it, or choose another "
                "format.",
                stacklevel=4,
            )


def _unproven(model: "keras.Model") -> Iterator[tuple[str, Any]]:
    """Yield some calls of each kind of operation that nothing is known of, after what tells it."""
    found: Counter[type] = Counter()
    for node in nodes_in_order(as_functional(model)):
        operation = node.operation
        if is_functional(operation):
            yield from _unproven(operation)
        elif not node.is_input:
            try:
                config, foreign = operation.get_config(), False
                foreign = _has_foreign(config)
            except Exception:  # what a layer of the user raises is not foreseeable
                config, foreign = {"id": id(operation)}, True
            kind = type(operation)
            most = 1 if _is_kerass(kind) and not foreign else MOST_OF_A_KIND
            if (foreign or not _is_proven(node)) and found[kind] < most:
                found[kind] += 1
                config = {key: value for key, value in config.items() if key != "name"}
                takes = [(len(tensor.shape), tensor.dtype) for tensor in node.input_tensors]
                yield f"{kind.__module__}.{kind.__qualname__} {id(kind)} {config} {takes}", node


def _is_kerass(kind: type) -> bool:
    return kind.__module__.startswith("keras.")


def _is_proven(node: Any) -> bool:
    import keras

    kind = type(node.operation)
    if kind.__module__.startswith("kerasrecipes."):
        return True
    given = keras.tree.flatten((node.arguments.args, node.arguments.kwargs))
    return all(isinstance(one, (keras.KerasTensor, *_PLAIN)) for one in given) and any(
        kind.__module__.startswith(room) and kind.__name__ in names
        for room, names in PROVEN.items()
    )


def _has_foreign(config: Any) -> bool:
    """Say whether a config has an object in it that is not one of Keras's own."""
    if isinstance(config, dict):
        if "class_name" in config and "config" in config:
            origin = f"{config.get('module')} {config.get('registered_name')}"
            own = origin.startswith(("keras.", "keras ", "None kerasrecipes>"))
            if not own or config["class_name"] in {"function", "__lambda__"}:
                return True
        return any(map(_has_foreign, config.values()))
    if isinstance(config, list | tuple):
        return any(map(_has_foreign, config))
    return not isinstance(config, _PLAIN)


def _faults(node: Any) -> tuple[str, str]:
    """Save, load and convert one operation, and say what does not work."""
    import keras

    try:
        text = json.dumps(keras.saving.serialize_keras_object(node.operation))
        keras.saving.deserialize_keras_object(json.loads(text), safe_mode=True)
    except Exception as error:  # of the user's own code, or of Keras that refuses it
        return reason_and_remedy(node.operation, error), ""
    made = {
        id(tensor): keras.Input(
            batch_shape=(1, *tensor.shape[1:]), dtype=tensor.dtype, name=f"tried_{index}"
        )
        for index, tensor in enumerate(node.input_tensors)
    }
    args, kwargs = node.arguments.fill_in(made)
    model = keras.Model(list(made.values()), node.operation(*args, **kwargs), name="tried")
    return _save_fault(model), _conversion_fault(model)


def _save_fault(model: "keras.Model") -> str:
    """Say what is wrong with a model that comes back from a file; nothing if it is the same."""
    import keras

    rng = np.random.default_rng(0)
    given = [
        rng.uniform(0, 1, [side or 2 for side in tensor.shape]).astype(
            keras.backend.standardize_dtype(tensor.dtype)
        )
        for tensor in model.inputs
    ]
    try:
        with TemporaryFolder() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.save(folder / "tried.keras")
            again = keras.models.load_model(folder / "tried.keras", compile=False)
        pairs = [keras.tree.flatten(one(given, training=False)) for one in (model, again)]
        # Some say yes or no, and some are complex.
        both = ([np.asarray(one).astype(complex) for one in outputs] for outputs in pairs)
        gaps = [np.abs(a - b).max() for a, b in zip(*both, strict=True)]
    except Exception as error:  # of the user's own code, or of Keras that refuses it
        reason = printable(str(error).rpartition("Exception encountered:")[2].strip())[:200]
        return f"does not come back from a file: {reason or type(error).__name__}"
    if all(gap <= TOLERANCE for gap in gaps):
        return ""
    return (
        "computes something else when it comes back from a file. Let its `get_config` tell all "
        "arguments, and let `add_weight` make whatever it learns."
    )


def _conversion_fault(model: "keras.Model") -> str:
    """Say why a model does not convert with built-in operators; nothing if it does, or if there
    is no graph of TensorFlow here to convert."""
    import keras

    if keras.backend.backend() != "tensorflow":
        return ""

    try:
        with silenced(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with tflite_converter(model) as converter:
                converter.convert()
    except Exception as error:  # the converter raises its own and built-in types
        return why_refused(error, model)
    return ""


@contextmanager
def nothing_drawn() -> Iterator[None]:
    """Leave the generators from which layers draw their seeds as they were."""
    python, unseeded = random.getstate(), find_global_generator()
    try:
        yield
    finally:
        random.setstate(python)
        put_global_generator(unseeded)
