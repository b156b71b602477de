"""What is wrong with a set of photos, or with a split of it, in plain words."""

from typing import TYPE_CHECKING

from kerasrecipes.arguments import named
from kerasrecipes.data.findings.check import CheckReport as CheckReport, check_sets
from kerasrecipes.photos import file_findings

if TYPE_CHECKING:
    from kerasrecipes.photos.photo_set import PhotoSet


@named
def check_photos(*sets: "PhotoSet", near: bool = True) -> CheckReport:
    """Look for damaged files, leaks between splits, and labels that will not train well.

    Args:
        *sets: One scanned set, whose declared split is judged if it has one; or the sets of a
            split in the order train, val, test.
        near: Also search for near duplicates.

    Returns:
        The findings.

    Raises:
        DataError: If no set is given, or more than three are.

    Example:
        >>> report = check_photos(*split_photos(photos))
        >>> report.leaks
        ()
    """
    return check_sets(sets, file_findings.CHECKS, near)
