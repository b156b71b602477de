"""The photos of one data set: what they are called, what they show, what was found in them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, SupportsBytes, cast

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.data.examples import CLASS, Examples
from kerasrecipes.data.findings.check import CheckReport
from kerasrecipes.data.specs import ModelInput
from kerasrecipes.data.tables.table import Excluded as Excluded
from kerasrecipes.photos.augment import Augment, get_augmentation
from kerasrecipes.photos.check import check_photos
from kerasrecipes.photos.decoding.channels import as_channels, shown
from kerasrecipes.photos.decoding.decode import read_photo, read_unchanged
from kerasrecipes.photos.decoding.policy import DecodePolicy
from kerasrecipes.photos.likeness.similar import Likenesses, near_duplicates
from kerasrecipes.photos.own_views import OwnViews
from kerasrecipes.photos.reader import PhotoReader, channels_of, image_size_of

if TYPE_CHECKING:
    import keras

    from kerasrecipes.photos.tiled.tiles import Tile


@dataclass(frozen=True, slots=True)
class PhotoFacts:
    """What reading a photo once told about it.

    Args:
        sha256: Hex digest of the file's bytes.
        size_bytes: Size of the file.
        width: Pixels, before any EXIF rotation.
        height: Pixels, before any EXIF rotation.
        mode: Pillow's mode, e.g. `"L"`, `"RGB"`, `"CMYK"`, `"I;16"`; of an array `"uint16 x 4"`.
        image_format: The real format, e.g. `"JPEG"`, whatever the file is called.
        bits: Bits per channel in the file.
        frames: 1 for a still picture; 2 if there are more frames or pages, which are not counted.
        fingerprint: A small grey thumbnail with brightness and contrast removed: bytes, or what
            `bytes` reads them from, since those of many photos lie in a file.
        max_value: Largest pixel value of a photo with more than 8 bits, else `None`.
    """

    sha256: str
    size_bytes: int
    width: int
    height: int
    mode: str
    image_format: str
    bits: int
    frames: int
    fingerprint: SupportsBytes
    max_value: int | None = None


class Synthetic(Protocol):
    """Something that draws into one photo, another thing in each view."""

    @property
    def identity(self) -> tuple:
        """What the pixels of a view depend on, besides its number and the photo."""

    def on(self, pixels: np.ndarray, view: int, policy: DecodePolicy) -> np.ndarray:
        """Return a view of uint8 pixels `(height, width, channels)`, as such."""


@dataclass(frozen=True, slots=True)
class Photo:
    """One labelled photo.

    Args:
        path: The file; what it is called, if it lies in memory.
        label: Its class; its labels, as a tuple; or its number: see `PhotoSet.target`.
        facts: What reading it once told about it.
        group: The part, patient or board that it shows, if that is known.
        time: When it was taken, if that is known.
        split: The side that the folder or table gives it: `"train"`, `"val"` or `"test"`.
        content: The bytes of its file, if it lies in memory.
        row: Its row in the table, if there is one.
        mask: A picture of its size, white where its defect is, if the table names one.
        synthetic: What draws a defect into it, in training; see `SyntheticDefects`.
        tile: Where it lies in a larger photo, if it is a part of one; see `cut_tiles`.
    """

    path: Path
    label: str | tuple[str, ...] | float
    facts: PhotoFacts
    group: str | None = None
    time: datetime | None = None
    split: str | None = None
    content: bytes | None = field(default=None, repr=False)
    row: int | None = None
    mask: Path | None = None
    synthetic: "Synthetic | None" = field(default=None, repr=False)
    tile: "Tile | None" = field(default=None, repr=False)

    @property
    def key(self) -> str:
        """The digest of the file's bytes: photos with the same one are the same."""
        return self.facts.sha256

    @property
    def name(self) -> str:
        """The path, as text."""
        return str(self.path)

    @property
    def size_bytes(self) -> int:
        """Size of the file."""
        return self.facts.size_bytes


@dataclass(frozen=True, repr=False)
class PhotoSet(Examples):
    """An immutable list of labelled photos with one list of classes.

    Args:
        photos: The usable photos, in a stable order.
        class_names: All classes, sorted, or in the order that somebody gave; a subset of a set
            keeps the classes of the whole.
        root: The folder or table that was scanned.
        excluded: Files that could not be used as photos.
        ignored: Files that are no photos at all (notes, thumbnails databases), as paths.
        policy: How the photos are turned into pixels.
        target: What a photo is answered with: `"class"`, `"labels"` or `"number"`.
        ordered: Whether somebody gave the order of the classes.
        split_by: How it was split off a larger set; see `Examples`.
    """

    modality: ClassVar[str] = "photos"
    noun: ClassVar[tuple[str, str]] = ("photo", "photos")

    photos: tuple[Photo, ...]
    class_names: tuple[str, ...]
    root: Path
    excluded: tuple[Excluded, ...] = ()
    ignored: tuple[Path, ...] = ()
    policy: DecodePolicy = field(default_factory=DecodePolicy)
    target: str = CLASS
    ordered: bool = False
    split_by: str = field(default="", compare=False)
    _likenesses: Likenesses = field(default_factory=Likenesses, compare=False)

    @property
    def channels(self) -> int:
        """How many channels they are decoded to."""
        return self.policy.channels

    @property
    def items(self) -> tuple[Photo, ...]:
        """The photos."""
        return self.photos

    def with_items(self, items: Iterable[Photo]) -> Self:
        """Return other photos under the same classes; what was left out is not theirs."""
        return replace(self, photos=tuple(items), excluded=(), ignored=())

    def as_side(self, split_by: str) -> Self:
        """Return the photos as one side of a split, which remembers how it was made."""
        return replace(self, split_by=split_by)

    def reader(
        self, model: "keras.Model", augmentation: Augment | OwnViews | None = None, seed: int = 0
    ) -> PhotoReader:
        """Return what reads the photos at the size that a model takes."""
        size = image_size_of(model)
        how = get_augmentation(augmentation or "none"), seed, channels_of(model)
        return PhotoReader(self, size, *how)

    def near_duplicates(self) -> list[tuple[int, int]]:
        """Find photos that look the same; see `kerasrecipes.photos.likeness`."""
        return near_duplicates(self.photos, likenesses=self._likenesses)

    def pixels(self, index: int, size: tuple[int, int], view: int = 0) -> np.ndarray:
        """Return a photo at one size, as its policy says, with what is drawn into it, if anything
        is."""
        photo = self.photos[index]
        cut = photo.tile
        found = (
            read_photo(photo, size, self.policy) if cut is None else cut.pixels(size, self.policy)
        )
        return found if photo.synthetic is None else photo.synthetic.on(found, view, self.policy)

    def each(self, shape: tuple[int | None, ...]) -> Iterator[np.ndarray]:
        """Yield the photos, as their policy says, of this shape, which has no free axis."""
        height, width, channels = cast("tuple[int, int, int]", shape)
        read = (self.pixels(index, (height, width)) for index in range(len(self)))
        return (as_channels(pixels, channels) for pixels in read)

    def shown(self, shape: tuple[int | None, ...]) -> "Iterator[np.ndarray | str]":
        """Yield the photos for people, uint8 `(height, width, 3)`: of more channels the first."""
        height, width = cast("tuple[int, int]", shape[:2])
        return (shown(self.pixels(index, (height, width))) for index in range(len(self)))

    def file_of(self, index: int) -> tuple[str, bytes]:
        """Return the ending and the bytes of a photo's file."""
        photo = self.photos[index]
        return photo.facts.image_format.lower(), read_unchanged(photo)

    def input_spec(self, model: "keras.Model") -> ModelInput:
        """Describe the photos that a model takes, and how they are decoded."""
        return ModelInput.of(model, self.policy.dtype, self.policy.to_dict())

    def read_otherwise(self, other: Self) -> str:
        """Say why one model could not read these and other photos alike; empty if it can."""
        one, another = self.policy, other.policy
        for name in ("channels", "dtype", "value_range"):
            if getattr(one, name) != getattr(another, name):
                said = [f"{name}={getattr(how, name)!r}" for how in (one, another)]
                return (
                    f"these were scanned with {said[0]}, and those with {said[1]}. Scan both alike"
                )
        if (one.resize, one.fill) == (another.resize, another.fill):
            return ""
        ways = [f"fit={how.resize!r}" for how in (one, another)]
        ways = ways if ways[0] != ways[1] else [f"fill={how.fill}" for how in (one, another)]
        return f"these were scanned with {ways[0]}, and those with {ways[1]}. Scan both alike"

    @named
    def check(self, *others: "PhotoSet") -> CheckReport:
        """Look for damage and leaks; see `kerasrecipes.check_photos`."""
        return check_photos(self, *others)
