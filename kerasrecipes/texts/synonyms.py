"""Words that may stand for each other, from a file that somebody wrote for their texts."""

from kerasrecipes.errors import DataError, printable
from kerasrecipes.regular import read_regular


def read_synonyms(path: str) -> dict[str, tuple[str, ...]]:
    """Read groups of words, one a line, with commas between them.

    Args:
        path: A file in UTF-8. A line that is empty or begins with `#` says nothing.

    Returns:
        Each single word, in lower case, to the others of its groups.

    Raises:
        DataError: If it is no such file.
    """
    try:
        lines = read_regular(path).decode("utf-8-sig").splitlines()
    except UnicodeError:
        raise DataError(f"'{printable(path)}' is not valid UTF-8. Save it as such.") from None
    except OSError as error:
        raise DataError(
            f"The synonyms '{printable(path)}' cannot be read: {error.strerror or error}."
        ) from None
    found: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(lines, 1):
        words = [" ".join(word.split()) for word in line.split(",") if word.strip()]
        if not words or line.lstrip().startswith("#"):
            continue
        if len(words) < 2:
            raise DataError(
                f"'{printable(path)}' line {number}: {printable(words[0])!r} stands alone. Write "
                "the words that may stand for each other in one line, with commas between them."
            )
        for word in words:
            if " " not in word:
                others = tuple(other for other in words if other != word)
                found[word.casefold()] = found.get(word.casefold(), ()) + others
    if not found:
        raise DataError(
            f"'{printable(path)}' has no word with a synonym. Write one group a line, e.g. 'card, "
            "plastic'."
        )
    return found
