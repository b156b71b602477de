"""What is wrong with a set of texts, or with a split of it, in plain words."""

from typing import TYPE_CHECKING

from kerasrecipes.arguments import named
from kerasrecipes.data.findings.check import CheckReport, check_sets
from kerasrecipes.texts import text_findings

if TYPE_CHECKING:
    from kerasrecipes.texts.text_set import TextSet


@named
def check_texts(*sets: "TextSet", near: bool = True) -> CheckReport:
    """Look for leaks between splits, labels that will not train well, and texts that say nothing.

    Args:
        *sets: One scanned set, whose declared split is judged if it has one; or the sets of a
            split in the order train, val, test.
        near: Also search for near duplicates.

    Returns:
        The findings.

    Raises:
        DataError: If no set is given, or more than three are.

    Example:
        >>> report = check_texts(*split_texts(texts))
        >>> report.leaks
        ()
    """
    return check_sets(sets, text_findings.CHECKS, near)
