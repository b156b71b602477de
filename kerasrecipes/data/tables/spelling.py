"""One rule for how names are written: classes, labels, groups, sides and times, from any source."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from numbers import Integral, Real

# How spellings of one meaning differ, for messages.
SPELLED = "differ only in case, spaces, Unicode form or how a number is written,"
# What shows nothing, wherever it stands. The tags that tell one flag emoji from another are not
# among them.
_UNSEEN = (
    "\0-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0100-\U000e01ef"
)
_ANYWHERE = re.compile(f"[{_UNSEEN}]")
# Joiners at an end may belong to a letter; these cannot.
_END = r"[\s\0-\x1f\x7f-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]+"
_ENDS = re.compile(f"^{_END}|{_END}$")
_BLANK = {"", "nan", "<na>"}
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)(e[+-]?\d{1,4})?")
_DASH = re.compile("[\u2010-\u2015\u2212\ufe58\uff0d]")
# Beyond, a float of a table is no longer the whole number that somebody wrote.
_WHOLE = 2**53


def trimmed(value: object) -> str:
    """Return a name as it is kept: without what surrounds it and cannot be seen, in one form.

    White space of all kinds and invisible characters at the ends are left out, and accents are
    joined to their letters (NFC). Of a number that is no text, as JSON and arrays have them, a
    whole one is written without a point.

    Args:
        value: A cell, a name, or one entry of an array.

    Example:
        >>> trimmed(" P1\\u00a0"), trimmed(1.0), trimmed("cafe\\u0301") == "caf\\u00e9"
        ('P1', '1', True)
    """
    if isinstance(value, Real) and not isinstance(value, bool | Integral):
        number = float(value)
        value = int(number) if number.is_integer() and abs(number) < _WHOLE else value
    text = value.decode("utf-8") if isinstance(value, bytes) else str(value)
    return _ENDS.sub("", unicodedata.normalize("NFC", text))


def written(value: object) -> str | None:
    """Return a name as `trimmed` does, or `None` if there is none: nothing, blank or NaN."""
    text = trimmed(value)
    return None if value is None or text.lower() in _BLANK else text


def visible(text: str) -> str:
    """Return a text without what cannot be seen, and with one form of each digit and letter."""
    return _ANYWHERE.sub("", unicodedata.normalize("NFKC", text)).strip()


def meaning(name: str) -> str | Decimal:
    """Return what two names have in common that a person would read as the same.

    They may differ in case, in spaces, hyphens and underscores, in characters that cannot be
    seen, in Unicode form, and in how a number is written.

    Example:
        >>> meaning("Part 01") == meaning("part_1"), meaning("1e0") == meaning("1.0")
        (True, True)
        >>> meaning("-1") == meaning("1"), meaning("1-1") == meaning("11")
        (False, False)
    """
    text = visible(name).casefold()
    text = _DASH.sub("-", text)
    if number := _NUMBER.fullmatch(text):
        value = Decimal(text.replace(",", "."))
        # "0e1" and "0e2" are digests rather than two ways to write nothing.
        if value or not number[3]:
            return value
    # A hyphen at the end means something: the grade "B-" is no "B".
    text = re.sub(r"(?<=.)[\s_-]+(?=.)", _joint, text.strip(" _"))
    return re.sub(r"(?<![\d.,])0+(?=\d)", "", text) or name


def _joint(separator: re.Match[str]) -> str:
    """Return what stands for a separator: without it, two numbers would become one."""
    text, start, end = separator.string, separator.start(), separator.end()
    return " " if text[start - 1].isdigit() and text[end].isdigit() else ""


def alike(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Return the names that a person would read as the same, sorted.

    Example:
        >>> alike(["ok", "Crack", "crack"])
        [('Crack', 'crack')]
    """
    spellings = defaultdict(set)
    for name in set(names):
        spellings[meaning(name)].add(name)
    return sorted(tuple(sorted(found)) for found in spellings.values() if len(found) > 1)


def in_one_spelling(names: Iterable[str | None]) -> list[str | None]:
    """Return names, of those that a person would read as the same the first one for all.

    Example:
        >>> in_one_spelling(["P1", "p1", None, "P2"])
        ['P1', 'P1', None, 'P2']
    """
    first: dict[str | Decimal, str] = {}
    known: dict[str | None, str | None] = {None: None}
    found = []
    for name in names:
        if name is not None and name not in known:
            known[name] = first.setdefault(meaning(name), name)
        found.append(known[name])
    return found
