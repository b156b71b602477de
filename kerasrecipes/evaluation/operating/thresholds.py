"""Choosing a threshold by what it must reach, without a guess about how scores are distributed.

The k-th smallest of n scores is exceeded by a share of all that follows the beta distribution
(n − k + 1, k), whatever the scores are. So a bound on recall at a threshold that was chosen on
the very same scores is exact (Wilks, 1941, "Determination of sample sizes for setting tolerance
limits").
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kerasrecipes.errors import DataError, listed, unknown_name
from kerasrecipes.evaluation.operating.point import OperatingPoint
from kerasrecipes.evaluation.scores import group_numbers
from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.statistics.shares import level_of_each


@dataclass(frozen=True)
class AlarmScores:
    """Scores of photos that should raise an alarm, and of photos that should not.

    Args:
        alarm: The classes that are alarmed about.
        positive: Their summed scores on photos of these classes, sorted.
        negative: The same on other photos, sorted.
        item: What each score stands for.
    """

    alarm: tuple[str, ...]
    positive: np.ndarray
    negative: np.ndarray
    item: str = "photos"

    @classmethod
    def of(
        cls,
        scores: np.ndarray,
        targets: np.ndarray,
        class_names: Sequence[str],
        alarm: Sequence[str],
        groups: Sequence[object] | np.ndarray | None = None,
    ) -> "AlarmScores":
        """Take the alarm's scores out of those of a classifier.

        Args:
            scores: Probabilities, shape `(n, classes)`, of photos that the model did not learn
                from.
            targets: Index of the right class, shape `(n,)`.
            class_names: The classes, in the order of the scores.
            alarm: Classes that are alarmed about.
            groups: The part that each photo belongs to. Of a part that should raise an alarm the
                lowest score counts, of another the highest: all its photos must be right.

        Raises:
            DataError: If there are no photos on either side, or scores that are no numbers.
            ValueError: If a class is unknown, or all or none are alarmed about.
        """
        for name in alarm:
            if name not in class_names:
                raise unknown_name("class", name, class_names, "Bundle.class_names")
        if not alarm or len(set(alarm)) == len(class_names):
            raise ValueError(
                f"`alarm` must name some of the classes {listed(class_names)}, and not all, "
                f"received {list(alarm)!r}."
            )
        chosen = [i for i, name in enumerate(class_names) if name in alarm]
        summed = np.asarray(scores, np.float64)[:, chosen].sum(axis=1)
        if not np.isfinite(summed).all():
            raise DataError("`scores` hold NaN or infinity. Verify the model.")
        names = tuple(name for name in class_names if name in alarm)
        return cls.split(summed, np.isin(targets, chosen), names, groups)

    @classmethod
    def split(
        cls,
        scores: np.ndarray,
        is_alarm: np.ndarray,
        alarm: tuple[str, ...],
        groups: Sequence[object] | np.ndarray | None = None,
    ) -> "AlarmScores":
        """Take scores that are of one question already, e.g. those of one label.

        Args:
            scores: The score of each photo, shape `(n,)`.
            is_alarm: Whether it should raise an alarm.
            alarm: What for.
            groups: As in `of`.

        Raises:
            DataError: If there are no photos on either side.
        """
        positive, negative = scores[is_alarm], scores[~is_alarm]
        units = group_numbers(groups, len(scores))
        if units is not None:
            positive = _of_groups(positive, units[is_alarm], np.minimum)
            negative = _of_groups(negative, units[~is_alarm], np.maximum)
        if not len(positive) or not len(negative):
            raise DataError(
                f"A threshold is chosen on photos with and without {listed(alarm)}, and "
                f"there are {len(positive)} and {len(negative)}. Give photos of both."
            )
        item = "photos" if units is None else "groups"
        return cls(alarm, np.sort(positive), np.sort(negative), item)

    def point(
        self,
        threshold: float,
        wish: str = "",
        met: bool = True,
        confidence: float = 0.95,
        sought: bool = False,
    ) -> OperatingPoint:
        """Return what is known of a threshold.

        Args:
            threshold: The threshold.
            wish: What it was chosen for.
            met: Whether that is shown.
            confidence: Probability that the bounds hold, if it was not chosen on these scores.
            sought: Whether it was chosen by what these scores look like. Then bounds and
                intervals are wider: they hold at all thresholds at once.
        """
        found = int(np.sum(self.positive >= threshold))
        wrong = int(np.sum(self.negative >= threshold))
        recall, least, _ = _share(found, len(self.positive), confidence, sought)
        rejects, _, most = _share(wrong, len(self.negative), confidence, sought)
        return OperatingPoint(
            alarm=self.alarm,
            threshold=threshold,
            wish=wish,
            met=met,
            confidence=confidence,
            recall=recall,
            least_recall=least,
            false_rejects=rejects,
            most_false_rejects=most,
            positives=len(self.positive),
            negatives=len(self.negative),
            item=self.item,
        )


def stated_recall(found: int, positives: int, to_come: int) -> tuple[float, float]:
    """Say between what the recall of photos to come lies, by those that a threshold was chosen on.

    Of the scores alone it is used that they come in any order: how many of the new ones lie above
    the k-th of the old ones follows a beta-binomial distribution, whatever the scores are.

    Args:
        found: Photos above the threshold, of those that should be.
        positives: Number of these.
        to_come: Number of new photos that should be above it, ≥ 1.

    Returns:
        The ends of a share that holds with 95 % probability at least.

    Example:
        >>> low, high = stated_recall(found=196, positives=200, to_come=200)
        >>> round(low, 3), round(high, 3)
        (0.94, 1.0)

    Reference:
        Wilks, 1942, "Statistical prediction with special reference to the problem of tolerance
        limits".
    """
    from scipy.stats import betabinom

    low, high = 0.0, 1.0
    if found:
        low = float(betabinom.ppf(0.025, to_come, found, positives - found + 1)) / to_come
    if found < positives:
        high = float(betabinom.ppf(0.975, to_come, found + 1, positives - found)) / to_come
    return low, high


def point_for_recall(
    scores: AlarmScores, min_recall: float, confidence: float = 0.95
) -> OperatingPoint:
    """Choose the highest threshold that finds enough, for sure.

    Args:
        scores: Of photos that the model did not learn from.
        min_recall: Share of the alarm's photos that must be found, 0…1.
        confidence: Probability that it holds for photos to come.

    Returns:
        The point; the one with the best bound if the wish cannot be shown.

    Raises:
        ValueError: If a share is not between 0 and 1.
    """
    _check_shares(min_recall=min_recall, confidence=confidence)
    n = len(scores.positive)
    least = [_beta(1 - confidence, n - k + 1, k) for k in range(1, n + 1)]
    allowed = [k for k, bound in enumerate(least, start=1) if bound >= min_recall]
    threshold = _below(scores, scores.positive[max(allowed, default=1) - 1])
    return scores.point(threshold, f"a recall of {min_recall:g}", bool(allowed), confidence)


def point_for_false_rejects(
    scores: AlarmScores, max_false_rejects: float, confidence: float = 0.95
) -> OperatingPoint:
    """Choose the lowest threshold that rejects few good photos, for sure.

    Args:
        scores: Of photos that the model did not learn from.
        max_false_rejects: Share of the other photos that may raise an alarm, 0…1.
        confidence: Probability that it holds for photos to come.

    Returns:
        The point; the one with the best bound if the wish cannot be shown.

    Raises:
        ValueError: If a share is not between 0 and 1.
    """
    _check_shares(max_false_rejects=max_false_rejects, confidence=confidence)
    m = len(scores.negative)
    most = [_beta(confidence, j + 1, m - j) for j in range(m)]
    allowed = [j for j, bound in enumerate(most) if bound <= max_false_rejects]
    highest_quiet = scores.negative[m - 1 - max(allowed, default=0)]
    threshold = _above(scores, highest_quiet)
    wish = f"false rejects of {max_false_rejects:g} at most"
    return scores.point(threshold, wish, bool(allowed), confidence)


def point_for_costs(
    scores: AlarmScores,
    costs: Mapping[str, float],
    share: float | None = None,
    confidence: float = 0.95,
) -> OperatingPoint:
    """Choose the threshold with the lowest mean cost.

    Args:
        scores: Of photos that the model did not learn from.
        costs: `{"miss": …, "false_reject": …}`, of one photo each, in any unit.
        share: Share of the alarm's photos among those to come; `None` for that among these.
        confidence: Probability that the bounds of the point hold, although it was sought.

    Raises:
        ValueError: If costs are missing or not positive, or a share is not between 0 and 1.
    """
    if set(costs) != {"miss", "false_reject"} or not all(
        isinstance(cost, int | float) and 0 < cost < math.inf for cost in costs.values()
    ):
        raise ValueError(
            "`costs` must give what a miss and a false reject cost, both more than 0, e.g. "
            f"{{'miss': 50, 'false_reject': 1}}, received {dict(costs)!r}."
        )
    n, m = len(scores.positive), len(scores.negative)
    share = n / (n + m) if share is None else share
    _check_shares(share=share, confidence=confidence)
    levels = np.unique(np.concatenate([scores.positive, scores.negative]))
    missed = np.searchsorted(scores.positive, levels) / n
    rejected = 1 - np.searchsorted(scores.negative, levels) / m
    cost = share * missed * costs["miss"] + (1 - share) * rejected * costs["false_reject"]
    threshold = _below(scores, levels[int(np.argmin(cost))])
    wish = f"a miss costing {costs['miss'] / costs['false_reject']:g} false rejects"
    return scores.point(threshold, wish, True, confidence, sought=True)


def _of_groups(values: np.ndarray, units: np.ndarray, worst: np.ufunc) -> np.ndarray:
    if not len(values):
        return values
    order = np.argsort(units, kind="stable")
    _, starts = np.unique(units[order], return_index=True)
    return worst.reduceat(values[order], starts)


def _below(scores: AlarmScores, score: float) -> float:
    """Return the middle of the gap below a score, so that rounding decides nothing."""
    every = np.concatenate([scores.positive, scores.negative])
    lower = every[every < score]
    return float((lower.max() + score) / 2) if len(lower) else float(score) / 2


def _above(scores: AlarmScores, score: float) -> float:
    every = np.concatenate([scores.positive, scores.negative])
    higher = every[every > score]
    return float((higher.min() + score) / 2) if len(higher) else float(np.nextafter(score, 2))


def _share(count: int, of: int, confidence: float, sought: bool) -> tuple[Estimate, float, float]:
    """Return a share with its 95 % interval, and one-sided bounds (Clopper and Pearson, 1934)."""
    tails = (0.025, 1 - confidence)
    if sought:
        tails = (level_of_each(of, 0.975), level_of_each(of, confidence))
    ends = [0.0 if count == 0 else _beta(tail, count, of - count + 1) for tail in tails]
    ends += [1.0 if count == of else _beta(1 - tail, count + 1, of - count) for tail in tails]
    low, least, high, most = ends
    return Estimate(count / of, low, high), least, most


def _beta(share: float, a: float, b: float) -> float:
    from scipy.special import betaincinv

    return float(betaincinv(a, b, share))


def _check_shares(**shares: float) -> None:
    for name, value in shares.items():
        if not (isinstance(value, int | float) and 0 < value < 1):
            raise ValueError(f"`{name}` must be between 0 and 1, received {value!r}.")
