"""Which of several candidates to take, and how good it is when luck is taken off."""

from dataclasses import dataclass

import numpy as np

from kerasrecipes.statistics.clustered import clustered_error
from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.statistics.intervals import resample_counts

REPEATS = 500


@dataclass(frozen=True)
class Picked:
    """What was picked among candidates that answered the same examples.

    Args:
        best: Which looked best.
        chosen: Which is taken: the best, or 0, the recipe as it is.
        seen: By how much the best looked better than the recipe as it is.
        gain: The same without what is owed to having picked it among so many.
        error: The standard error of the difference of the two, example by example.
        cost: What a pick like this one costs on examples that it was not picked by.
    """

    best: int
    chosen: int
    seen: float
    gain: float
    error: float
    cost: Estimate


def pick(costs: np.ndarray, units: np.ndarray, seed: int = 0) -> Picked:
    """Pick the candidate whose answers cost least, if it is better than the first by more than
    its error.

    The best of many owes something to luck. So resamples of the examples pick, too, and each
    pick is judged by the examples that its resample lacks; this gain is compared with the error.

    Args:
        costs: What each answer costs, shape `(candidates, examples)`, the recipe as it is first.
        units: What each example belongs to, numbered from 0, shape `(examples,)`.
        seed: Seed of the resamples.

    Reference:
        Tsamardinos, Greasidou and Borboudakis, 2018, "Bootstrapping the out-of-sample predictions
        for efficient and accurate cross-validation": as good as nested cross-validation.
    """
    best = int(np.argmin(costs.mean(axis=1)))
    gains, found = [], []
    for counts in resample_counts(costs.shape[1], REPEATS, seed, groups=units):
        picked = np.argmin(counts @ costs.T, axis=1)
        for row, other in zip(counts == 0, picked, strict=True):
            if row.any():
                gains.append(float((costs[0, row] - costs[other, row]).mean()))
                found.append(float(costs[other, row].mean()))
    seen = float((costs[0] - costs[best]).mean())
    error = clustered_error(costs[0] - costs[best], units) if best else 0.0
    gain = min(seen, float(np.mean(gains))) if gains else 0.0
    chosen = best if gain > error else 0
    fair = float(costs[0].mean()) - (gain if chosen else 0.0)
    low, high = np.percentile(found, (2.5, 97.5)) if found else (np.nan, np.nan)
    return Picked(best, chosen, seen, gain, error, Estimate(fair, min(low, fair), max(high, fair)))
