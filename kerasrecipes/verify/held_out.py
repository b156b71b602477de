"""Examples to judge exported files by, with what the original model says about them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kerasrecipes.data.examples import Examples, check_examples
from kerasrecipes.data.seen import FIT_SIDES, refuse_seen
from kerasrecipes.errors import DataError, listed, printable
from kerasrecipes.evaluation.scores import group_numbers
from kerasrecipes.heads import get_task

if TYPE_CHECKING:
    from kerasrecipes.bundles.bundle import BundleFolder


@dataclass(frozen=True)
class Answered:
    """Labelled examples, and the answers of the original model.

    Args:
        names: What the examples are called.
        targets: What they should be answered with; see `Task.targets`.
        answers: Answers of the original model, shape `(n, width)`.
        inputs: What a file takes, one by one; they can be gone through once.
        groups: Number of each one's group, from 0, int64, shape `(n,)`; `None` if they are
            independent.
        others: What the original answers besides, by the name of the output, where it is known.
    """

    names: list[str]
    targets: np.ndarray
    answers: np.ndarray
    inputs: Iterator[np.ndarray]
    groups: np.ndarray | None = None
    others: Mapping[str, np.ndarray] = field(default_factory=dict)


def hold_out(
    bundle: "BundleFolder", photos: Examples | None = None, scores: np.ndarray | None = None
) -> Answered:
    """Take the golden photos of a bundle, or photos with scores.

    Args:
        bundle: Says how photos are decoded, and what the classes are.
        photos: Photos to judge by; by default the golden ones.
        scores: What the original model says about `photos`, `(n, classes)`.

    Raises:
        DataError: If there are no photos, they or the scores do not fit the model, or it was
            made with them.
    """
    if photos is None:
        golden = bundle.golden()
        _check_answers(golden.answers, len(golden.files), bundle)
        named = zip(golden.files, golden.names, strict=True)
        decoded = (bundle.decode(data, name) for data, name in named)
        targets, answers = np.asarray(golden.targets), np.asarray(golden.answers)
        return Answered(golden.names, targets, answers, decoded, golden.groups, golden.others)
    check_examples(photos=photos)
    if scores is None:
        raise DataError(
            "`photos` need the original model's answers to compare with. Pass `scores`, its "
            "probabilities for them, or leave `photos` out to use the bundle's golden photos."
        )
    refuse_seen(bundle.seen(), photos)
    targets = get_task(bundle.output.task).targets(photos, bundle.output)
    _check_answers(scores, len(photos), bundle)
    names = [item.name for item in photos.items]
    inputs = photos.each(bundle.input.shape)
    groups = group_numbers(photos.groups, len(photos))
    return Answered(names, targets, np.asarray(scores), inputs, groups)


def unseen_photos(bundle: "BundleFolder", source: Examples | str | Path) -> tuple[Examples, int]:
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
    if any(item.split == "test" for item in photos.items):
        photos = photos.select(i for i, item in enumerate(photos.items) if item.split == "test")
    seen = bundle.seen()
    fresh = [i for i, one in enumerate(photos.items) if seen.get(one.key) not in FIT_SIDES]
    if not fresh:
        raise DataError(
            f"The model in '{printable(bundle.folder)}' was trained on all {len(photos)} photos of "
            f"{listed([photos.root])}. Give photos that it has not seen."
        )
    return photos.select(fresh), len(photos) - len(fresh)


def _check_answers(scores: np.ndarray, count: int, bundle: "BundleFolder") -> None:
    if count == 0:
        raise DataError("There are no held-out photos to verify on. Pass `photos` with some.")
    expected = (count, bundle.output.width)
    if np.shape(scores) != expected or not np.isfinite(scores).all():
        raise DataError(
            f"The original model's scores must be finite and of shape {expected}, received "
            f"{np.shape(scores)}. Score the same photos with the bundle's model."
        )
