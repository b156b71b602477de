"""Pairs of texts: two that are read together, written as one with a tab between them.

So whatever holds, sends or keeps a text holds a pair, too: a line of the standard input, a request
to a server, a file, a journal.
"""

from kerasrecipes.errors import DataError

BETWEEN = "\t"
# Columns that hold the two texts of a pair by their names, where nobody names any.
PAIR_COLUMNS = (
    ("text", "text_pair"),
    ("text_a", "text_b"),
    ("text1", "text2"),
    ("sentence1", "sentence2"),
    ("sentence_a", "sentence_b"),
    ("question1", "question2"),
    ("premise", "hypothesis"),
)


def joined(first: str, second: str) -> str:
    """Write two texts as one.

    A tab inside one of them becomes a blank, as which tokenizers read it.

    Example:
        >>> joined("Where is it?", "It\\tis lost.")
        'Where is it?\\tIt is lost.'
    """
    return BETWEEN.join(one.replace(BETWEEN, " ") for one in (first, second))


def parted(text: str) -> tuple[str, str]:
    """Return the two texts of a pair.

    Raises:
        DataError: If it is none.

    Example:
        >>> parted("Where is it?\\tIt is lost.")
        ('Where is it?', 'It is lost.')
    """
    parts = text.split(BETWEEN)
    if len(parts) != 2 or not all(one.strip() for one in parts):
        raise DataError("is no pair: write two texts with a tab between them, and no other tab")
    return parts[0], parts[1]
