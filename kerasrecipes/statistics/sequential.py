"""An alarm over many looks that keeps a promise about false ones."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from kerasrecipes.statistics.two_sample import SMALLEST_P


@dataclass(frozen=True)
class ShiryaevRoberts:
    """Adds up what p-values say against "nothing has changed", look after look.

    Where nothing changes, the mean number of looks until a false alarm is at least
    `looks_per_false_alarm`, whenever each p-value is valid given the looks before it. A change
    that lasts is noticed in a few looks even if none of them is clear by itself.

    Args:
        looks_per_false_alarm: The promise, e.g. 520 for one in ten years of weekly looks.
        level: What has added up so far; 0 at the beginning.

    Raises:
        ValueError: If the promise is below 2 looks, or the level negative.

    Example:
        >>> watch = ShiryaevRoberts(520)
        >>> for p in (0.4, 0.01, 0.002, 0.001):
        ...     watch = watch.after(p)
        >>> watch.alarm
        True

    Reference:
        Shin, Ramdas and Rinaldo, 2022, "E-detectors: a nonparametric framework for sequential
        change detection"; the calibrator is that of Vovk and Wang, 2021, "E-values".
    """

    looks_per_false_alarm: float
    level: float = 0.0

    def __post_init__(self) -> None:
        if not self.looks_per_false_alarm >= 2 or not self.level >= 0:
            raise ValueError(
                "`looks_per_false_alarm` must be at least 2 and `level` at least 0. Received: "
                f"{self.looks_per_false_alarm} and {self.level}."
            )

    @property
    def alarm(self) -> bool:
        """Whether something has changed, by now."""
        return self.level >= self.looks_per_false_alarm

    def after(self, p_value: float) -> "ShiryaevRoberts":
        """Return what is known after one more look.

        Args:
            p_value: How likely the look would be so strange if nothing had changed, 0…1.

        Raises:
            ValueError: If it is no probability.
        """
        return ShiryaevRoberts(self.looks_per_false_alarm, e_value(p_value) * (1 + self.level))


def e_value(p_value: float) -> float:
    """Turn a p-value into evidence that may be multiplied over looks; its mean is at most 1.

    Raises:
        ValueError: If it is no probability.

    Example:
        >>> round(e_value(0.01), 2)
        4.45
    """
    if not 0 <= p_value <= 1:
        raise ValueError(f"`p_value` must be between 0 and 1. Received: {p_value}.")
    if p_value > 1 - 1e-6:  # its limit, which rounding would miss
        return 0.5
    p = max(p_value, SMALLEST_P)
    log = math.log(p)
    return (1 - p + p * log) / (p * log * log)


def p_among_earlier(earlier: Sequence[float], now: float) -> float:
    """Return how likely a look would be so strange, given how strange earlier ones were.

    Windows of one source differ by more than chance: a day's light, a batch's gloss. What is
    ordinary is learnt from windows in which nothing had changed.

    Args:
        earlier: p-values of earlier looks, two or more.
        now: That of this look.

    Returns:
        The p-value by the prediction interval of a normal distribution over their deviates,
        which is at least as wide as if windows differed by chance alone: earlier looks excuse
        a strange one, they never accuse it.

    Raises:
        ValueError: If there are fewer than two.

    Example:
        >>> p_among_earlier([0.01, 0.2, 0.001, 0.05, 0.02, 0.3], 0.004) > 0.1
        True

    Reference:
        Rabanser, Günnemann and Lipton, 2019, "Failing loudly", on p-values of large samples; the
        interval as in Geisser, 1993, "Predictive inference".
    """
    if len(earlier) < 2:
        raise ValueError(f"`earlier` needs two looks or more. Received: {len(earlier)}.")
    deviates = [_deviate(p) for p in earlier]
    mean = max(0.0, math.fsum(deviates) / len(deviates))
    variance = max(1.0, math.fsum((z - mean) ** 2 for z in deviates) / (len(deviates) - 1))
    error = math.sqrt(variance * (1 + 1 / len(deviates)))
    return student_tail((_deviate(now) - mean) / error, len(deviates) - 1)


def _deviate(p_value: float) -> float:
    return -NormalDist().inv_cdf(min(max(p_value, SMALLEST_P), 1 - 1e-16))


def student_tail(t: float, freedom: int) -> float:
    """Return how likely Student's t is at least this large.

    Args:
        t: The value.
        freedom: Degrees of freedom, a whole number of at least 1.

    Example:
        >>> round(student_tail(2.086, 20), 3)
        0.025

    Reference:
        Abramowitz and Stegun, 1964, "Handbook of mathematical functions", 26.7.3 and 26.7.4.
    """
    angle = math.atan2(abs(t), math.sqrt(freedom))
    square, odd = math.cos(angle) ** 2, freedom % 2
    term = total = 0.0 if freedom == 1 else math.cos(angle) if odd else 1.0
    for k in range(3 if odd else 2, freedom - 1, 2):
        term *= square * (k - 1) / k
        total += term
    inside = math.sin(angle) * total
    if odd:
        inside = (angle + inside) * 2 / math.pi
    tail = min(1.0, max(0.0, (1 - inside) / 2))
    return tail if t >= 0 else 1 - tail
