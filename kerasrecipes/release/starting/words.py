"""What a project around a file for texts splits them by: a tokenizer, or tables of one."""

import json
from functools import lru_cache
from pathlib import Path

from kerasrecipes.errors import DataError
from kerasrecipes.release.starting.characters import Characters, characters_of
from kerasrecipes.texts.tokens import CHARACTERS_PER_TOKEN, Tokens

# What the tables in C++ are called, and what they are.
_TABLES = {
    "Removed": ("Left out.", "removed"),
    "Blanks": ("Part words, and are no token.", "blanks"),
    "Ideographs": ("Each a word of its own.", "ideographs"),
    "Punctuation": ("Each a token of its own, within a word, too.", "punctuation"),
    "Refused": ("Marks that others may have to be put before: not covered.", "refused"),
}
# More parts of one character than this are refused by the template's fixed places.
_MOST_PARTS = 3


def check_words(tokens: Tokens, language: str) -> None:
    """Refuse texts that a project in a language would not split as the training did.

    Args:
        tokens: How they became token ids.
        language: Of the project.

    Raises:
        DataError: If it would not.
    """
    instead = "Ask the exported file by kerasrecipes.Predictor, which needs no tensorflow."
    if tokens.pairs:
        raise DataError(f"A starter reads single texts, and this model reads pairs. {instead}")
    if language not in ("cpp", "python"):
        raise DataError(
            f"A starter in {language} prepares photos, and this model takes texts. Write one in "
            "'cpp' or 'python'; on phones, MediaPipe's TextClassifier takes the .tflite file."
        )
    if language == "cpp" and (why := _uncovered(tokens)):
        raise DataError(
            f"The code in C++ splits texts as an uncased BERT does, and this model's tokenizer "
            f"{why}. Write a starter in 'python', which brings the tokenizer itself."
        )


def _uncovered(tokens: Tokens) -> str:
    """Say what about a tokenizer is not as in an uncased BERT; empty where all is."""
    told = json.loads(tokens.tokenizer)
    normalizer, splits = told.get("normalizer") or {}, told.get("pre_tokenizer") or {}
    wanted = {"clean_text": True, "handle_chinese_chars": True}
    if not tokens.word_pieces or any(normalizer.get(name) != on for name, on in wanted.items()):
        return "is another one"
    if splits.get("type") != "BertPreTokenizer":
        return "parts words otherwise"
    if not all(one["special"] for one in told.get("added_tokens") or ()):
        return "has tokens besides, which it looks for first"
    if any("\n" in token for token in tokens.vocabulary()):
        return "has tokens of several lines"
    return "" if len(_around(tokens)) == 2 else "puts other tokens around a text"


def _around(tokens: Tokens) -> list[int]:
    """Return the tokens around a text."""
    ids: list[int] = tokens.ids([""])[0].tolist()
    return ids


def write_words(tokens: Tokens, language: str, folder: Path) -> dict[str, object]:
    """Write what a project splits texts by, and return what its code must know of it.

    Args:
        tokens: How texts become token ids, checked.
        language: `"cpp"` or `"python"`.
        folder: Where to.
    """
    facts: dict[str, object] = {
        "max_tokens": tokens.max_tokens,
        "characters_per_token": CHARACTERS_PER_TOKEN,
    }
    if language == "python":
        (folder / "tokenizer.json").write_text(tokens.tokenizer, encoding="utf-8")
        return facts
    vocabulary = tokens.vocabulary()
    text = "".join(f"{token}\n" for token in vocabulary)
    (folder / "vocab.txt").write_bytes(text.encode())
    model = json.loads(tokens.tokenizer)["model"]
    begins, ends = _around(tokens)
    found = _characters(tokens)
    return {
        **facts,
        "tokens": len(vocabulary),
        "longest_word": model["max_input_chars_per_word"],
        "begins": begins,
        "ends": ends,
        "unknown": vocabulary.index(model["unk_token"]),
        "ranges": [(name, what, getattr(found, kind)) for name, (what, kind) in _TABLES.items()],
        "changes": found.changed,
        "refused": sum(last - first + 1 for first, last in found.refused),
    }


@lru_cache(maxsize=1)
def _characters(tokens: Tokens) -> Characters:
    """Ask a tokenizer about every character, which takes two seconds."""
    found = characters_of(tokens.normalized, tokens.parts)
    if any(len(parts) > _MOST_PARTS for _, parts in found.changed):
        raise DataError(
            "The tokenizer makes more of one character than the code in C++ has room for. Write a "
            "starter in 'python'."
        )
    return found
