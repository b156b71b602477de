"""Photos from a data set of another library: tf.data, Keras or Hugging Face."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kerasrecipes.arguments import named
from kerasrecipes.data.examples import CLASS
from kerasrecipes.data.tables.learnable import Labelled, in_order
from kerasrecipes.data.tables.spelling import trimmed, written
from kerasrecipes.data.tables.table import Candidate, find_side
from kerasrecipes.errors import is_number, listed
from kerasrecipes.photos.decoding.policy import DecodePolicy
from kerasrecipes.photos.photo_set import PhotoSet
from kerasrecipes.photos.scan import Limits, grouped, read_photos
from kerasrecipes.photos.sources.arrays import candidates_of
from kerasrecipes.photos.sources.hugging_face import is_hugging_face, read_rows
from kerasrecipes.photos.sources.labelling import Answered, read_labels
from kerasrecipes.photos.sources.pairs import encode_pairs, stack_labels
from kerasrecipes.photos.sources.room import Room

LIMIT = 50_000
_ROOT = Path("dataset")


@named
def photos_from_dataset(
    dataset: Any,
    *,
    class_names: Sequence[str] | None = None,
    target: str | None = None,
    image: str | None = None,
    label: str | None = None,
    group_by: str | None = None,
    groups: Sequence[object] | None = None,
    limit: int = LIMIT,
    policy: DecodePolicy = DecodePolicy(),
    max_unreadable_fraction: float = 0.1,
    drop_small_classes: bool = False,
    for_training: bool = True,
) -> PhotoSet:
    """Make a set of photos from a data set of another library.

    The data set is read once. What differs from one pass to the next, by augmentation, is kept as
    it was in that pass: nothing can tell that it was augmented, and photos to choose or to judge
    a model by must not be. Where it says which files it reads, as
    `keras.utils.image_dataset_from_directory` does, they are scanned in its place; Hugging Face
    photos are taken as the bytes of their files. All others are known by their pixels alone, see
    `photos_from_arrays`.

    Args:
        dataset: A `tf.data.Dataset` or `keras.utils.PyDataset` of `(photo, label)` or `(photos,
            labels)`; a Hugging Face `datasets.Dataset`; or a dict of such by the side that they
            are: `"train"`, `"val"`, `"test"`.
        class_names: All classes or labels, in order; `None` takes what the data set says.
        target: `"class"`, `"labels"` or `"number"`, where labels are meant in another way than
            `photos_from_arrays` reads them.
        image: The column of the photos, if a Hugging Face data set has several.
        label: The column of the labels, if it has several.
        group_by: A Hugging Face column of what photos of one part have in common; of files, as
            in `scan_photos`.
        groups: The part of each photo, in the order of the data set.
        limit: Most photos that are read, so that an endless data set is not read for ever.
        policy: How photos become pixels of a model's size.
        max_unreadable_fraction: As in `scan_photos`.
        drop_small_classes: As in `scan_photos`.
        for_training: As in `scan_photos`.

    Returns:
        The photos, in the order in which they were read.

    Raises:
        ValueError: If the data set or an argument is not usable.
        DataError: If it holds more than `limit` photos or half of the memory, photos that cannot
            be used, or too little to learn from.

    Example:
        >>> pairs = [(np.full((2, 16, 16, 3), i, np.uint8), ["ok", "crack"]) for i in range(4)]
        >>> photos_from_dataset({"train": pairs})
        PhotoSet(8 photos, {'crack': 4, 'ok': 4})
    """
    if not is_number(limit, 1, math.inf, whole=True):
        raise ValueError(f"`limit` must be a whole number of at least 1, not {limit!r}.")
    asked = _Asked(class_names, target, image, label, group_by, limit, policy)
    sides = _sides(dataset)
    room = Room(limit)
    parts = [replace(_read(one, asked, room), split=side) for side, one in sides]
    candidates, found = _joined(parts, asked, groups)
    if group_by is not None and all(part.files for part in parts):
        candidates = grouped(candidates, group_by, policy)
    limits = Limits(policy, max_unreadable_fraction, drop_small_classes, for_training)
    return replace(read_photos(candidates, found, limits), ordered=class_names is not None)


@dataclass(frozen=True)
class _Asked:
    """How a data set is to be read; see `photos_from_dataset`."""

    class_names: Sequence[str] | None
    target: str | None
    image: str | None
    label: str | None
    group_by: str | None
    limit: int
    policy: DecodePolicy


@dataclass(frozen=True)
class Part:
    """What was read of one data set: files, or the contents of files, and what is known of them."""

    labels: Any
    contents: list[bytes] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    names: list[str] | None = None
    groups: list[object] | None = None
    class_names: Sequence[str] | None = None
    split: str | None = None


def _sides(dataset: Any) -> list[tuple[str | None, Any]]:
    if not isinstance(dataset, Mapping):
        return [(None, dataset)]
    unknown = [name for name in dataset if find_side(name) is None]
    if unknown or not dataset:
        raise ValueError(
            f"`dataset` has the sides {listed(dataset)}; they must be train, val or test. Pass "
            "one of them, e.g. dataset['train']."
        )
    return [(find_side(name), one) for name, one in dataset.items()]


def _read(dataset: Any, asked: _Asked, room: Room) -> Part:
    if is_hugging_face(dataset):
        rows = read_rows(dataset, asked.image, asked.label, asked.group_by, asked.limit)
        return Part(rows.labels, room.keep(rows.contents), [], *rows.rest)
    for name, value in (("image", asked.image), ("label", asked.label)):
        if value is not None:
            raise ValueError(f"`{name}` names a column, and this data set has none.")
    told = getattr(dataset, "class_names", None)
    labelled = _labelled_files(dataset, told)
    if labelled:
        return Part(list(labelled.values()), files=list(labelled), class_names=told)
    if asked.group_by is not None:
        raise ValueError(
            "`group_by` would have no effect: this data set does not say which files it reads. "
            "Pass `groups`."
        )
    labels: list[Any] = []
    contents = room.keep(encode_pairs(dataset, labels, asked.policy))
    return Part(stack_labels(labels), contents, class_names=told)


def _labelled_files(dataset: Any, class_names: Sequence[str] | None) -> dict[str, str] | None:
    """Return the files that a data set of Keras reads, with the class folders that they are in."""
    files = [str(path) for path in getattr(dataset, "file_paths", None) or ()]
    if not files or not class_names or not all(map(os.path.isfile, files)):
        return None
    for root in (common := Path(os.path.commonpath(files)), *common.parents):
        inside = [Path(path).relative_to(root).parts[:1] for path in files]
        if all(part and part[0] in class_names for part in inside):
            return {path: trimmed(part[0]) for path, part in zip(files, inside, strict=True)}
    return None


def _joined(
    parts: list[Part], asked: _Asked, groups: Sequence[object] | None
) -> tuple[list[Candidate], Labelled]:
    """Join sides under one list of classes."""
    told = [part.class_names for part in parts if part.class_names]
    if asked.class_names is None and any(list(one) != list(told[0]) for one in told):
        raise ValueError("The sides of `dataset` have different classes. Pass `class_names`.")
    candidates: list[Candidate] = []
    classes: set[str] = set()
    targets: set[str] = set()
    for part in parts:
        if part.files:
            candidates += _file_candidates(part)
            classes |= {trimmed(name) for name in part.class_names or ()}
            targets.add(CLASS)
            continue
        answered = _answered(part, asked)
        split = None if part.split is None else [part.split] * len(part.contents)
        extras = {"names": part.names, "groups": part.groups, "split": split}
        candidates += candidates_of(part.contents, answered, extras)
        classes |= set(answered.class_names)
        targets.add(answered.target)
    if len(targets) > 1:
        raise ValueError(
            f"The sides of `dataset` have different kinds of labels: {listed(targets)}."
        )
    order = asked.class_names or (list(told[0]) if told else None)
    (target,) = targets
    said = ((one.name, one.label) for one in candidates)
    names = in_order(order, sorted(classes), target, said) if classes else []
    return _grouped_as(candidates, groups), Labelled(_ROOT, [], names, target)


def _answered(part: Part, asked: _Asked) -> Answered:
    # Numbers count in the classes that the data set says, in whatever order people want them.
    names = part.class_names or asked.class_names
    try:
        return read_labels(part.labels, len(part.contents), names, asked.target)
    except ValueError as error:
        raise ValueError(f"Of the labels of `dataset`, here called `y`: {error}") from error


def _file_candidates(part: Part) -> list[Candidate]:
    root = os.path.dirname(os.path.commonpath(part.files)) if len(part.files) > 1 else ""
    return [
        Candidate(
            Path(os.path.abspath(path)), os.path.relpath(path, root or None), name, split=part.split
        )
        for path, name in zip(part.files, part.labels, strict=True)
    ]


def _grouped_as(candidates: list[Candidate], groups: Sequence[object] | None) -> list[Candidate]:
    if groups is None:
        return candidates
    if len(groups) != len(candidates):
        raise ValueError(
            f"`groups` must have one entry for each of the {len(candidates)} photos, not "
            f"{len(groups)}."
        )
    return [
        replace(one, group=written(group)) for one, group in zip(candidates, groups, strict=True)
    ]
