"""The order of an epoch that shows as many examples of each class, or of each group."""

import numpy as np

from kerasrecipes.data.examples import CLASS, Examples
from kerasrecipes.errors import DataError, NoEffectError

SAMPLINGS = ("class", "group")


def strata_of(examples: Examples, sampling: str | None) -> np.ndarray | None:
    """Return which class or group each example is of, int64, shape `(n,)`; `None` for no sampling.

    Args:
        examples: Training examples.
        sampling: One of `SAMPLINGS`, or `None`.

    Raises:
        DataError: If they have no classes, or no groups.
        NoEffectError: If each class or group has as many already.
    """
    if sampling is None:
        return None
    noun = examples.noun[1]
    if sampling == "class":
        if examples.target != CLASS:
            raise DataError(f"sampling='class' needs {noun} with one class each. Leave it out.")
        found = np.asarray(examples.labels, np.int64)
    else:
        groups = [group or "" for group in examples.groups]
        if not all(groups):
            raise DataError(
                f"sampling='group' needs {noun} with groups, which {groups.count('')} of "
                f"{len(groups)} lack. Pass `group_by`, or leave it out."
            )
        found = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    counts = np.bincount(found)
    if counts.min() == counts.max():
        raise NoEffectError(
            f"sampling={sampling!r} would have no effect: each {sampling} has {counts[0]} training "
            f"{noun}. Leave it out."
        )
    return found


def balanced_order(strata: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw as many examples of each stratum, in a random order, as many in all as there are.

    Those of a small stratum come again and again, each as often as the others to within one.

    Args:
        strata: Which one each example is of, int64, shape `(n,)`.
        rng: What draws.

    Returns:
        Indices, int64, shape `(n,)`.
    """
    kinds = np.unique(strata)
    quotas = np.full(len(kinds), len(strata) // len(kinds))
    quotas[rng.permutation(len(kinds))[: len(strata) - quotas.sum()]] += 1
    drawn = []
    for kind, quota in zip(kinds, quotas, strict=True):
        members = np.flatnonzero(strata == kind)
        rounds = [rng.permutation(members) for _ in range(-(-quota // len(members)))]
        drawn.append(np.concatenate([*rounds, members[:0]])[:quota])
    return rng.permutation(np.concatenate(drawn))
