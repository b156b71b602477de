"""What a model may be measured on, and what it may learn from, by what it has seen.

What was seen is a dict from the SHA-256 of a photo's file to the side that the photo was on.
"""

from collections.abc import Mapping

from kerasrecipes.errors import DataError
from kerasrecipes.photos.photo_set import PhotoSet

# Sides that a model is made with; on any other it was tested.
FIT_SIDES = ("train", "val", "unlabelled", "calibration")


def on_side(photos: PhotoSet, side: str) -> dict[str, str]:
    """Return the digests of photos, each with the side that they are on.

    Args:
        photos: The photos.
        side: One of `FIT_SIDES`, or what a test is called.
    """
    return {photo.facts.sha256: side for photo in photos.photos}


def with_seen(seen: Mapping[str, str], more: Mapping[str, str]) -> dict[str, str]:
    """Add what was seen since; what a model was made with stays that.

    Args:
        seen: What was seen before.
        more: What came later.
    """
    made = {sha256: side for sha256, side in seen.items() if side in FIT_SIDES}
    # A photo that was tested on never becomes one of a fit, see `refuse_tested`.
    return {**seen, **more, **made}


def refuse_seen(seen: Mapping[str, str], photos: PhotoSet) -> None:
    """Refuse to measure a model on photos that it was made with.

    Args:
        seen: What the model has seen.
        photos: What it is to be measured on.

    Raises:
        DataError: If it was trained, chosen or calibrated with any of them.
    """
    again = sum(seen.get(photo.facts.sha256) in FIT_SIDES for photo in photos.photos)
    if again:
        raise DataError(
            f"{again} of {len(photos)} photos were used in the fit, so the result would be too "
            "good. Evaluate on photos that the model has not seen."
        )


def refuse_tested(seen: Mapping[str, str], **sides: PhotoSet | None) -> None:
    """Refuse to train, choose or calibrate a model with photos that it was tested on.

    Args:
        seen: What the model has seen.
        **sides: The photos, by the name of the argument that they came in.

    Raises:
        DataError: If it was tested on any of them.
    """
    for name, photos in sides.items():
        found = [seen.get(photo.facts.sha256, "train") for photo in photos.photos] if photos else []
        tested = [side for side in found if side not in FIT_SIDES]
        if tested:
            raise DataError(
                f"{len(tested)} of {len(photos)} photos in `{name}` are those of the split "
                f"{tested[0]!r} that the model was tested on, so that no honest test would be "
                "left. Pass photos of the fit."
            )
