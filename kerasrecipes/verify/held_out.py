"""Photos to judge exported files by, with what the original model says about them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kerasrecipes.data.seen import FIT_SIDES, refuse_seen
from kerasrecipes.errors import DataError, listed, printable
from kerasrecipes.photos.decoding.decode import decode_photo, read_photo
from kerasrecipes.photos.photo_set import PhotoSet

if TYPE_CHECKING:
    from kerasrecipes.bundles.bundle import BundleFolder


@dataclass(frozen=True)
class AnsweredPhotos:
    """Labelled photos, and the answers of the original model.

    Args:
        names: What the photos are called.
        labels: True class indices, shape `(n,)`.
        scores: Scores of the original model, shape `(n, classes)`.
        pixels: The decoded photos one by one, uint8; they can be gone through once.
    """

    names: list[str]
    labels: np.ndarray
    scores: np.ndarray
    pixels: Iterator[np.ndarray]


def hold_out(
    bundle: "BundleFolder", photos: PhotoSet | None = None, scores: np.ndarray | None = None
) -> AnsweredPhotos:
    """Take the golden photos of a bundle, or photos with scores.

    Args:
        bundle: Says how photos are decoded, and what the classes are.
        photos: Photos to judge by; by default the golden ones.
        scores: What the original model says about `photos`, `(n, classes)`.

    Raises:
        DataError: If there are no photos, they or the scores do not fit the model, or it was
            made with them.
    """
    size, policy = tuple(bundle.manifest.image_size), bundle.policy()
    if photos is None:
        golden = bundle.golden()
        _check_scores(golden.scores, len(golden.photos), bundle)
        named = zip(golden.photos, golden.names, strict=True)
        pixels = (decode_photo(data, size, policy, name=name) for data, name in named)
        return AnsweredPhotos(
            golden.names, np.asarray(golden.labels), np.asarray(golden.scores), pixels
        )
    if scores is None:
        raise DataError(
            "`photos` need the original model's answers to compare with. Pass `scores`, its "
            "probabilities for them, or leave `photos` out to use the bundle's golden photos."
        )
    refuse_seen(bundle.seen(), photos)
    labels = photos.labels_among(bundle.class_names)
    _check_scores(scores, len(photos), bundle)
    names = [str(photo.path) for photo in photos.photos]
    pixels = (read_photo(photo, size, policy) for photo in photos.photos)
    return AnsweredPhotos(names, labels, np.asarray(scores), pixels)


def unseen_photos(bundle: "BundleFolder", source: PhotoSet | str | Path) -> tuple[PhotoSet, int]:
    """Leave out the photos that a model was trained or chosen on.

    Args:
        bundle: The model.
        source: Photos, or a folder or table of photos; see `scan_photos`. Where it declares a
            test split, only that is used.

    Returns:
        The other photos, to be decoded as in training, and how many were left out.

    Raises:
        DataError: If no photo is left, or the photos cannot be scanned.
    """
    photos = bundle.scan(source)
    if any(photo.split == "test" for photo in photos.photos):
        photos = photos.select(i for i, p in enumerate(photos.photos) if p.split == "test")
    seen = bundle.seen()
    fresh = [i for i, p in enumerate(photos.photos) if seen.get(p.facts.sha256) not in FIT_SIDES]
    if not fresh:
        raise DataError(
            f"The model in '{printable(bundle.folder)}' was trained on all {len(photos)} photos of "
            f"{listed([photos.root])}. Give photos that it has not seen."
        )
    return photos.select(fresh), len(photos) - len(fresh)


def _check_scores(scores: np.ndarray, count: int, bundle: "BundleFolder") -> None:
    if count == 0:
        raise DataError("There are no held-out photos to verify on. Pass `photos` with some.")
    expected = (count, len(bundle.manifest.class_names))
    if np.shape(scores) != expected or not np.isfinite(scores).all():
        raise DataError(
            f"The original model's scores must be finite and of shape {expected}, received "
            f"{np.shape(scores)}. Score the same photos with the bundle's model."
        )
