"""Near duplicates: texts that say the same in nearly the same words."""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

# Share of pieces that two texts must have in common.
NEAR_THRESHOLD = 0.85
_PIECE = 4
# Characters that are cut into pieces at a time, and pairs that are compared at a time.
_CHARACTERS, _TOGETHER = 1 << 22, 1 << 13
_WORDS = 4  # of 64 bits, by which most pairs are told apart
_ROUNDING = 1e-6
_NO_LETTER = re.compile(r"[\W_]+")


def plain(text: str) -> str:
    """Return a text without case, accents, punctuation and further differences that say nothing.

    Example:
        >>> plain("  Where's my  CAFÉ-card?! ")
        'where s my cafe card'
    """
    folded = text.casefold()
    if not folded.isascii():
        folded = unicodedata.normalize("NFKD", folded)
        folded = "".join(c for c in folded if not unicodedata.combining(c))
    return _NO_LETTER.sub(" ", folded).strip()


def near_duplicates(
    texts: Sequence[str], threshold: float = NEAR_THRESHOLD
) -> list[tuple[int, int]]:
    """Find pairs of texts that are equal but for case, accents and punctuation, or nearly so.

    Texts are compared by the pieces of four characters that they have in common, of all that they
    have together (the Jaccard index). Every pair at or above the threshold is found.

    Args:
        texts: The texts.
        threshold: Least share, up to 1.

    Returns:
        Pairs `(i, j)` of indices, `i < j`, sorted. Of texts that are equal, only the first is
        compared with others, and each of them is a pair with it.

    Raises:
        ValueError: If `threshold` is not above 0 and at most 1.

    Example:
        >>> near_duplicates(["Where is my card?", "where is my card", "I lost it"])
        [(0, 1)]

    Reference:
        Bayardo et al., 2007, "Scaling Up All Pairs Similarity Search": the bound on prefixes.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"`threshold` must be above 0 and at most 1, got {threshold!r}.")
    first: dict[str, int] = {}
    pairs = []
    for i, text in enumerate(map(plain, texts)):
        if text and first.setdefault(text, i) != i:
            pairs.append((first[text], i))
    order = sorted(first)  # whatever the order of the texts is
    for i, j in _similar(tuple(order), threshold):
        ends = first[order[i]], first[order[j]]
        pairs.append((min(ends), max(ends)))
    return sorted(pairs)


@lru_cache(maxsize=2)  # a split and the check of it look at the same texts
def _similar(texts: tuple[str, ...], threshold: float) -> list[tuple[int, int]]:
    """Return the pairs of different texts that have enough pieces in common."""
    if len(texts) < 2:
        return []
    pieces, sizes = _pieces(texts)
    starts = np.cumsum(sizes) - sizes
    found = _promising(pieces, sizes, threshold)
    pairs: list[tuple[int, int]] = []
    for top in range(0, len(found), _TOGETHER):
        i, j = np.divmod(found[top : top + _TOGETHER], len(texts))
        common = _in_common(*(_of_rows(pieces, starts[rows], sizes[rows]) for rows in (i, j)))
        near = common >= threshold * (sizes[i] + sizes[j] - common)
        pairs += zip(i[near].tolist(), j[near].tolist(), strict=True)
    return pairs


def _pieces(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Number the pieces of each text, the rarest of all texts first.

    Returns:
        The numbers of the pieces, int32, those of one text after those of another, each once and
        sorted; and how many pieces each text has.
    """
    letters = np.frombuffer("".join(sorted(set().union(*texts))).encode("utf-32-le"), np.uint32)
    number = np.zeros(int(letters.max()) + 1, np.uint64)  # 0 is of what fills up short texts
    number[letters] = np.arange(1, len(letters) + 1)
    ends = np.cumsum([len(text) for text in texts])
    cuts = np.searchsorted(ends, np.arange(_CHARACTERS, ends[-1], _CHARACTERS))
    lots = [
        _pieces_of(texts[top:end], number, len(letters) + 1)
        for top, end in pairwise(np.unique([0, *cuts, len(texts)]).tolist())
    ]
    # Rank by how many texts have a piece; lots name the same one differently.
    kinds, places = np.unique(np.concatenate([lot.kinds for lot in lots]), return_inverse=True)
    counts = np.concatenate([np.bincount(lot.numbers, minlength=len(lot.kinds)) for lot in lots])
    order = np.argsort(np.bincount(places, weights=counts), kind="stable")
    rank = np.empty(len(kinds), np.int32)
    rank[order] = np.arange(len(kinds))
    of_lots = np.split(rank[places], np.cumsum([len(lot.kinds) for lot in lots])[:-1])
    ranked = []
    for lot, ranks in zip(lots, of_lots, strict=True):
        owners = np.repeat(np.arange(len(lot.sizes)), lot.sizes) * len(kinds)
        ranked.append((np.sort(owners + ranks[lot.numbers]) - owners).astype(np.int32))
    return np.concatenate(ranked), np.concatenate([lot.sizes for lot in lots])


class _Lot(NamedTuple):
    """The pieces of some texts: the different ones, which of them each text has, and how many."""

    kinds: np.ndarray
    numbers: np.ndarray
    sizes: np.ndarray


def _pieces_of(texts: Sequence[str], number: np.ndarray, base: int) -> _Lot:
    long = [text.ljust(_PIECE, "\0") for text in texts]
    codes = number[np.frombuffer("".join(long).encode("utf-32-le"), np.uint32)]
    lengths = np.array([len(text) for text in long])
    owners = np.repeat(np.arange(len(texts)), lengths - _PIECE + 1)
    first = np.arange(len(owners)) + owners * (_PIECE - 1)
    # Up to 65,535 different characters no two pieces have one number.
    told = np.zeros(len(first), np.uint64)
    for place in range(_PIECE):
        told = told * np.uint64(base) + codes[first + place]
    kinds, numbers = np.unique(told, return_inverse=True)
    own = np.sort(owners * len(kinds) + numbers)
    owners, numbers = np.divmod(own[np.diff(own, prepend=-1) > 0], len(kinds))
    return _Lot(kinds, numbers.astype(np.int32), np.bincount(owners, minlength=len(texts)))


def _promising(pieces: np.ndarray, sizes: np.ndarray, threshold: float) -> np.ndarray:
    """Return the pairs of texts that may be near, `i * texts + j`."""
    starts, marks = np.cumsum(sizes) - sizes, _marks(pieces, sizes)
    # Two texts that are near have one of their rarest pieces in common.
    rarest = sizes - np.ceil(threshold * sizes).astype(np.int64) + 1
    owners = np.repeat(np.arange(len(sizes)), rarest)
    places = np.arange(len(owners)) - np.repeat(np.cumsum(rarest) - rarest, rarest)
    keys = pieces[starts[owners] + places]
    shared = np.bincount(keys)[keys] > 1
    keys, owners, places = keys[shared], owners[shared], places[shared]
    order = np.lexsort((owners, sizes[owners], keys))
    keys, owners, places = keys[order], owners[order], places[order]
    found, left = [np.empty(0, np.int64)], np.arange(len(keys))
    for distance in range(1, len(keys)):
        left = left[: np.searchsorted(left, len(keys) - distance)]
        right = left + distance
        i, j = owners[left], owners[right]
        # The further, the longer is the other text.
        left = left[(keys[left] == keys[right]) & (sizes[i] >= threshold * sizes[j] - _ROUNDING)]
        if not len(left):
            break
        right = left + distance
        i, j = owners[left], owners[right]
        able = np.minimum(places[left], places[right])
        able += np.minimum(sizes[i] - places[left], sizes[j] - places[right])
        both = sizes[i] + sizes[j]
        near = np.flatnonzero(able * (1 + threshold) >= threshold * both - _ROUNDING)
        i, j, both = i[near], j[near], both[near]
        # Each piece that one alone has changes one bit at most.
        differing = np.bitwise_count(marks[i] ^ marks[j]).sum(axis=1, dtype=np.int64)
        alike = differing * (1 + threshold) <= (1 - threshold) * both + _ROUNDING
        found.append(i[alike] * len(sizes) + j[alike])
    return np.unique(np.concatenate(found))


def _marks(pieces: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return for each text bits that the pieces flip, a bit each; uint64, shape `(n, _WORDS)`."""
    bits, ends = 64 * _WORDS, np.cumsum(sizes)
    marks = np.empty((len(sizes), _WORDS), np.uint64)
    for top in range(0, len(sizes), _TOGETHER):
        some = sizes[top : top + _TOGETHER]
        own = pieces[ends[top] - sizes[top] : ends[top + len(some) - 1]] % bits
        keys = np.repeat(np.arange(len(some)) * bits, some) + own
        odd = np.bincount(keys, minlength=len(some) * bits).reshape(-1, bits) % 2
        marks[top : top + _TOGETHER] = np.packbits(odd.astype(bool), axis=1).view(np.uint64)
    return marks


def _of_rows(
    pieces: np.ndarray, starts: np.ndarray, sizes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the pieces of several texts, and which of the texts each is of."""
    rows = np.repeat(np.arange(len(sizes)), sizes)
    inside = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return pieces[starts[rows] + inside], rows


def _in_common(
    left: tuple[np.ndarray, np.ndarray], right: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Count what texts have in common with those of the same row, each as `_of_rows` tells it."""
    base = int(max(left[0].max(), right[0].max())) + 1
    keys, others = (rows * base + pieces for pieces, rows in (left, right))
    places = np.minimum(np.searchsorted(keys, others), len(keys) - 1)
    return np.bincount(right[1][keys[places] == others], minlength=int(right[1][-1]) + 1)
