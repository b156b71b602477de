"""Evidence that a mean is higher than it may be, which may be looked at after every number.

Whoever bets on "higher" in a game that is fair at best if it is not, rarely gets rich: the chance
that a capital ever reaches 1/α is at most α. Logarithms of capitals add up, so that several servers
may bet on one candidate, and a server goes on after a restart.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

import numpy as np

# Shares of the largest bet that cannot lose everything; the capital is divided among them.
_SHARES = np.array([0.9, *(2.0**-k for k in range(1, 10))])


@dataclass(frozen=True)
class Bet:
    """A bet that the mean of numbers is above a limit.

    Args:
        low: The least that a number can be.
        high: The most.
        most: The limit, from `low` to below `high`.

    Raises:
        ValueError: If nothing could be won or lost.

    Example:
        >>> bet, rng = Bet(0, 1, 0.1), np.random.default_rng(0)
        >>> float(log_capital(bet.logs(rng.random(300) < 0.1).sum(0))) < math.log(20)
        True
        >>> float(log_capital(bet.logs(rng.random(300) < 0.3).sum(0))) > math.log(20)
        True

    Reference:
        Waudby-Smith and Ramdas, 2024, "Estimating means of bounded random variables by betting";
        Ville, 1939, for the chance; Shekhar and Ramdas, 2024, "Nonparametric two-sample testing by
        betting", for differences of two samples.
    """

    low: float
    high: float
    most: float

    def __post_init__(self) -> None:
        if not self.low <= self.most < self.high:
            raise ValueError(
                f"`most` must be at least `low`, {self.low:g}, and below `high`, {self.high:g}. "
                f"Received: {self.most:g}."
            )

    @cached_property
    def sizes(self) -> np.ndarray:
        """The bets that are held at once, shape `(10,)`."""
        # Where nothing lies below the limit, nothing can be lost; then any size will do.
        return _SHARES / max(self.most - self.low, (self.high - self.low) / 100)

    def logs(self, numbers: np.ndarray | Sequence[float]) -> np.ndarray:
        """Return what each number adds to the logarithm of each bet's capital.

        Args:
            numbers: Of any shape.

        Returns:
            Shape `(*numbers.shape, 10)`.
        """
        apart = np.clip(np.asarray(numbers, np.float64), self.low, self.high) - self.most
        return np.log1p(apart[..., None] * self.sizes)

    def needed(
        self,
        numbers: Sequence[float],
        chances: Sequence[float],
        threshold: float,
        certainty: float = 0.95,
    ) -> int | None:
        """Say after how many numbers the capital has reached a threshold.

        Args:
            numbers: What a number can be.
            chances: How likely each is.
            threshold: The logarithm of the capital.
            certainty: In which share of all cases it has by then, 0…1.

        Returns:
            How many, by the normal approximation of the best bet's growth and a reserve of one
            largest win; `None` if the mean is not above the limit.
        """
        gains, weights = self.logs(numbers), np.asarray(chances, np.float64)[:, None]
        growth = (gains * weights).sum(0)
        spread = np.sqrt(np.maximum((gains**2 * weights).sum(0) - growth**2, 0))
        goal = threshold + math.log(len(_SHARES))
        z = NormalDist().inv_cdf(certainty)
        found = [
            ((z * s + math.sqrt((z * s) ** 2 + 4 * g * (goal + top))) / (2 * g)) ** 2
            for g, s, top in zip(growth, spread, gains.max(0), strict=True)
            if g > 1e-9
        ]
        return math.ceil(min(found)) if found else None


def log_capital(logs: np.ndarray) -> np.ndarray:
    """Return the logarithm of all bets' capital together.

    Args:
        logs: Of each bet, shape `(…, 10)`.

    Returns:
        Shape `(…)`.
    """
    highest = logs.max(axis=-1, keepdims=True)
    return np.log(np.exp(logs - highest).mean(axis=-1)) + highest[..., 0]


def mean_interval(bet: Bet, mean: float, count: int, level: float) -> tuple[float, float]:
    """Find where a mean lies, at whatever moment one looks.

    Args:
        bet: For the range of the numbers.
        mean: Their mean so far.
        count: How many they are.
        level: Chance that the interval ever misses the true mean, e.g. 0.05.

    Returns:
        `(low, high)`; all of the range without numbers. It is as wide as numbers of the largest
        possible spread need.

    Reference:
        Robbins, 1970, "Statistical methods related to the law of the iterated logarithm", the
        two-sided normal mixture, narrowest at some 500 numbers.
    """
    if not count:
        return bet.low, bet.high
    spread, square = (bet.high - bet.low) / 2, 12.0 / 500
    inside = 2 * (count * square + 1) / (count**2 * square)
    radius = spread * math.sqrt(inside * math.log(math.sqrt(count * square + 1) / level))
    return max(bet.low, mean - radius), min(bet.high, mean + radius)
