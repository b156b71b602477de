"""Near duplicates: photos that show the same thing in the same way."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, SupportsBytes

import numpy as np

from kerasrecipes.photos.likeness.prints import FINGERPRINT_SIDE, Prints, says_something

if TYPE_CHECKING:
    from kerasrecipes.photos.photo_set import Photo

NEAR_THRESHOLD = 0.94
_SHRINK = 32  # photos of prior belief that a set has nothing in common
_BLOCK = 1024
_FEW = 4096  # of which comparing all pairs takes no longer
# Planes on whose sides rows are sorted: each is part of two tables, and some are for checks.
_SIDE, _TABLES, _TABLE_PLANES = 32, 128, 16
_PLANES = _SIDE * _SIDE
_FOUND = 0.15  # of the tables have a pair at the threshold, of 128 at least one then
_WORD, _WORDS = 64, 4  # planes of a check
_CERTAIN = 8  # standard deviations


class Likenesses:
    """Finds near duplicates for all sets that are cut from one scan.

    A split and the check of it look at the same photos: the last search is remembered.
    """

    def __init__(self) -> None:
        self._searched: tuple[float, bytes] | None = None
        self._pairs: list[tuple[int, int]] = []

    def pairs(self, kept: Sequence[SupportsBytes], threshold: float) -> list[tuple[int, int]]:
        """Return the pairs of fingerprints that correlate, `i < j`.

        Args:
            kept: The fingerprints.
            threshold: Least correlation.
        """
        prints, told = Prints(kept), hashlib.sha256()
        for rows in prints.blocks():
            told.update(rows.tobytes())
        searched = (threshold, told.digest())
        if self._searched != searched:
            self._pairs = _similar(prints, threshold)
            self._searched = searched
        return self._pairs


def near_duplicates(
    photos: Sequence["Photo"],
    threshold: float = NEAR_THRESHOLD,
    likenesses: Likenesses | None = None,
) -> list[tuple[int, int]]:
    """Find pairs of photos that look the same, up to light, size and compression.

    Fingerprints are correlated after what all photos of the set have in common (a fixture, a
    frame, bus bars) is removed. Precision comes first: two photos of one part under other light
    or from another side are usually *not* found; declare the part as the group.

    Measured at the default threshold. 2,624 solar cells that all look alike: 331 of 3.4 million
    pairs, of which 263 are polycrystalline cells, mostly numbered in sequence (they seem to be
    sister wafers of one block), and 68 featureless ones that are probably false; the largest
    cluster has 14 cells. 1,344 photos of magnetic tiles: 29 pairs of one part, 4 pairs of parts
    declared different. Found in samples of 200, after JPEG at quality 50: 94 % (cells), 97 %
    (tiles); at half the size: 99 %, 77 %; darkened by 40 % and JPEG 75: 92 %, 96 %. At 0.96
    about half as many pairs of cells remain, but 52 to 88 % of the copies are found.

    Args:
        photos: Scanned photos. Of identical files only the first is compared.
        threshold: Least correlation, up to 1.
        likenesses: What remembers the search, for the next set of the same photos.

    Returns:
        Pairs `(i, j)` of indices, `i < j`, sorted.

    Raises:
        ValueError: If `threshold` is not above 0 and at most 1.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"`threshold` must be above 0 and at most 1, got {threshold!r}.")
    first: dict[str, int] = {}
    for i, photo in enumerate(photos):
        if says_something(photo.facts.fingerprint):
            first.setdefault(photo.facts.sha256, i)
    # In the order of contents, so that the order of the photos cannot turn a close call.
    order = [first[digest] for digest in sorted(first)]
    if len(order) < 2:
        return []
    del first
    prints = [photos[i].facts.fingerprint for i in order]
    found = (likenesses or Likenesses()).pairs(prints, threshold)
    return sorted((min(order[i], order[j]), max(order[i], order[j])) for i, j in found)


def _similar(prints: Prints, threshold: float) -> list[tuple[int, int]]:
    """Return the pairs of rows that correlate, `i < j`."""
    total = np.zeros(FINGERPRINT_SIDE**2, np.int64)
    for rows in prints.blocks():
        total += rows.sum(axis=0, dtype=np.int64)
    common = total / (len(prints) + _SHRINK)
    promising = None if len(prints) < _FEW else _promising(prints, common, threshold)
    if promising is not None:
        return _that_correlate(prints, common, promising, threshold)
    pairs = []
    starts = range(0, len(prints), _BLOCK)
    for top in starts:
        left = _comparable(prints[top : top + _BLOCK], common)
        for start in starts:
            if start < top:
                continue
            alike = left @ _comparable(prints[start : start + _BLOCK], common).T
            pairs += [
                (int(top + i), int(start + j))
                for i, j in np.argwhere(alike >= threshold)
                if top + i < start + j
            ]
    return pairs


def _promising(prints: Prints, common: np.ndarray, threshold: float) -> np.ndarray | None:
    """Return the pairs of rows that may correlate, `i * rows + j`; `None` if most of them may.

    Rows that are alike lie on the same side of most random planes. Those are looked at that do
    so for one of many lots of planes, and among them those for which a further lot says the same,
    so that the work grows with the rows and not with their pairs. A pair at the threshold is
    overlooked less than once in a million times; one that is more alike, less.

    Reference:
        Charikar, 2002, "Similarity Estimation Techniques from Rounding Algorithms", section 3.
    """
    agreement = 1 - float(np.arccos(threshold)) / np.pi  # of two rows at the threshold
    per_table = _TABLE_PLANES
    if agreement < 1:
        per_table = min(max(int(np.log(_FOUND) / np.log(agreement)), 1), per_table)
    rng = np.random.default_rng(0)
    sides, checked = _sides(prints, common, rng)
    twice = np.concatenate([rng.permutation(_PLANES) for _ in range(2)])
    found = np.empty(0, np.int64)
    for planes in twice.reshape(_TABLES, _TABLE_PLANES)[:, :per_table]:
        keys = np.zeros(len(prints), np.uint16)
        for bit, plane in enumerate(planes):
            keys |= np.unpackbits(sides[plane], count=len(keys)).astype(np.uint16) << bit
        if _pairs_of_same(keys) * _TABLES > len(keys) ** 2 // 2:
            return None
        order = np.argsort(keys, kind="stable")
        new = [found]
        for left, right in _near(keys[order], checked[:, order], agreement):
            new.append(order[left] * len(prints) + order[right])
        found = np.unique(np.concatenate(new))
    return found


def _sides(
    prints: Prints, common: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Tell for each row on which side of each plane it lies, a bit each.

    Rows are turned at random, so that the signs of their numbers are sides of random planes.

    Returns:
        The bits of all rows for each plane, shape `(_PLANES, rows / 8)`; and those of the first
        planes for each row, uint64, shape `(_WORDS, rows)`.

    Reference:
        Andoni et al., 2015, "Practical and Optimal LSH for Angular Distance", section 6: random
        turns that are quick to compute.
    """
    side = FINGERPRINT_SIDE
    signs = rng.choice(np.array([-1, 1], np.float32), (2, side, side))
    normal = rng.standard_normal((4, side, side))
    first, second, third, fourth = np.linalg.qr(normal)[0].astype(np.float32)
    sides = np.empty((_PLANES, -(-len(prints) // 8)), np.uint8)
    checked = np.empty((_WORDS, len(prints)), np.uint64)
    for top in range(0, len(prints), _BLOCK):
        rows = _centred(prints[top : top + _BLOCK], common)
        turned = first @ (rows.reshape(-1, side, side) * signs[0]) @ second
        turned = third[:_SIDE] @ (turned * signs[1]) @ fourth[:, :_SIDE]
        above = turned.reshape(-1, _PLANES) > 0
        words = np.packbits(above[:, : _WORD * _WORDS], axis=1).view(np.uint64)
        checked[:, top : top + _BLOCK] = words.T
        some = np.packbits(above.T, axis=1)
        sides[:, top // 8 : top // 8 + some.shape[1]] = some
    return sides, checked


def _pairs_of_same(keys: np.ndarray) -> int:
    """Count the pairs of rows that have a key in common."""
    counts = np.bincount(keys)
    return int((counts * (counts - 1) // 2).sum())


def _near(
    keys: np.ndarray, checked: np.ndarray, agreement: float
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield pairs of places that have a key in common and lie on one side of the other planes, too.

    Args:
        keys: Sorted.
        checked: The sides, as `_sides` returns them.
        agreement: Of how many planes a pair that is looked for lies on one side.
    """
    first = checked[0]
    most, most_at_first = (_most_differing(n, agreement) for n in (_WORD * _WORDS, _WORD))
    left = np.arange(len(keys))
    for distance in range(1, len(keys)):
        left = left[: np.searchsorted(left, len(keys) - distance)]
        left = left[keys[left] == keys[left + distance]]
        if not len(left):
            return
        # One word tells most pairs apart, at a third of what all take.
        near = left[np.bitwise_count(first[left] ^ first[left + distance]) <= most_at_first]
        words = checked[:, near] ^ checked[:, near + distance]
        near = near[np.bitwise_count(words).sum(axis=0, dtype=np.int64) <= most]
        yield near, near + distance


def _most_differing(planes: int, agreement: float) -> float:
    """Return how many of so many planes may part a pair that is looked for."""
    spread = np.sqrt(planes * agreement * (1 - agreement))
    return float(planes * (1 - agreement) + _CERTAIN * spread)


def _that_correlate(
    prints: Prints, common: np.ndarray, found: np.ndarray, threshold: float
) -> list[tuple[int, int]]:
    """Return those pairs, given as `i * rows + j`, that correlate."""
    pairs: list[tuple[int, int]] = []
    for top in range(0, len(found), _BLOCK):
        i, j = np.divmod(found[top : top + _BLOCK], len(prints))
        left, right = (_comparable(prints[rows], common) for rows in (i, j))
        alike = np.einsum("rv,rv->r", left, right) >= threshold
        pairs += zip(i[alike].tolist(), j[alike].tolist(), strict=True)
    return pairs


def _centred(prints: np.ndarray, common: np.ndarray) -> np.ndarray:
    rows = prints.astype(np.float32) - common.astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    return rows


def _comparable(prints: np.ndarray, common: np.ndarray) -> np.ndarray:
    """Rows whose dot products are correlations."""
    rows = _centred(prints, common)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
