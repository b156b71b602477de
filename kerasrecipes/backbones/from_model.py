"""Any functional Keras model as a backbone: flattened, cut before its head, divided into blocks."""

import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.backbones.scaling import SCALINGS, check_scaled_once
from kerasrecipes.backbones.weights_files import reason_of
from kerasrecipes.data.seen import seen_by
from kerasrecipes.data.shapes import MOST_CHANNELS, RGB
from kerasrecipes.errors import listed, printable, unknown_name
from kerasrecipes.keras_private import nodes_in_order, parts_of
from kerasrecipes.surgery.converting.rehearsal import rehearse
from kerasrecipes.surgery.graph import TAKEN, blocks_from_graph, find_cuts, model_name, not_ours
from kerasrecipes.surgery.model_config import check_calls
from kerasrecipes.surgery.rebuilding import (
    as_functional,
    copy_weights,
    follow,
    is_functional,
    rebuild,
    single_precision,
)

if TYPE_CHECKING:
    import keras

FREE_SIZE = (224, 224)
TOLERANCE = 1e-4
_ANY_SIZE = "Build it for batches of any size, and let its layers use keras.ops."
# A model in mixed precision, or that takes such photos, is copied into single precision, and rounds
# otherwise.
SHORT, SHORT_TOLERANCE = "float16", 0.05

_CHANNELS = range(1, MOST_CHANNELS + 1)
# What TensorFlow takes for a part of a graph's names; Keras takes more until it compiles a model.
_LAYER_NAME = re.compile(r"[A-Za-z0-9._\\>-]+")


def facts_of_model(
    model: "keras.Model", scaling: str, name: str | None, features: str | None, licence: str
) -> dict[str, Any]:
    """Find the fields of a `BackboneSpec` for a model of the user; see its `from_model`."""
    _check_arguments(model, scaling)
    template = _template(model, scaling, features)
    smallest, resizable = _smallest_size(template)
    name = f"model:{name or model.name}"

    def graph(photo: "keras.KerasTensor") -> "keras.KerasTensor":
        if not resizable and photo.shape[1:3] != template.inputs[0].shape[1:3]:
            height, width = template.inputs[0].shape[1:3]
            raise ValueError(
                f"`image_size` of {name!r} can only be {height}x{width}, the size that its model "
                f"was made for, not {photo.shape[1]}x{photo.shape[2]}."
            )
        return rebuild(template, photo, weights=False)

    return dict(
        name=name,
        family="user's model",
        summary=f"The Keras model {model.name!r}.",
        build_graph=graph,
        blocks=blocks_from_graph(template),
        image_size=tuple(template.inputs[0].shape[1:3]),
        channels=template.inputs[0].shape[-1],
        reads=template.inputs[0].shape[-1],
        min_image_size=smallest,
        feature_size=template.output_shape[-1],
        parameter_count=template.count_params(),
        weights="model",
        weights_licence=licence,
        weights_source=f"model {model.name!r} given to BackboneSpec.from_model",
        reference=f"{model_name(model.name)}, a model of the user",
        load_default=lambda built: copy_weights(template, built),
        seen=seen_by(parts_of(model)),
    )


def _check_arguments(model: "keras.Model", scaling: str) -> None:
    if scaling not in SCALINGS:
        raise ValueError(
            f"`scaling` must be one of {listed(SCALINGS)}, the values that the model wants to see, "
            f"not {scaling!r}. For another preprocessing, put it into the model and pass 'none'."
        )
    if not is_functional(model):
        raise ValueError(
            f"`model` must be a functional or built Sequential keras.Model, whose graph can be "
            f"read, not {type(model).__name__}. Write it as keras.Model(inputs, outputs)."
        )
    quantized = [part.name for part in parts_of(model) if getattr(part, "quantization_mode", None)]
    if quantized:
        raise ValueError(
            f"`model` computes in 8 bits in {listed(quantized, 3)}, which cannot be trained. Pass "
            "the model that it was before `quantize`."
        )
    shapes = [tuple(tensor.shape[1:]) for tensor in model.inputs]
    if len(shapes) != 1 or len(shapes[0]) != 3 or shapes[0][-1] not in _CHANNELS:
        raise ValueError(
            f"`model` must take one photo, RGB (height, width, 3), grey (height, width, 1), or of "
            f"up to {MOST_CHANNELS} channels; {model.name!r} takes {len(shapes)} input(s) of shape "
            f"{shapes}."
        )
    if shapes[0][-1] != RGB and scaling == "imagenet":
        raise ValueError(
            f"scaling='imagenet' has a mean for each of three colours, and {model.name!r} takes "
            f"photos of {shapes[0][-1]}. Put what it wants to see into the model, and pass "
            "scaling='none'."
        )
    takes = model.inputs[0].dtype
    if "int" in takes and scaling != "none":
        raise ValueError(
            f"The model {model.name!r} takes whole numbers ({takes}), so it scales photos itself. "
            "Pass scaling='none'."
        )
    if "int" not in takes and "float" not in takes:
        raise ValueError(f"`model` must take numbers; {model.name!r} takes {takes}.")


def flattened(model: "keras.Model", scaling: str) -> "keras.Model":
    """Copy a whole model, flat and with its weights, so that it takes photos of 0 to 255.

    Args:
        model: As in `BackboneSpec.from_model`.
        scaling: As there.

    Raises:
        ValueError: As there.
    """
    _check_arguments(model, scaling)
    return _copied(model, scaling, lambda flat: flat.output)


def _template(model: "keras.Model", scaling: str, features: str | None) -> "keras.Model":
    """Copy a model, flat and with its weights, from a photo of 0 to 255 to its feature map."""

    def feature_map(flat: "keras.Model") -> "keras.KerasTensor":
        found = _named(flat, features) if features else _last_feature_map(flat, model.name)
        if len(found.shape) != 4 or None in found.shape[1:]:
            raise ValueError(
                f"`features={features!r}` must be a layer that gives a feature map "
                f"(height, width, channels), not one of shape {tuple(found.shape[1:])}"
                + (
                    "."
                    if features
                    else f", as the last one of {model.name!r} does. Where a layer "
                    "takes sizes from keras.ops.shape, give its input a fixed height and width."
                )
            )
        return found

    template = _copied(model, scaling, feature_map)
    rehearse(template, model.name)
    return template


def _copied(
    model: "keras.Model", scaling: str, end: Callable[["keras.Model"], "keras.KerasTensor"]
) -> "keras.Model":
    """Copy a model from a photo of 0 to 255 to the tensor that `end` chooses in the copy."""
    import keras

    graph = as_functional(model)
    check_calls(graph, model.name)
    sides = zip(model.inputs[0].shape[1:3], FREE_SIZE, strict=True)
    shape = (*(own or free for own, free in sides), model.inputs[0].shape[-1])
    values = SCALINGS[scaling]
    made: list[int] = []
    # What is cut off with the head need not be made anew, so nothing is judged before.
    refused: dict[int, Exception] = {}

    def note(old: Any, new: "keras.KerasTensor") -> "keras.KerasTensor":
        made.append(id(new))
        return new

    try:
        with single_precision():
            photo = keras.Input(shape, name="photo", dtype="float32")
            scale = keras.layers.Rescaling(*values, name="scale") if values else lambda x: x
            options: dict[str, Any] = {"taken": TAKEN, "after": note, "refused": refused}
            flat = keras.Model(photo, rebuild(graph, photo, scale, single=True, **options))
    except (TypeError, ValueError, NotImplementedError) as error:
        raise _not_rebuilt(model, error) from error
    found = end(flat)
    template = keras.Model(photo, found)
    for operation in template.operations:
        if why := refused.get(id(operation)):
            raise _not_rebuilt(model, why) from why
    _check_layers(template, model.name, scaled=values is not None)
    if id(found) in made:
        _check_same(template, graph, scale, made.index(id(found)))
    return template


def _not_rebuilt(model: "keras.Model", error: Exception) -> ValueError:
    return ValueError(f"The model {model.name!r} cannot be rebuilt: {printable(error)[:700]}")


def _check_layers(flat: "keras.Model", name: str, scaled: bool) -> None:
    """Refuse what would be done twice, or leaks training behaviour into inference."""
    import keras

    image_layers = keras.layers.Resizing.__base__
    inside = [layer.name for layer in flat.layers if isinstance(layer, image_layers)]
    if inside:
        raise ValueError(
            f"The model {name!r} resizes or augments photos itself ({listed(inside)}), which the "
            "recipe does from the files. Build it without these layers."
        )
    unfit = [layer.name for layer in flat.layers if not _LAYER_NAME.fullmatch(layer.name)]
    if unfit:
        raise ValueError(
            f"The model {name!r} has layers called {listed(unfit, 3)}, which Keras takes, and a "
            "graph of TensorFlow does not: it could neither be trained nor exported. Call them by "
            "letters, digits, '_', '-' and '.' alone."
        )
    damaged = [
        layer.name
        for layer in flat.layers
        if any(np.isnan(value).any() for value in layer.get_weights())
    ]
    if damaged:
        raise ValueError(
            f"The model {name!r} has weights in {listed(damaged, 3)} that are NaN: its training "
            "went wrong. Pass the model as it was before."
        )
    if scaled:
        check_scaled_once(flat, name)


def _check_same(flat: "keras.Model", model: "keras.Model", scale: Any, place: int) -> None:
    """Compare a copy with its model, also on a batch of another size, where the copy ends: in the
    tensor that `rebuild` makes in this place."""
    import keras

    takes = model.inputs[0]
    count = takes.shape[0] or 1
    noise = np.random.default_rng(0).integers(0, 256, (count + 1, *flat.inputs[0].shape[1:]))
    photos = noise.astype(np.float32)
    given = keras.ops.cast(scale(photos[:count]), takes.dtype)
    passed: list[Any] = []

    def note(old: Any, new: Any) -> Any:
        passed.append(new if len(passed) == place else None)
        return new

    try:
        follow(model, given, note)
        one = np.asarray(keras.ops.cast(passed[place], "float32"))
        other = np.asarray(keras.ops.cast(flat(photos, training=False), "float32"))[:count]
    except Exception as error:  # of the user's own code, or the backend's own
        raise ValueError(
            f"The model {model.name!r} cannot be called on {count + 1} photos: {reason_of(error)}. "
            + (_advice(takes.dtype, flat) if "int" in takes.dtype else _ANY_SIZE)
        ) from error
    kinds = [takes.dtype, *(str(part.dtype_policy.compute_dtype) for part in parts_of(model))]
    tolerance = SHORT_TOLERANCE if any(SHORT in kind for kind in kinds) else TOLERANCE
    gap, size = float(np.abs(one - other).max()), float(np.abs(one).max())
    if not gap <= tolerance * max(size, 1.0):
        raise ValueError(
            f"The model {model.name!r} computes something else when it is rebuilt from the "
            f"configuration of its layers (a difference of {gap:.2g} on values up to "
            f"{size:.2g}). {_advice(takes.dtype, flat)}"
        )


def _advice(takes: str, flat: "keras.Model") -> str:
    if "int" in takes:
        return (
            f"Does it compute with {takes}? Let it begin with keras.layers.Rescaling, or with "
            "keras.ops.cast(photo, 'float32')."
        )
    own = [layer.name for layer in flat.layers if not type(layer).__module__.startswith("keras.")]
    whose = f"one of its own layers ({listed(own, 3)})" if own else "one of its layers"
    return f"Does {whose} leave an argument out of `get_config`?"


def _named(flat: "keras.Model", features: str) -> "keras.KerasTensor":
    names = [layer.name for layer in flat.layers]
    copied = f"{features}_1" if features in TAKEN else not_ours(features)
    features = copied if copied in names else features
    if features not in names:
        raise unknown_name("layer in `features`:", features, names, "model.summary()")
    return flat.get_layer(features).output


def _last_feature_map(flat: "keras.Model", name: str) -> "keras.KerasTensor":
    """Find the tensor before the head: the last map of height and width that all paths pass."""
    import keras

    pooling = (keras.layers.GlobalAveragePooling2D, keras.layers.GlobalMaxPooling2D)
    if len(flat.outputs) != 1:
        raise ValueError(
            f"The model {name!r} has {len(flat.outputs)} outputs. Pass `features`, the name of the "
            "layer whose output is the feature map."
        )
    nodes = nodes_in_order(flat)
    last, found = 0, None
    for index, tensor in find_cuts(flat, nodes):
        if isinstance(nodes[index].operation, pooling):
            break
        if len(tensor.shape) == 4:
            last, found = index, tensor
    strange = [node.operation.name for node in nodes[last + 1 :] if not _belongs_to_head(node)]
    if found is None or strange:
        where = f": {listed(strange, 3)} come after the last map" if strange else ""
        raise ValueError(
            f"Cannot tell where the feature map of {name!r} ends and its head begins{where}. Pass "
            "`features`, the name of the layer whose output is the feature map (height, width, "
            "channels). A network without one, as most transformers, cannot be a backbone."
        )
    return found


def _belongs_to_head(node: Any) -> bool:
    """Say whether a node may stand in a classification head: pool, normalise, map, score."""
    import keras
    from keras import layers

    operation = getattr(node.operation, "absent_layer", node.operation)
    if len(node.input_tensors) > 1 and not isinstance(operation, layers.Concatenate):
        return False
    if not isinstance(operation, keras.Layer) or not operation.weights:
        return True
    plain = (layers.Dense, layers.BatchNormalization, layers.LayerNormalization)
    pointwise = isinstance(operation, layers.Conv2D) and set(operation.kernel_size) == {1}
    return isinstance(operation, plain) or pointwise


def _smallest_size(template: "keras.Model") -> tuple[int, bool]:
    """Find a small image size that leaves a feature map, and whether sizes can differ at all."""
    import keras

    own: tuple[int, int, int] = template.inputs[0].shape[1:]
    shapes = [tuple(weight.shape) for weight in template.weights]
    side = max(math.ceil(a / b) for a, b in zip(own[:2], template.output_shape[1:3], strict=True))
    while side < min(own[:2]):
        photo = keras.Input((side, side, own[2]), name="photo", dtype="float32")
        try:
            small = keras.Model(photo, rebuild(template, photo, weights=False))
        except ValueError:  # a layer has nothing left, or was made for one size
            side *= 2
            continue
        if min(small.output_shape[1:3]) < 1:
            side *= 2
        elif [tuple(weight.shape) for weight in small.weights] != shapes:
            return min(own[:2]), False
        else:
            return side, True
    return min(own[:2]), False
