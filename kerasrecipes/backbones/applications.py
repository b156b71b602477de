"""The architectures of `keras.applications` that suit transfer learning.

Their ImageNet weights do not install with pip, so nothing is loaded unless asked for:
by download (`weights="imagenet"`) or from a local file.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kerasrecipes.backbones.scaling import IMAGENET, PLAIN
from kerasrecipes.backbones.spec import BackboneSpec
from kerasrecipes.backbones.weights_files import reason_of
from kerasrecipes.errors import DataError, DownloadError
from kerasrecipes.surgery.graph import anchored
from kerasrecipes.surgery.rebuilding import rebuild

if TYPE_CHECKING:
    import keras

WEIGHTS_HOST = "storage.googleapis.com"


class _Entry(NamedTuple):
    """One architecture: the function's name in `keras.applications` and what it gives."""

    function: str
    name: str
    scaling: tuple
    image_size: int
    feature_size: int
    parameter_count: int
    blocks: tuple[str, ...]
    summary: str
    reference: str
    licence: str = "Apache-2.0"
    preprocesses: bool = False
    rebuilt: bool = False


def _mobile(stem: str, first: str, pattern: str, last: int, top: str) -> tuple[str, ...]:
    return (stem, first, *(pattern.format(n) for n in range(1, last + 1)), top)


def _efficient(*repeats: int) -> tuple[str, ...]:
    """Name the blocks `block1a`, `block1b`, … between a stem and a top."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    blocks = [
        f"block{stage}{letter}_.+"
        for stage, count in enumerate(repeats, start=1)
        for letter in letters[:count]
    ]
    return ("stem_.+", *blocks, "top_.+")


def _residual(*repeats: int) -> tuple[str, ...]:
    blocks = [
        f"conv{stage}_block{number}_.+"
        for stage, count in enumerate(repeats, start=2)
        for number in range(1, count + 1)
    ]
    return ("conv1_.+", *blocks, "post_bn")


def _convnext(name: str, *repeats: int) -> tuple[str, ...]:
    blocks = []
    for stage, count in enumerate(repeats):
        for number in range(count):
            pattern = f"{name}_stage_{stage}_block_{number}_.+"
            if stage and not number:
                pattern += f"|{name}_downsampling_.+_{stage - 1}"
            blocks.append(pattern)
    return (f"{name}_stem_.+", *blocks, "top_layernorm")


SANDLER = "Sandler et al., 2018, arXiv 1801.04381"
HOWARD_V3 = "Howard et al., 2019, arXiv 1905.02244"
TAN_V2 = "Tan and Le, 2021, arXiv 2104.00298"

ENTRIES = (
    _Entry(
        "MobileNet", "mobilenet", PLAIN, 224, 1024, 3_228_864,
        ("conv1|conv1_bn", *(f"conv_(dw|pw)_{n}(_bn)?" for n in range(1, 14))),
        "The first network made for phones; simple, quantises well.",
        "Howard et al., 2017, arXiv 1704.04861",
    ),
    _Entry(
        "MobileNetV2", "mobilenet_v2", PLAIN, 224, 1280, 2_257_984,
        _mobile("Conv1|bn_Conv1", "expanded_conv_.+", "block_{}_.+", 16, "Conv_1|Conv_1_bn"),
        "Small and fast on phones, quantises well.", SANDLER,
    ),
    _Entry(
        "MobileNetV3Small", "mobilenet_v3_small", PLAIN, 224, 576, 939_120,
        _mobile("conv|conv_bn", "expanded_conv_[a-z].*", "expanded_conv_{}_.+", 10,
                "conv_1|conv_1_bn"),
        "The smallest and fastest; gains nothing from int8.", HOWARD_V3, preprocesses=True,
    ),
    _Entry(
        "MobileNetV3Large", "mobilenet_v3_large", PLAIN, 224, 960, 2_996_352,
        _mobile("conv|conv_bn", "expanded_conv_[a-z].*", "expanded_conv_{}_.+", 14,
                "conv_1|conv_1_bn"),
        "More accurate than MobileNetV2 at the same latency in float.", HOWARD_V3,
        preprocesses=True,
    ),
    _Entry(
        "EfficientNetB0", "efficientnet_b0", IMAGENET, 224, 1280, 4_049_564,
        _efficient(1, 2, 2, 3, 3, 4, 1),
        "Accurate for its size; slower on phones than the lite version.",
        "Tan and Le, 2019, arXiv 1905.11946", rebuilt=True,
    ),
    *(
        _Entry(
            f"EfficientNetV2B{n}", f"efficientnet_v2_b{n}", IMAGENET, side, features, parameters,
            _efficient(*repeats),
            f"Trains fast, {side} px; for servers rather than phones.", TAN_V2, preprocesses=True,
        )
        for n, side, features, parameters, repeats in (
            (0, 224, 1280, 5_919_312, (1, 2, 2, 3, 5, 8)),
            (1, 240, 1280, 6_931_124, (2, 3, 3, 4, 6, 9)),
            (2, 260, 1408, 8_769_374, (2, 3, 3, 4, 6, 10)),
            (3, 300, 1536, 12_930_622, (2, 3, 3, 5, 7, 12)),
        )
    ),
    _Entry(
        "ResNet50V2", "resnet50_v2", PLAIN, 224, 2048, 23_564_800, _residual(3, 4, 6, 3),
        "The familiar baseline; large, robust to train.",
        "He et al., 2016, arXiv 1603.05027",
    ),
    _Entry(
        "DenseNet121", "densenet121", IMAGENET, 224, 1024, 7_037_504,
        ("conv1_.+", "(conv2|pool2)_.+", "(conv3|pool3)_.+", "(conv4|pool4)_.+", "conv5_.+|bn"),
        "Few parameters, much memory; common in medical imaging.",
        "Huang et al., 2017, arXiv 1608.06993", licence="BSD-3-Clause",
    ),
    _Entry(
        "ConvNeXtTiny", "convnext_tiny", IMAGENET, 224, 768, 27_820_128,
        _convnext("convnext_tiny", 3, 3, 9, 3),
        "A modern convolutional network for servers.",
        "Liu et al., 2022, arXiv 2201.03545", licence="MIT", preprocesses=True, rebuilt=True,
    ),
)  # fmt: skip


def _graph(
    photo: "keras.KerasTensor", entry: _Entry, weights: str | None = None
) -> "keras.KerasTensor":
    import keras

    function = getattr(keras.applications, entry.function)
    factor, offset = entry.scaling
    scale = keras.layers.Rescaling(factor, offset, name="scale")
    options = {"include_top": False, "weights": weights}
    if entry.preprocesses:  # it could scale by itself; all do it in the same layer here
        options["include_preprocessing"] = False
    if not entry.rebuilt:
        return function(input_tensor=scale(photo), **options).outputs[0]
    model = function(input_shape=tuple(photo.shape[1:]), **options)
    # EfficientNet scales inside its graph, differently with and without weights="imagenet".
    inner = (keras.layers.Rescaling, keras.layers.Normalization)
    names = {"layer_normalization": "top_layernorm"}
    return rebuild(model, photo, scale, skip=inner, names=names)


def _load_imagenet(model: "keras.Model", path: Path | None, entry: _Entry) -> None:
    """Load ImageNet weights into a model, from `path` or by download."""
    import keras

    photo = keras.Input(model.input_shape[1:], name="photo", dtype="float32")
    try:
        graph = _graph(photo, entry, weights="imagenet" if path is None else str(path))
    except Exception as error:  # Keras raises a bare Exception when a download fails
        raise _loading_error(path, entry, error) from error
    model.set_weights(keras.Model(photo, graph).get_weights())


def _loading_error(path: Path | None, entry: _Entry, error: Exception) -> Exception:
    reason = reason_of(error)
    if path is not None:
        return DataError(
            f"The weights in '{path}' do not fit the backbone {entry.name!r}: {reason}. Use the "
            "'notop' weights file that keras.applications publishes for it."
        )
    return DownloadError(
        f"The ImageNet weights of {entry.name!r} could not be downloaded from {WEIGHTS_HOST}: "
        f"{reason}. Check the connection; or fetch the file on another machine and pass its path "
        "as `weights`; or use 'efficientnet_lite0', whose weights install with pip."
    )


def _spec(entry: _Entry) -> BackboneSpec:
    load: Callable = partial(_load_imagenet, entry=entry)
    return BackboneSpec(
        name=entry.name,
        family="keras.applications",
        summary=entry.summary,
        build_graph=partial(_graph, entry=entry),
        blocks=tuple(anchored(pattern) for pattern in entry.blocks),
        image_size=(entry.image_size, entry.image_size),
        min_image_size=32,
        feature_size=entry.feature_size,
        parameter_count=entry.parameter_count,
        weights="none",
        weights_licence=entry.licence,
        weights_source=WEIGHTS_HOST,
        reference=entry.reference,
        load_imagenet=load,
    )


NAMES = (
    "mobilenet", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large", "efficientnet_b0",
    "efficientnet_v2_b0", "efficientnet_v2_b1", "efficientnet_v2_b2", "efficientnet_v2_b3",
    "resnet50_v2", "densenet121", "convnext_tiny",
)  # fmt: skip
SPECS = tuple(_spec(entry) for entry in ENTRIES)
