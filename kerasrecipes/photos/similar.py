"""Near duplicates: photos that show the same thing in the same way."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from kerasrecipes.photos.photo_set import Photo

FINGERPRINT_SIDE = 48
NEAR_THRESHOLD = 0.94
_REACH = 2  # pixels around each that count as its surroundings
_REFLECTED = np.pad(np.arange(FINGERPRINT_SIDE), _REACH, mode="reflect")
# Rows of weights: each pixel of a line is the mean of those within reach.
_AROUND = np.eye(FINGERPRINT_SIDE)[
    np.lib.stride_tricks.sliding_window_view(_REFLECTED, 2 * _REACH + 1)
].mean(axis=1)
_SCALE = 40.0
_FLAT = 0.5  # grey levels of detail below which a photo says nothing
_SHRINK = 32  # photos of prior belief that a set has nothing in common
_BLOCK = 1024
_FEW = 4096  # of which comparing all pairs takes no longer
# Planes on whose sides rows are sorted: each is part of two tables, and some are for checks.
_PLANES, _TABLES, _TABLE_PLANES = 1024, 128, 16
_FOUND = 0.15  # of the tables have a pair at the threshold, of 128 at least one then
_CHECKED = 256
_CERTAIN = 8  # standard deviations


class Likenesses:
    """Finds near duplicates for all sets that are cut from one scan.

    A split and the check of it look at the same photos: the last search is remembered.
    """

    def __init__(self) -> None:
        self._searched: tuple[float, bytes] | None = None
        self._pairs: list[tuple[int, int]] = []

    def pairs(self, prints: bytes, count: int, threshold: float) -> list[tuple[int, int]]:
        """Return the pairs of fingerprints that correlate, `i < j`.

        Args:
            prints: The fingerprints, one after the other.
            count: Number of them.
            threshold: Least correlation.
        """
        searched = (threshold, hashlib.sha256(prints).digest())
        if self._searched != searched:
            self._pairs = _similar(np.frombuffer(prints, np.int8).reshape(count, -1), threshold)
            self._searched = searched
        return self._pairs


def fingerprint(picture: Image.Image) -> bytes:
    """Reduce a picture to its fine structure at 48x48 pixels.

    Every pixel is compared with its surroundings and divided by their contrast, so that neither
    brightness, contrast nor uneven light shows. A flat picture gives zeros, which match nothing.

    Args:
        picture: Any Pillow picture.

    Returns:
        48 * 48 int8 values as bytes.
    """
    side = FINGERPRINT_SIDE
    grey = picture.convert("L").resize((side, side), Image.Resampling.BOX)
    pixels = np.asarray(grey, dtype=np.float32)
    detail = pixels - _surroundings(pixels)
    overall = np.sqrt((detail * detail).mean())
    if overall < _FLAT:
        return bytes(side * side)
    local = np.sqrt(np.maximum(_surroundings(detail * detail), 0.0))
    even = detail / (local + 0.2 * overall)
    return np.clip(np.rint(even * _SCALE), -127, 127).astype(np.int8).tobytes()


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
        if any(photo.facts.fingerprint):
            first.setdefault(photo.facts.sha256, i)
    # In the order of contents, so that the order of the photos cannot turn a close call.
    digests = tuple(sorted(first))
    if len(digests) < 2:
        return []
    prints = b"".join(photos[first[digest]].facts.fingerprint for digest in digests)
    found = (likenesses or Likenesses()).pairs(prints, len(digests), threshold)
    order = [first[digest] for digest in digests]
    return sorted((min(order[i], order[j]), max(order[i], order[j])) for i, j in found)


def _similar(prints: np.ndarray, threshold: float) -> list[tuple[int, int]]:
    """Return the pairs of rows that correlate, `i < j`."""
    common = prints.sum(axis=0, dtype=np.int64) / (len(prints) + _SHRINK)
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


def _promising(prints: np.ndarray, common: np.ndarray, threshold: float) -> np.ndarray | None:
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
    spread = np.sqrt(_CHECKED * agreement * (1 - agreement))
    most_differing = _CHECKED * (1 - agreement) + _CERTAIN * spread
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
        new = [found]
        for i, j in _same_keys(keys):
            differing = np.bitwise_count(checked[i] ^ checked[j]).sum(axis=1, dtype=np.int64)
            near = differing <= most_differing
            new.append(i[near] * len(prints) + j[near])
        found = np.unique(np.concatenate(new))
    return found


def _sides(
    prints: np.ndarray, common: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Tell for each row on which side of each plane it lies, a bit each.

    Returns:
        The bits of all rows for each plane, shape `(_PLANES, rows / 8)`; and those of the first
        `_CHECKED` planes for each row, uint64.
    """
    normals = rng.standard_normal((prints.shape[1], _PLANES), dtype=np.float32)
    sides = np.empty((_PLANES, -(-len(prints) // 8)), np.uint8)
    checked = np.empty((len(prints), _CHECKED // 64), np.uint64)
    for top in range(0, len(prints), _BLOCK):
        above = _comparable(prints[top : top + _BLOCK], common) @ normals > 0
        checked[top : top + _BLOCK] = np.packbits(above[:, :_CHECKED], axis=1).view(np.uint64)
        some = np.packbits(above.T, axis=1)
        sides[:, top // 8 : top // 8 + some.shape[1]] = some
    return sides, checked


def _pairs_of_same(keys: np.ndarray) -> int:
    """Count the pairs of rows that have a key in common."""
    counts = np.bincount(keys)
    return int((counts * (counts - 1) // 2).sum())


def _same_keys(keys: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield all pairs `i < j` of rows that have a key in common."""
    order = np.argsort(keys, kind="stable")
    keys, left = keys[order], np.arange(len(keys))
    for distance in range(1, len(keys)):
        left = left[left < len(keys) - distance]
        left = left[keys[left] == keys[left + distance]]
        if not len(left):
            return
        yield order[left], order[left + distance]


def _that_correlate(
    prints: np.ndarray, common: np.ndarray, found: np.ndarray, threshold: float
) -> list[tuple[int, int]]:
    """Return those pairs, given as `i * rows + j`, that correlate."""
    pairs: list[tuple[int, int]] = []
    for top in range(0, len(found), _BLOCK):
        i, j = np.divmod(found[top : top + _BLOCK], len(prints))
        left, right = (_comparable(prints[rows], common) for rows in (i, j))
        alike = np.einsum("rv,rv->r", left, right) >= threshold
        pairs += zip(i[alike].tolist(), j[alike].tolist(), strict=True)
    return pairs


def _surroundings(pixels: np.ndarray) -> np.ndarray:
    """Mean of the square around every pixel; what lies outside is reflected."""
    # Two small products take a third of the time that summed areas do, in a scan of small photos.
    return np.asarray(_AROUND @ pixels.astype(np.float64) @ _AROUND.T)


def _comparable(prints: np.ndarray, common: np.ndarray) -> np.ndarray:
    """Rows whose dot products are correlations."""
    rows = prints.astype(np.float32) - common.astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
