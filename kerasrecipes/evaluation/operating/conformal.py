"""Leaving to a person what the model cannot decide, with a guarantee about the rest."""

import math
from collections.abc import Sequence

import numpy as np

from kerasrecipes.data.specs import AbstainBand
from kerasrecipes.errors import DataError
from kerasrecipes.evaluation.scores import group_numbers


def abstain_band(
    scores: np.ndarray,
    targets: np.ndarray,
    coverage: float = 0.95,
    *,
    per_class: bool = False,
    groups: Sequence[object] | np.ndarray | None = None,
    seed: int = 0,
) -> AbstainBand:
    """Find a band on photos that the model did not learn from.

    The classes that an answer leaves open then hold the right one for a share of `coverage` of
    photos to come, whatever the model and the photos are, if they come from where these came.

    Args:
        scores: Probabilities, shape `(n, classes)`.
        targets: Index of the right class, shape `(n,)`.
        coverage: Share of photos whose right class is to be left open, 0…1.
        per_class: Whether that must hold for each class by itself.
        groups: The part that each photo belongs to; one photo of each is drawn, since the
            guarantee is for photos that do not depend on each other.
        seed: Seed of that draw.

    Raises:
        ValueError: If `coverage` is not between 0 and 1.
        DataError: If the arrays do not fit together.

    Reference:
        Vovk, Gammerman and Shafer, 2005, "Algorithmic learning in a random world"; per
        class: Vovk, 2012, "Conditional validity of inductive conformal predictors".
    """
    if not (isinstance(coverage, int | float) and 0 < coverage < 1):
        raise ValueError(f"`coverage` must be between 0 and 1, received {coverage!r}.")
    scores, targets = np.asarray(scores, np.float64), np.asarray(targets)
    if scores.ndim != 2 or targets.shape != scores.shape[:1] or not len(targets):
        raise DataError(
            f"`scores` and `targets` must have one row for each photo, received "
            f"{scores.shape} and {targets.shape}."
        )
    if (units := group_numbers(groups, len(targets))) is not None:
        chosen = _one_of_each(units, np.random.default_rng(seed))
        scores, targets = scores[chosen], targets[chosen]
    right = scores[np.arange(len(targets)), targets]
    classes = range(scores.shape[1])
    if per_class:
        least = tuple(_lowest(right[targets == k], coverage) for k in classes)
    else:
        least = (_lowest(right, coverage),) * scores.shape[1]
    return AbstainBand(least=least, coverage=coverage, per_class=per_class, photos=len(targets))


def _lowest(right: np.ndarray, coverage: float) -> float:
    """Return the score that the right class of a new photo has, with probability `coverage`."""
    # A rank that is whole but for its rounding is taken for whole.
    rank = math.floor((len(right) + 1) * (1 - coverage) + 1e-9)
    # Too few to exclude anything: every class stays open. A little lower, so that what a file
    # rounds decides nothing.
    if not rank:
        return 0.0
    score = float(np.sort(right)[rank - 1])
    return score - 1e-3 * abs(score)


def _one_of_each(units: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    order = rng.permutation(len(units))
    _, first = np.unique(units[order], return_index=True)
    return np.sort(order[first])
