"""Photos, away from training: scanned for a finished model, and decoded as in its training."""

import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from PIL import Image

from kerasrecipes.data.examples import Examples
from kerasrecipes.data.modality import Modality
from kerasrecipes.data.specs import ModelInput
from kerasrecipes.errors import DataError
from kerasrecipes.photos.decoding.channels import RGB, as_channels, shown
from kerasrecipes.photos.decoding.decode import decode_photo
from kerasrecipes.photos.decoding.names import looks_like_a_photo
from kerasrecipes.photos.decoding.policy import DecodePolicy
from kerasrecipes.photos.measures import measure_photo

if TYPE_CHECKING:
    from kerasrecipes.photos.decoding.in_graph import GraphDecoder
    from kerasrecipes.photos.photo_set import PhotoSet

_SHOWN = 224


class Photos(Modality):
    """Photos of one size, in RGB, grey or other channels; the preparation is a `DecodePolicy`."""

    name: ClassVar[str] = "photos"
    noun: ClassVar[tuple[str, str]] = ("photo", "photos")

    def scan(self, source: str | Path, spec: ModelInput, **columns: Any) -> "PhotoSet":
        """Scan a folder or table of photos; see `scan_photos`, also for `columns`."""
        from kerasrecipes.photos.scan import scan_photos

        return scan_photos(source, policy=policy_of(spec), for_training=False, **columns)

    def prepared(self, examples: Examples, spec: ModelInput) -> "PhotoSet":
        """Return the photos, to be decoded as in training."""
        from kerasrecipes.photos.photo_set import PhotoSet

        if not isinstance(examples, PhotoSet):
            noun = examples.noun[1]
            raise DataError(f"The model reads photos, and these are {noun}. Scan some photos.")
        return replace(examples, policy=policy_of(spec))

    def decode(
        self, source: bytes | str | Path, spec: ModelInput, name: str | None = None
    ) -> np.ndarray:
        """Decode a photo, shape `(height, width, channels)`."""
        pixels = decode_photo(source, image_size(spec), policy_of(spec), name=name)
        return as_channels(pixels, channels_of(spec))

    def preparation(self, told: Mapping[str, Any]) -> DecodePolicy:
        """Return how photos become pixels."""
        return DecodePolicy.from_dict(dict(told))

    def in_graph(self, spec: ModelInput) -> "GraphDecoder | None":
        """Return what decodes JPEG and PNG files in a graph; `None` where photos are others."""
        if not policy_of(spec).is_picture:
            return None
        from kerasrecipes.photos.decoding.in_graph import GraphDecoder

        return GraphDecoder(image_size(spec), policy_of(spec), channels_of(spec))

    def measure(self, example: np.ndarray) -> dict[str, float]:
        """Measure light, lens and camera; see `measure_photo`."""
        return measure_photo(example)

    def picture(self, example: np.ndarray) -> bytes:
        """Return a photo as the model sees it, no side longer than 224 pixels."""
        picture, file = Image.fromarray(shown(example)), io.BytesIO()
        picture.thumbnail((_SHOWN, _SHOWN))
        picture.save(file, "PNG")
        return file.getvalue()

    def find(self, folder: Path, preparation: object) -> Iterator[Path]:
        """Yield the photos in a folder; a photo is known by its ending."""
        arrays = isinstance(preparation, DecodePolicy) and preparation.of_arrays
        for parent, folders, files in os.walk(folder, followlinks=False):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                path = Path(parent, name)
                if looks_like_a_photo(name, arrays) and not name.startswith("."):
                    if path.is_file() and not path.is_symlink():
                        yield path


def policy_of(spec: ModelInput) -> DecodePolicy:
    """Return how photos become pixels for a model."""
    return DecodePolicy.from_dict(spec.preparation)


def image_size(spec: ModelInput) -> tuple[int, int]:
    """Return the `(height, width)` of the photos that a model takes."""
    height, width = spec.shape[:2]
    return int(height or 0), int(width or 0)


def channels_of(spec: ModelInput) -> int:
    """Return how many channels the photos have that a model takes."""
    return spec.shape[-1] or RGB


MODALITY = Photos()
