"""Mistakes that lie together in feature space, and what they have in common."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasrecipes.errors import DataError, printable
from kerasrecipes.evaluation.retrieval.embeddings import unit_rows
from kerasrecipes.evaluation.scores import check_rows, group_numbers
from kerasrecipes.evaluation.slices.cutting import amounts_of, cut
from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.statistics.simultaneous import confidence_of_each, difference_of, mean_of

MOST_CLUSTERS = 6
# Fewer mistakes are looked at one by one.
FEWEST = 10
_SMALLEST = 3
_MOST = 2000
# Mean silhouette below which clusters are no more than a cut through one cloud.
_CLEAR = 0.15


@dataclass(frozen=True)
class Trait:
    """What mistakes have in common, beside answers that are right.

    Args:
        name: The property, e.g. `"brightness"`, or `"camera: left"`.
        effect: Of an amount the difference in standard deviations, of a name that of its shares;
            the interval holds for all properties and clusters at once.
        amount: Whether it is an amount.
    """

    name: str
    effect: Estimate
    amount: bool

    def __str__(self) -> str:
        value, low, high = self.effect.value, self.effect.low, self.effect.high
        more = value > 0
        if self.amount:
            ends = f"{abs(value):.1f} standard deviations ({low:+.1f} to {high:+.1f})"
            return f"{printable(self.name)} {'higher' if more else 'lower'} by {ends}"
        ends = f"{abs(100 * value):.0f} points ({100 * low:+.0f} to {100 * high:+.0f})"
        return f"{printable(self.name)} {'more' if more else 'less'} often by {ends}"


@dataclass(frozen=True)
class MistakeCluster:
    """Mistakes that lie together.

    Args:
        rows: Their rows, those nearest to the middle first.
        traits: What they are shown to have in common, the strongest first.
    """

    rows: tuple[int, ...]
    traits: tuple[Trait, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the cluster as JSON-safe data."""
        traits = [
            {"name": one.name, "effect": one.effect.to_list(), "amount": one.amount}
            for one in self.traits
        ]
        return {"rows": list(self.rows), "traits": traits}


def cluster_mistakes(
    wrong: np.ndarray,
    embeddings: np.ndarray,
    properties: Mapping[str, Sequence[object]],
    *,
    groups: Sequence[object] | None = None,
) -> tuple[list[MistakeCluster], int]:
    """Cluster mistakes, and compare each cluster with the answers that are right.

    Args:
        wrong: Whether each answer is a mistake, bool, shape `(n,)`.
        embeddings: What a model sees of each example, shape `(n, length)`.
        properties: Name of each property to one value per example; those that all share are
            passed over, as are names of which hardly any occur twice.
        groups: What each example belongs to, shape `(n,)`.

    Returns:
        The clusters, the largest first: one of all mistakes where they form none; and how many
        comparisons were made.

    Raises:
        DataError: If the lengths differ, or an embedding is broken.

    Reference:
        Ward, 1963, "Hierarchical Grouping to Optimize an Objective Function"; their number by
        Rousseeuw, 1987, "Silhouettes".
    """
    wrong = np.asarray(wrong, bool)
    check_rows("embeddings", embeddings, len(wrong), "answer")
    rows = np.flatnonzero(wrong)
    if not len(rows):
        return [], 0
    points = unit_rows(embeddings)[rows]
    numbers = group_numbers(groups, len(wrong))
    members = [rows[chosen] for chosen in _clusters(points)]
    kinds = list(_comparable(properties, len(wrong)))
    looked = len(members) * len(kinds)
    each = confidence_of_each(max(1, looked))
    centred = {row: place for place, row in enumerate(rows.tolist())}
    found = []
    for cluster in members:
        inside = np.zeros(len(wrong), bool)
        inside[cluster] = True
        traits = [_trait(*kind, inside, ~wrong, numbers, each) for kind in kinds]
        shown = [one for one in traits if one.effect.low > 0 or one.effect.high < 0]
        shown.sort(key=lambda one: -abs(one.effect.value))
        near = points[[centred[row] for row in cluster.tolist()]]
        order = np.argsort(((near - near.mean(axis=0)) ** 2).sum(axis=1), kind="stable")
        found.append(MistakeCluster(tuple(cluster[order].tolist()), tuple(shown)))
    return sorted(found, key=lambda one: (-len(one.rows), one.rows)), looked


def _trait(
    name: str,
    values: np.ndarray,
    amount: bool,
    inside: np.ndarray,
    right: np.ndarray,
    groups: np.ndarray | None,
    confidence: float,
) -> Trait:
    sides = (
        mean_of(values[rows], None if groups is None else groups[rows], confidence)
        for rows in (inside & np.isfinite(values), right & np.isfinite(values))
    )
    return Trait(name, difference_of(*sides), amount)


def _comparable(
    properties: Mapping[str, Sequence[object]], rows: int
) -> Iterator[tuple[str, np.ndarray, bool]]:
    """Yield amounts in standard deviations, and for each name whether examples have it."""
    for name, values in properties.items():
        amounts = amounts_of(values)
        if amounts is not None:
            spread = float(np.nanstd(amounts))
            if spread > 0 and math.isfinite(spread):
                yield name, (amounts - np.nanmean(amounts)) / spread, True
            continue
        try:
            found = cut(name, values, rows)
        except DataError:  # they tell none apart, or all
            continue
        for value, having in found.items():
            yield f"{name}: {value}", having.astype(np.float64), False


def _clusters(points: np.ndarray) -> list[np.ndarray]:
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import pdist, squareform

    every = np.arange(len(points))
    if len(points) < FEWEST or len(points) > _MOST:
        return [every]
    distances = pdist(points)
    tree, square = linkage(points, "ward"), squareform(distances)
    best, found = _CLEAR, np.ones(len(points), int)
    for count in range(2, min(MOST_CLUSTERS, len(points) // 5) + 1):
        of = fcluster(tree, count, "maxclust")
        if (clear := _silhouette(square, of)) > best:
            best, found = clear, of
    clusters = [every[found == one] for one in np.unique(found)]
    return [one for one in clusters if len(one) >= _SMALLEST]


def _silhouette(distances: np.ndarray, of: np.ndarray) -> float:
    names, place = np.unique(of, return_inverse=True)
    if len(names) < 2:
        return -1.0
    member = np.eye(len(names))[place]
    sums, sizes = distances @ member, member.sum(axis=0)
    every = np.arange(len(of))
    own = sums[every, place] / np.maximum(sizes[place] - 1, 1)
    others = sums / sizes
    others[every, place] = np.inf
    near = others.min(axis=1)
    scores = (near - own) / np.maximum(np.maximum(near, own), 1e-12)
    return float(np.where(sizes[place] > 1, scores, 0).mean())
