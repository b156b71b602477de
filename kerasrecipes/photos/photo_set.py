"""The photos of one data set: what they are called, what they show, what was found in them."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from kerasrecipes.errors import DataError, listed
from kerasrecipes.photos.decoding.decode import DecodePolicy


@dataclass(frozen=True, slots=True)
class PhotoFacts:
    """What reading a photo once told about it.

    Args:
        sha256: Hex digest of the file's bytes.
        size_bytes: Size of the file.
        width: Pixels, before any EXIF rotation.
        height: Pixels, before any EXIF rotation.
        mode: Pillow's mode, e.g. `"L"`, `"RGB"`, `"CMYK"`, `"I;16"`.
        image_format: The real format, e.g. `"JPEG"`, whatever the file is called.
        bits: Bits per channel in the file.
        frames: Number of frames or pages; 1 for a still picture.
        fingerprint: A small grey thumbnail with brightness and contrast removed, as bytes.
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
    fingerprint: bytes
    max_value: int | None = None


@dataclass(frozen=True, slots=True)
class Photo:
    """One labelled photo.

    Args:
        path: The file.
        label: Its class.
        facts: What reading it once told about it.
        group: The part, patient or board that it shows, if that is known.
        time: When it was taken, if that is known.
        split: The side that the folder or table gives it: `"train"`, `"val"` or `"test"`.
    """

    path: Path
    label: str
    facts: PhotoFacts
    group: str | None = None
    time: datetime | None = None
    split: str | None = None


@dataclass(frozen=True, slots=True)
class Excluded:
    """A file that was left out, and why.

    Args:
        path: The file.
        reason: What is wrong with it.
        row: Its row in the table, if there is one.
    """

    path: Path
    reason: str
    row: int | None = None


@dataclass(frozen=True)
class PhotoSet:
    """An immutable list of labelled photos with one list of classes.

    Args:
        photos: The usable photos, in a stable order.
        class_names: All classes, sorted; a subset of a set keeps the classes of the whole.
        root: The folder or table that was scanned.
        excluded: Files that could not be used as photos.
        ignored: Files that are no photos at all (notes, thumbnails databases), as paths.
        policy: How the photos are turned into pixels.
    """

    photos: tuple[Photo, ...]
    class_names: tuple[str, ...]
    root: Path
    excluded: tuple[Excluded, ...] = ()
    ignored: tuple[Path, ...] = ()
    policy: DecodePolicy = field(default_factory=DecodePolicy)

    def __len__(self) -> int:
        return len(self.photos)

    @property
    def labels(self) -> np.ndarray:
        """Class indices, int64, shape `(n,)`."""
        return self.labels_among(self.class_names)

    def labels_among(self, class_names: Sequence[str]) -> np.ndarray:
        """Return the class of each photo by its number in a model.

        Args:
            class_names: The classes that the model knows, in the order of its scores.

        Returns:
            int64, shape `(n,)`.

        Raises:
            DataError: If a photo is of another class.
        """
        index = {name: i for i, name in enumerate(class_names)}
        unknown = sorted({photo.label for photo in self.photos} - index.keys())
        if unknown:
            raise DataError(
                f"The model does not know the classes {listed(unknown)}; it was trained on "
                f"{listed(class_names, 8)}. Correct the labels, or leave these photos out."
            )
        return np.array([index[photo.label] for photo in self.photos], dtype=np.int64)

    def counts(self) -> dict[str, int]:
        """Number of photos of every class, zero included."""
        found = Counter(photo.label for photo in self.photos)
        return {name: found[name] for name in self.class_names}

    def select(self, indices: Iterable[int]) -> "PhotoSet":
        """Return the photos at `indices`, in that order, under the same classes."""
        return replace(self, photos=tuple(self.photos[i] for i in indices), excluded=(), ignored=())

    def draw(self, count: int, seed: int) -> "PhotoSet":
        """Draw about `count` photos, as many of each class as there are up to an equal share.

        Args:
            count: How many, about.
            seed: Seed of the choice.
        """
        rng = np.random.default_rng(seed)
        labels, share = self.labels, -(-count // len(self.class_names))
        of_class = [np.flatnonzero(labels == k) for k in range(len(self.class_names))]
        return self.select(np.concatenate([rng.permutation(found)[:share] for found in of_class]))

    def digest(self) -> str:
        """SHA-256 over contents and labels; independent of where the photos lie."""
        lines = sorted(f"{photo.facts.sha256} {json.dumps(photo.label)}" for photo in self.photos)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def __repr__(self) -> str:
        counts = ", ".join(f"{name!r}: {n}" for name, n in self.counts().items())
        return f"PhotoSet({len(self)} photos, {{{counts}}})"
