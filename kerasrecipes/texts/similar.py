"""Near duplicates: texts that say the same in nearly the same words."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import lru_cache
from math import ceil

# Share of pieces that two texts must have in common.
NEAR_THRESHOLD = 0.85
_PIECE = 4
_NO_LETTER = re.compile(r"[\W_]+")


def plain(text: str) -> str:
    """Return a text without case, accents, punctuation and further differences that say nothing.

    Example:
        >>> plain("  Where's my  CAFÉ-card?! ")
        'where s my cafe card'
    """
    folded = unicodedata.normalize("NFKD", text.casefold())
    return _NO_LETTER.sub(" ", "".join(c for c in folded if not unicodedata.combining(c))).strip()


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
    pieces = [
        {text[i : i + _PIECE] for i in range(max(1, len(text) - _PIECE + 1))} for text in texts
    ]
    frequency = Counter(piece for one in pieces for piece in one)
    # The rarest first: two texts that are near have one of their rarest in common.
    sorted_pieces = [sorted(one, key=lambda piece: (frequency[piece], piece)) for one in pieces]
    by_size = sorted(range(len(texts)), key=lambda i: len(pieces[i]))
    index: dict[str, list[int]] = defaultdict(list)
    pairs = []
    for i in by_size:
        size = len(pieces[i])
        prefix = sorted_pieces[i][: size - ceil(threshold * size) + 1]
        for j in {j for piece in prefix for j in index[piece]}:
            if len(pieces[j]) >= threshold * size:
                common = len(pieces[i] & pieces[j])
                if common >= threshold * (size + len(pieces[j]) - common):
                    pairs.append((i, j))
        for piece in prefix:
            index[piece].append(i)
    return pairs
