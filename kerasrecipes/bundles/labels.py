"""Names of classes as a file of labels has them, one a line."""

import unicodedata
from collections.abc import Sequence

from kerasrecipes.errors import DataError, listed, repeated

LABELS_FILE = "labels.txt"


def check_class_names(class_names: Sequence[str]) -> None:
    """Refuse class names that a file of labels cannot keep apart.

    Args:
        class_names: The labels, in the order of the scores.

    Raises:
        DataError: If a name is empty, or two look the same in the file of labels.

    Example:
        >>> check_class_names(["good", "cracked"])
    """
    lines = [label_line(name) for name in class_names]
    empty = [index for index, line in enumerate(lines) if not line.strip()]
    if empty:
        raise DataError(
            f"Class {empty[0]} has an empty name, which readers of TFLite labels drop. "
            "Rename the class."
        )
    twins = repeated(lines)
    if twins:
        raise DataError(
            f"Several classes are called {listed(twins)} in the file of labels. Rename them so "
            "that they differ by more than a line break."
        )


def label_line(name: str) -> str:
    """Write a name on one line: control characters and broken Unicode are escaped."""
    return "".join(
        char.encode("unicode_escape", "surrogatepass").decode("ascii")
        if unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"}
        else char
        for char in name
    )


def labels_text(class_names: Sequence[str]) -> str:
    """Write class names one on a line, as other readers of labels want them."""
    return "".join(label_line(name) + "\n" for name in class_names)
