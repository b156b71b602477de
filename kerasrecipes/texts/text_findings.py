"""Checks of single texts: left out, of one word, very long, or damaged by a wrong encoding."""

import re
from collections.abc import Callable

from kerasrecipes.data.findings.finding import Finding, Placed, left_out, passed_over, things

# About the 512 tokens that most models can read.
_LONG = 2000
# UTF-8 as a program sees it that takes it for Windows-1252, and what replaces the unreadable.
_GARBLED = re.compile("[\u00c2-\u00c5][\u0080-\u00bf\u0152-\u0192\u2018-\u203a\u20ac\u2122]|\ufffd")
_LETTER = re.compile(r"[^\W\d_]")


def find_excluded(placed: Placed) -> list[Finding]:
    """Report what scanning left out, and why."""
    cannot = "cannot be used and will not be trained on. Fill them in, or remove them."
    return left_out(placed, "unreadable", "warning", "text", cannot)


def find_ignored(placed: Placed) -> list[Finding]:
    """Report files and folders that were passed over."""
    return passed_over(placed, ".txt file")


def find_garbled(placed: Placed) -> list[Finding]:
    """Report texts whose letters another program has read in a wrong encoding."""
    return _texts(
        placed,
        lambda text: _GARBLED.search(text) is not None,
        "garbled",
        "seem to have been read in a wrong encoding before they came here, e.g. 'Ã¤' for 'ä'. "
        "Export them again as UTF-8.",
    )


def find_without_words(placed: Placed) -> list[Finding]:
    """Report texts without a letter."""
    return _texts(
        placed,
        lambda text: _LETTER.search(text) is None,
        "without-words",
        "have no letter, so there is little to learn from them. Remove them, unless digits and "
        "signs mean something.",
    )


def find_long(placed: Placed) -> list[Finding]:
    """Report texts of which a model will probably read the beginning alone."""
    return _texts(
        placed,
        lambda text: len(text) > _LONG,
        "long",
        f"have more than {_LONG} characters. A model reads their beginning alone, see "
        "`max_tokens`: let them begin with what matters.",
        "info",
    )


def _texts(
    placed: Placed, concerns: Callable[[str], bool], code: str, text: str, severity: str = "warning"
) -> list[Finding]:
    found = [i for i, one in enumerate(placed.items) if concerns(one.text)]
    if not found:
        return []
    message = f"{things(len(found), 'text')} {text}"
    return [Finding(code, severity, message, len(found), placed.examples(found))]


CHECKS = (find_excluded, find_ignored, find_garbled, find_without_words, find_long)
