"""What a tokenizer of words makes of each character, asked of it, for code in other languages.

The tables are those of the reference itself, so that no version of Unicode stands between.
"""

import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

# Characters that are text by themselves, between others: a tokenizer must leave these as they are.
_BETWEEN, _LETTER = "\u2603", "a"
_SURROGATES = range(0xD800, 0xE000)
_SYLLABLES = range(0xAC00, 0xD7A4)
_AT_ONCE = 8192

Range = tuple[int, int]


@dataclass(frozen=True)
class Characters:
    """What becomes of characters; ranges are of code points, both ends included, in their order.

    Args:
        removed: What is left out.
        blanks: What parts words and is no token.
        ideographs: What is a word by itself.
        refused: Marks that others may be put before, by an order that is not told here.
        punctuation: What is a token by itself.
        changed: A code point, and those that stand for it; Hangul syllables, which are their parts
            in Unicode's order, are left out.
    """

    removed: tuple[Range, ...]
    blanks: tuple[Range, ...]
    ideographs: tuple[Range, ...]
    refused: tuple[Range, ...]
    punctuation: tuple[Range, ...]
    changed: tuple[tuple[int, tuple[int, ...]], ...]


def characters_of(normalize: Callable[[str], str], split: Callable[[str], list[str]]) -> Characters:
    """Ask a tokenizer of BERT's kind about every character.

    Args:
        normalize: What it makes of a text, e.g. without accents.
        split: The words and punctuation of such a text.
    """
    found = dict(_normalized(normalize))
    kinds: dict[str, list[int]] = {"": [], " ": [], "ideograph": [], "mark": []}
    same, changed = [], []
    for code, text in found.items():
        if any(map(unicodedata.combining, text)):
            kinds["mark"].append(code)
        elif text in kinds:
            kinds[text].append(code)
        elif text == f" {chr(code)} ":
            kinds["ideograph"].append(code)
        elif text == chr(code):
            same.append(code)
        elif code not in _SYLLABLES:
            changed.append((code, tuple(map(ord, text))))
    punctuation, blanks = _parted(split, same)
    return Characters(
        removed=_ranges(kinds[""]),
        blanks=_ranges(sorted([*kinds[" "], *blanks])),
        ideographs=_ranges(kinds["ideograph"]),
        refused=_ranges(kinds["mark"]),
        punctuation=_ranges(punctuation),
        changed=tuple(changed),
    )


def _normalized(normalize: Callable[[str], str]) -> Iterator[tuple[int, str]]:
    """Yield every character, and what it becomes between others."""
    known = [c for c in range(sys.maxunicode + 1) if c not in _SURROGATES and chr(c) != _BETWEEN]
    for codes in _batches(known):
        yield from zip(
            codes, normalize(_BETWEEN.join(map(chr, codes))).split(_BETWEEN), strict=True
        )


def _parted(split: Callable[[str], list[str]], codes: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return which characters part a word and are tokens, and which part it and are none."""
    tokens, blanks = [], []
    for some in _batches(codes):
        pieces = split(" ".join(f"{_LETTER}{chr(c)}{_LETTER}" for c in some))
        whole = {piece[1] for piece in pieces if len(piece) == 2 * len(_LETTER) + 1}
        alone = {*pieces}
        tokens += [c for c in some if chr(c) not in whole and chr(c) in alone]
        blanks += [c for c in some if chr(c) not in whole and chr(c) not in alone]
    return tokens, blanks


def _batches(codes: Sequence[int]) -> Iterator[Sequence[int]]:
    return (codes[start : start + _AT_ONCE] for start in range(0, len(codes), _AT_ONCE))


def _ranges(codes: Iterable[int]) -> tuple[Range, ...]:
    found: list[list[int]] = []
    for code in codes:
        if found and found[-1][1] == code - 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return tuple((first, last) for first, last in found)
