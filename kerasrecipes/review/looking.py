"""What to look at among photos: by what a saved model says of them, and by their likeness."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from kerasrecipes.backbones.weights_cache import kept_arrays
from kerasrecipes.bundles.bundle import SEAL
from kerasrecipes.console import bar, say
from kerasrecipes.data.examples import CLASS
from kerasrecipes.data.seen import FIT_SIDES
from kerasrecipes.data.strata import join_units
from kerasrecipes.engine.frozen.runtime import frozen_engine
from kerasrecipes.evaluation.mistakes.confident import confident_mistakes
from kerasrecipes.evaluation.mistakes.label_errors import likely_label_errors
from kerasrecipes.evaluation.mistakes.likeness import (
    conflicting_copies,
    find_outliers,
    nearest_examples,
)
from kerasrecipes.evaluation.mistakes.suspect import Suspect
from kerasrecipes.files import digest
from kerasrecipes.heads import get_task
from kerasrecipes.keras_private import features_of
from kerasrecipes.photos.photo_set import PhotoSet
from kerasrecipes.release.bundle import Bundle
from kerasrecipes.training.linear_probe import BATCH, fit_linear_probe

if TYPE_CHECKING:
    import keras

FOLDS = 5
NEIGHBOURS = 8
_FEWEST = 20
_MOST = 1 << 31


def find_suspects(bundle: Bundle, photos: PhotoSet, seed: int = 0) -> list[Suspect]:
    """Find the photos whose labels a person should look at.

    Labels are doubted by linear models of the features, each fitted without the photo, its like
    and its part; the model's own answers count for photos only that it did not learn from. What
    takes long is kept in the user's cache folder.

    Args:
        bundle: The model.
        photos: The photos, prepared as it takes them.
        seed: Seed of the folds.

    Returns:
        The suspects of each kind, the most suspicious first, each with photos to see beside it.

    Raises:
        DataError: If the model does not know a class, or a photo changed since it was scanned.
    """
    output, labels = bundle.output, [photo.label for photo in photos.photos]
    task = get_task(output.task)
    targets = task.targets(photos, output)
    contents = [digest(bundle.folder / SEAL), *(photo.key for photo in photos.photos)]
    seen = _kept("answers", contents, lambda: _ask(bundle.load_model(), photos))
    features, answers = seen["features"].astype(np.float32), seen["answers"]
    doubted = _kept(
        "doubts",
        [*contents, photos.digest(), *map(str, photos.groups), str(seed)],
        lambda: {"answers": _out_of_fold(features, targets, answers.shape[1], photos, seed)},
    )["answers"]
    judged = np.flatnonzero(np.isfinite(doubted).all(axis=1))
    met = bundle.seen()
    fresh = np.array([met.get(p.key) not in FIT_SIDES for p in photos.photos], dtype=bool)
    found = conflicting_copies(labels, _look_alikes(photos), unit=output.unit)
    if len(judged):
        given = targets[judged], doubted[judged], output.class_names
        wrong = likely_label_errors(*given, target=photos.target, unit=output.unit)
        found += _among(judged, wrong)
    if fresh.any():
        rows = np.flatnonzero(fresh)
        some = [labels[i] for i in rows]
        asked = task, some, targets[rows], answers[rows], output
        found += _among(rows, confident_mistakes(*asked))
    groups = photos.groups
    found += find_outliers(features, labels, groups=groups)
    near, _ = nearest_examples(features, NEIGHBOURS, groups=groups)
    beside = [tuple(int(j) for j in row if j >= 0) for row in near]
    return [one if one.beside else replace(one, beside=beside[one.index]) for one in found]


def _look_alikes(photos: PhotoSet) -> list[tuple[int, int]]:
    first: dict[str, int] = {}
    same = [(first.setdefault(photo.key, i), i) for i, photo in enumerate(photos.photos)]
    return [*photos.near_duplicates(), *(pair for pair in same if pair[0] != pair[1])]


def _among(rows: np.ndarray, found: Sequence[Suspect]) -> list[Suspect]:
    """Return suspects that were found among some rows by their places among all."""
    return [replace(one, index=int(rows[one.index])) for one in found]


def _kept(
    what: str, depends_on: Sequence[str], make: Callable[[], dict[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    name = hashlib.sha256("\n".join(depends_on).encode(errors="surrogateescape")).hexdigest()
    return kept_arrays(f"review-{what}-{name[:32]}", make, _MOST, f"{what} about the photos")


def _ask(model: "keras.Model", photos: PhotoSet) -> dict[str, np.ndarray]:
    """Return what the model's last layer sees of photos, in half precision, and its answers."""
    import keras

    both = keras.Model(model.input, [features_of(model), model.outputs[0]])
    run = frozen_engine(both, len(photos))
    features, answers, done = [], [], 0
    with bar("computing answers") as show:
        for pixels in photos.reader(model).in_order(BATCH):
            seen, said = run(pixels.numpy())
            features.append(seen.astype(np.float16))
            answers.append(said)
            show(done := done + len(said), len(photos))
    return {"features": np.concatenate(features), "answers": np.concatenate(answers)}


def _out_of_fold(
    features: np.ndarray, targets: np.ndarray, width: int, photos: PhotoSet, seed: int
) -> np.ndarray:
    """Return answers of linear models that did not learn from the photo, nor from its like.

    Returns:
        Shape `(n, width)`; NaN for photos of classes too small for that.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    answers = np.full((len(photos), width), np.nan)
    units = np.zeros(len(photos), np.int64)
    for number, unit in enumerate(join_units(photos, by_group=True, near=True)):
        units[unit] = number
    strata = photos.strata()
    large = [k for k in np.unique(strata) if len(np.unique(units[strata == k])) >= FOLDS]
    rows = np.flatnonzero(np.isin(strata, large))
    if len(rows) < _FEWEST or (photos.target == CLASS and len(large) < 2):
        say("Too few photos of each class to doubt their labels: only what else is odd is shown.")
        return answers
    if len(rows) < len(photos):
        say(f"{len(photos) - len(rows)} photos are of classes too small to doubt their labels.")
    folds = np.zeros(len(photos), np.int64)
    split = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    for number, (_, inside) in enumerate(split.split(rows, strata[rows], units[rows])):
        folds[rows[inside]] = number
    with bar("doubting labels") as show:
        for fold in range(FOLDS):
            # The strength is chosen on another fold than the one that is answered.
            choosing = (fold + 1) % FOLDS
            fit, val = (
                rows[~np.isin(folds[rows], (fold, choosing))],
                rows[folds[rows] == choosing],
            )
            mine = rows[folds[rows] == fold]
            answers[mine] = _answers(features, targets, (fit, val, mine), photos.target, width)
            show(fold + 1, FOLDS)
    return answers


def _answers(
    features: np.ndarray,
    targets: np.ndarray,
    sides: tuple[np.ndarray, np.ndarray, np.ndarray],
    target: str,
    width: int,
) -> np.ndarray:
    fit, val, mine = sides
    if not all(map(len, sides)):
        return np.full((len(mine), width), np.nan)
    if target != CLASS:
        probe = fit_linear_probe(
            features[fit], targets[fit], None, features[val], targets[val], target
        )
        return probe.answers(features[mine])
    # A linear model knows the classes that it learned from alone.
    known, learned = np.unique(targets[fit], return_inverse=True)
    val = val[np.isin(targets[val], known)]
    if len(known) < 2 or not len(val):
        return np.full((len(mine), width), np.nan)
    chosen_by = np.searchsorted(known, targets[val])
    probe = fit_linear_probe(
        features[fit], learned, np.ones(len(known)), features[val], chosen_by, target
    )
    answers = np.zeros((len(mine), width))
    answers[:, known] = probe.answers(features[mine])
    return answers
