"""Whether more requests fail, or wait too long, than was agreed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kerasrecipes.serve.entry import Logged
from kerasrecipes.statistics.sequential import ShiryaevRoberts
from kerasrecipes.watching.settings import WatchSettings

ERRORS, LATENCY = "errors", "latency"
# 95 of 100 must be quick enough.
_SLOW = 0.05
# Evidence beyond so many times an alarm would keep it for weeks after all is well again.
_CAP = 10.0


@dataclass(frozen=True)
class BudgetLook:
    """One look at what may fail now and then.

    Args:
        cause: `"errors"` or `"latency"`.
        bad: How many requests failed, or waited too long.
        of: Of how many.
        allowed: The share that may, 0…1.
        level: Evidence that more do, which is an alarm from `looks_per_false_alarm` on.
        looks_per_false_alarm: How many looks there are between alarms without cause.
        told: What counts as bad, in words.
    """

    cause: str
    bad: int
    of: int
    allowed: float
    level: float
    looks_per_false_alarm: float
    told: str

    @property
    def alarm(self) -> bool:
        """Whether more fail than may."""
        return self.level >= self.looks_per_false_alarm

    @property
    def said(self) -> str:
        """The numbers, in words."""
        if not self.of:
            return f"nothing new; {self.told}"
        share = f"{self.bad:,} of {self.of:,} ({self.bad / self.of:.2%})"
        return f"{share} {self.told}; {self.allowed:.2%} may"


def look_at_budgets(
    lines: Sequence[Logged], settings: WatchSettings, levels: dict[str, float]
) -> tuple[BudgetLook, ...]:
    """Look at all requests since the last look.

    Args:
        lines: The requests, those without an answer, too.
        settings: What may fail.
        levels: Evidence so far, by cause.

    Returns:
        A look for each budget that was set.
    """
    found = []
    if settings.max_error_fraction is not None:
        bad = [bool(line.entry.error) for line in lines]
        counts = _counted(lines, bad)
        found.append((ERRORS, counts, settings.max_error_fraction, "got no answer"))
    if settings.max_p95_ms is not None:
        timed = [line for line in lines if line.entry.latency_ms is not None]
        slow = [(line.entry.latency_ms or 0) > settings.max_p95_ms for line in timed]
        told = f"waited longer than {settings.max_p95_ms:g} ms"
        found.append((LATENCY, _counted(timed, slow), _SLOW, told))
    promise = settings.looks_per_false_alarm
    looks = []
    for cause, (bad_ones, of), allowed, told in found:
        watch = ShiryaevRoberts(promise, levels.get(cause, 0.0))
        level = watch.after(too_many(bad_ones, of, allowed)).level if of else watch.level
        level = min(level, _CAP * promise)
        looks.append(BudgetLook(cause, bad_ones, of, allowed, level, promise, told))
    return tuple(looks)


def _counted(lines: Sequence[Logged], bad: Sequence[bool]) -> tuple[int, int]:
    """Count requests, each kept line for as many as it stands for."""
    weights = np.array([line.entry.stands_for for line in lines], np.int64)
    return int(weights[np.array(bad, bool)].sum()), int(weights.sum())


def too_many(bad: int, of: int, allowed: float) -> float:
    """Return how likely so many are bad at most, if each is with the probability that is allowed.

    Args:
        bad: How many are.
        of: Of how many.
        allowed: The probability, 0…1.

    Returns:
        An upper bound of that probability, so that alarms keep their promise.

    Example:
        >>> too_many(30, 1000, 0.01) < 1e-5 < too_many(12, 1000, 0.01)
        True

    Reference:
        Hoeffding, 1963, "Probability inequalities for sums of bounded random variables",
        theorem 1, equation 2.1.
    """
    share = bad / of
    if share <= allowed:
        return 1.0
    if allowed == 0:
        return 0.0
    apart = share * math.log(share / allowed)
    apart += (1 - share) * math.log((1 - share) / (1 - allowed)) if share < 1 else 0.0
    return math.exp(-of * apart)
