"""What is wrong with a set of signals, or with a split of it, in plain words."""

from typing import TYPE_CHECKING

from kerasrecipes.arguments import named
from kerasrecipes.data.findings.check import CheckReport, check_sets
from kerasrecipes.signals import signal_findings

if TYPE_CHECKING:
    from kerasrecipes.signals.signal_set import SignalSet


@named
def check_signals(*sets: "SignalSet", near: bool = True) -> CheckReport:
    """Look for leaks between splits, labels that will not train well, and damaged signals.

    Args:
        *sets: One scanned set, whose declared split is judged if it has one; or the sets of a
            split in the order train, val, test.
        near: Also search for near duplicates.

    Returns:
        The findings.

    Raises:
        DataError: If no set is given, or more than three are.

    Example:
        >>> report = check_signals(*split_signals(signals))
        >>> report.leaks
        ()
    """
    return check_sets(sets, signal_findings.CHECKS, near)
