"""Photos from arrays in memory."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kerasrecipes.arguments import named
from kerasrecipes.data.tables.learnable import Labelled
from kerasrecipes.data.tables.spelling import written
from kerasrecipes.data.tables.table import Candidate, find_side
from kerasrecipes.errors import DataError, listed
from kerasrecipes.photos.decoding.policy import DecodePolicy
from kerasrecipes.photos.photo_set import PhotoSet
from kerasrecipes.photos.planes.npy import is_npy
from kerasrecipes.photos.scan import Limits, read_photos
from kerasrecipes.photos.sources.labelling import Answered, read_labels
from kerasrecipes.photos.sources.pixels import Pixels


@named
def photos_from_arrays(
    x: Any,
    y: Any,
    *,
    class_names: Sequence[str] | None = None,
    target: str | None = None,
    names: Sequence[str] | None = None,
    groups: Sequence[object] | None = None,
    split: Sequence[str] | None = None,
    policy: DecodePolicy = DecodePolicy(),
    drop_small_classes: bool = False,
    for_training: bool = True,
) -> PhotoSet:
    """Make a set of photos from arrays.

    It does what a scanned set does. The pixels are copied, as many bytes as there are pixels and
    channels: 1,000 RGB photos of 224 x 224 take 151 MB. They come out of decoding as they went in,
    at their own size; floats are rounded to 256 levels, but for a policy of `"float32"`. A photo is
    known by its pixels alone, so copies and look-alikes are found, but not which photos show one
    part: pass `groups`.

    Args:
        x: Array of shape `(n, height, width, 3)` or, if grey, `(n, height, width)` or `(n,
            height, width, 1)`; or a list of photos of different sizes. uint8, or floats in 0…1
            or in 0…255, which is told from the brightest pixel. With a policy of other channels,
            of a `value_range` or of `dtype="float32"`, they are kept as they are: uint8, uint16 or
            float32, each with as many channels as it says.
        y: One label for each photo: whole numbers that count in `class_names`; texts; lists of
            texts, several labels each; rows of 0 and 1 with a column for each of `class_names`,
            which are classes if each row has a single 1; or floats, a number each.
        class_names: All classes or labels, in order; `None` sorts those that `y` names.
        target: `"class"`, `"labels"` or `"number"`, where `y` is meant in another way.
        names: What to call each photo; `None` counts them.
        groups: The part, patient or board of each photo.
        split: The side of each photo: `"train"`, `"val"` or `"test"`.
        policy: How photos become pixels of a model's size.
        drop_small_classes: Leave classes with fewer than 2 photos out instead of raising.
        for_training: As in `scan_photos`.

    Returns:
        The photos, in the order of `x`.

    Raises:
        ValueError: If an argument is not usable, or they are not of one length.
        DataError: If a photo cannot be used, or there is too little to learn from.

    Example:
        >>> pixels = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), np.uint8)
        >>> photos_from_arrays(pixels, [0, 1] * 4, class_names=("ok", "crack"))
        PhotoSet(8 photos, {'ok': 4, 'crack': 4})
    """
    contents = list(Pixels("x", policy).files(x))
    answered = read_labels(y, len(contents), class_names, target)
    extras = {"names": names, "groups": groups, "split": split}
    candidates = candidates_of(contents, answered, extras)
    limits = Limits(policy, None, drop_small_classes, for_training)
    found = Labelled(Path("arrays"), [], answered.class_names, answered.target)
    return replace(read_photos(candidates, found, limits), ordered=class_names is not None)


def candidates_of(
    contents: Sequence[bytes], answered: Answered, extras: dict[str, Any]
) -> list[Candidate]:
    """Put together what is known of each photo.

    Args:
        contents: What the file of each would hold.
        answered: The labels.
        extras: `names`, `groups` and `split`, one for each photo; `None` for none.

    Raises:
        ValueError: If they are not as many, or no such side.
    """
    count = len(contents)
    if not count:
        raise DataError("There are no photos.")
    given = {name: list(values) for name, values in extras.items() if values is not None}
    for name, values in given.items():
        if len(values) != count:
            raise ValueError(
                f"`{name}` must have one entry for each of the {count} photos, not {len(values)}."
            )
    said = given.get("split", ())
    sides = [find_side(side) for side in said]
    if unknown := {str(name) for name in said if find_side(name) is None}:
        raise ValueError(f"`split` has {listed(sorted(unknown))}; it must be train, val or test.")
    called = given.get("names") or [
        f"photo_{i:06}.{'npy' if is_npy(content) else 'png'}" for i, content in enumerate(contents)
    ]
    groups = given.get("groups") or [None] * count
    return [
        Candidate(
            path=Path(str(called[i])),
            name=str(called[i]),
            label=answered.labels[i],
            group=written(groups[i]),
            split=sides[i] if sides else None,
            content=contents[i],
        )
        for i in range(count)
    ]
