"""What embeddings and look-alikes say: examples that are like no other, copies that differ."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.errors import DataError
from kerasrecipes.evaluation.mistakes.label_errors import worst_first
from kerasrecipes.evaluation.mistakes.suspect import Suspect, in_words
from kerasrecipes.evaluation.retrieval.embeddings import nearest_first, unit_rows
from kerasrecipes.evaluation.scores import check_rows, group_numbers

NEIGHBOURS = 5
# Tukey's fence for what is far out, in quartile ranges above the upper quartile.
_FENCE = 1.5
_BLOCK = 512
# Numbers that differ by less than so many standard deviations of all are no conflict.
_APART = 0.1
# So many look-alikes are named.
_BESIDE = 50


@named
def nearest_examples(
    embeddings: np.ndarray, k: int = NEIGHBOURS, *, groups: Sequence[object] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Find the examples that are nearest to each one, by cosine distance.

    Args:
        embeddings: Shape `(n, length)`.
        k: How many; fewer if there are no more.
        groups: What each example belongs to, shape `(n,)`; those of one's own group are passed
            over, since they are alike anyway.

    Returns:
        Their rows, int64, shape `(n, k)`, nearest first, −1 where there is none; and their
        distances, 0…2, infinite there.

    Raises:
        DataError: If the embeddings are broken, or there is not one group per example.

    Example:
        >>> rows, distances = nearest_examples([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]], k=1)
        >>> rows.ravel()
        array([1, 0, 1])
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise DataError(f"`k` must be a whole number of at least 1, not {k!r}.")
    rows = unit_rows(embeddings).astype(np.float32)
    own = group_numbers(groups, len(rows))
    own = np.arange(len(rows)) if own is None else own
    found, far = [], []
    for start in range(0, len(rows), _BLOCK):
        block = slice(start, start + _BLOCK)
        distances = np.clip(1 - rows[block] @ rows.T, 0, 2)
        distances[own[block, None] == own] = np.inf
        order = nearest_first(distances, k)[:, : len(rows) - 1]
        near = np.take_along_axis(distances, order, axis=1)
        found.append(np.where(np.isfinite(near), order, -1))
        far.append(near)
    return np.concatenate(found), np.concatenate(far)


@named
def find_outliers(
    embeddings: np.ndarray,
    labels: Sequence[object] | None = None,
    *,
    groups: Sequence[object] | None = None,
) -> list[Suspect]:
    """Find examples that are farther from their nearest neighbours than nearly all others are.

    They may be damaged, of something else, or the only ones of their kind.

    Args:
        embeddings: Shape `(n, length)`.
        labels: What each is labelled with: a class, labels or a number; for people alone.
        groups: What each example belongs to, shape `(n,)`; neighbours are sought elsewhere.

    Returns:
        The suspects, the farthest first; none among fewer than 20 examples.

    Raises:
        DataError: If the embeddings are broken, or the lengths differ.

    Example:
        >>> points = np.random.default_rng(0).normal((9, 0), 1, (60, 2))
        >>> points[7] = (-9, 0)
        >>> [one.index for one in find_outliers(points)][:1]
        [7]
    """
    return outliers_among(*nearest_examples(embeddings, groups=groups), labels)


def outliers_among(
    rows: np.ndarray, distances: np.ndarray, labels: Sequence[object] | None = None
) -> list[Suspect]:
    """Do what `find_outliers` does by neighbours that are known already.

    Args:
        rows, distances: Of `nearest_examples`.
        labels: What each example is labelled with; for people alone.

    Raises:
        DataError: If there is not one label per example.
    """
    if labels is not None:
        check_rows("labels", labels, len(rows), "embedding")
    if len(rows) < 20 or rows.shape[1] == 0:
        return []
    # What has no neighbour outside its own group is not known to be odd.
    finite = np.isfinite(distances)
    known = finite.any(axis=1)
    means = np.where(finite, distances, 0).sum(axis=1) / np.maximum(finite.sum(axis=1), 1)
    logs = np.log(np.maximum(means, 1e-6))
    low, middle, high = np.quantile(logs[known], [0.25, 0.5, 0.75]) if known.any() else (0, 0, 0)
    odd = np.flatnonzero(known & (logs > high + _FENCE * (high - low)))
    found = [
        Suspect(
            kind="outlier",
            index=i,
            score=float(1 - np.exp(middle - logs[i])),
            label="" if labels is None else in_words(labels[i]),
            beside=tuple(int(j) for j in rows[i] if j >= 0),
            reason=f"{np.exp(logs[i] - middle):.1f} times as far from its nearest neighbours as "
            "usual",
        )
        for i in odd.tolist()
    ]
    return worst_first(found)


@named
def conflicting_copies(
    labels: Sequence[object], pairs: Iterable[tuple[int, int]], *, unit: str = ""
) -> list[Suspect]:
    """Find examples that look the same as others and are labelled differently.

    Args:
        labels: What each is labelled with: a class, labels or a number.
        pairs: Rows `(i, j)` of examples that look the same, e.g. `PhotoSet.near_duplicates()`.
        unit: Unit of the numbers.

    Returns:
        The suspects: of look-alikes those in the minority, or all where there is none. Up to 50
        of the others are named beside each.

    Raises:
        DataError: If a pair is of rows that do not exist.

    Example:
        >>> found = conflicting_copies(["ok", "ok", "crack", "ok"], [(0, 1), (1, 2)])
        >>> [(one.index, one.suggestion, one.beside) for one in found]
        [(2, 'ok', (0, 1))]
    """
    alike = _joined(len(labels), list(pairs))
    values, apart = _comparable(labels)
    found = []
    for members in alike:
        words = [in_words(labels[j], unit) for j in members]
        number: dict[str, int] = {}
        kind_of = np.array([number.setdefault(word, len(number)) for word in words])
        kinds, met = list(number), {}
        for i, word in zip(members, words, strict=True):
            value = float(values[i])
            if value not in met:
                otherwise = np.abs(values[members] - value) > apart
                met[value] = int(otherwise.sum()), np.bincount(kind_of[otherwise], minlength=1)
            others, said = met[value]
            if not others or 2 * others < len(members):
                continue
            found.append(
                Suspect(
                    kind="conflicting_copy",
                    index=i,
                    score=others / len(members),
                    label=word,
                    suggestion=kinds[said.argmax()],
                    beside=tuple(j for j in members[: _BESIDE + 1] if j != i)[:_BESIDE],
                    reason=f"{others} of {len(members) - 1} that look the same "
                    f"{'is' if others == 1 else 'are'} labelled otherwise",
                )
            )
    return worst_first(found)


def _comparable(labels: Sequence[Any]) -> tuple[np.ndarray, float]:
    """Return a number for each label, and by how much those must differ that are not the same."""
    if len(labels) and not isinstance(labels[0], str | tuple | list):
        numbers = np.asarray(labels, np.float64)
        return numbers, _APART * float(numbers.std())
    kept = [one if isinstance(one, str) else frozenset(one) for one in labels]
    number: dict[object, int] = {}
    return np.array([number.setdefault(one, len(number)) for one in kept], np.float64), 0.0


def _joined(count: int, pairs: list[tuple[int, int]]) -> list[list[int]]:
    """Return the rows that look alike, directly or through others."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    if len(ends) and (ends.min() < 0 or ends.max() >= count):
        raise DataError(
            f"`pairs` must be of rows from 0 to {count - 1}, one per label. Received: "
            f"{ends.min()} to {ends.max()}."
        )
    graph = coo_array((np.ones(len(ends)), ends.T), shape=(count, count))
    members = defaultdict(list)
    for i, unit in enumerate(connected_components(graph, directed=False)[1].tolist()):
        members[unit].append(i)
    return [found for found in members.values() if len(found) > 1]
