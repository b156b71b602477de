"""What a learning-rate sweep says: pure functions of rates and losses."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasrecipes.files import complete_file, told_plainly

SMOOTHING = 0.9
EXPLOSION = 4.0
DROP_IN_NOISE = 3.0


@dataclass(frozen=True)
class Sweep:
    """The losses of one rise of the learning rate.

    Args:
        rates: Learning rate of each step, rising geometrically.
        losses: Loss of each step, before the step changed the weights.
        diverged: Whether the sweep stopped since the loss exploded at its last rate.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    diverged: bool = False

    def suggest(self) -> tuple[float | None, str]:
        """Return a learning rate and how it was found, or `None` and why there is none."""
        skipped = len(self.rates) // 10
        kept = slice(skipped, len(self.rates) - 5)
        rates, losses = np.array(self.rates[kept]), np.array(self.losses[kept])
        if len(losses) < 10 or not np.isfinite(losses).all():
            return None, f"only {len(losses)} steps are usable before the loss explodes"
        smoothed = smooth(self.losses)[kept]
        start, end = valley(smoothed)
        noise = noise_of(losses)
        drop = smoothed[start] - smoothed[end]
        if drop < DROP_IN_NOISE * noise:
            return None, f"the loss falls by {drop:.3g}, which is within its noise ({noise:.3g})"
        if end - start + 1 <= 2 * math.sqrt(len(losses)):
            return None, f"the loss falls for {end - start + 1} steps only, as chance would have it"
        rate = float(np.sqrt(rates[start] * rates[end]))
        if self.diverged and rate > self.rates[-1] / 10:
            return self.rates[-1] / 10, "a tenth of the rate at which the loss explodes"
        return rate, "the middle of the valley"


@dataclass(frozen=True)
class LearningRateSuggestion:
    """A learning rate, and whether the sweeps or the default speak for it.

    Args:
        learning_rate: The rate to train with.
        found: Whether the sweeps agree on it; otherwise it is the default.
        reason: How it was found, or why the sweeps do not tell, in words.
        sweeps: The curves behind it.
    """

    learning_rate: float
    found: bool
    reason: str
    sweeps: tuple[Sweep, ...]

    def plot(self, path: str | Path) -> Path:
        """Draw the curves and the rate.

        Args:
            path: The picture's file; its suffix is the format.

        Returns:
            The path.
        """
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6.4, 4.0), layout="constrained")
        axes = figure.subplots()
        for sweep in self.sweeps:
            axes.plot(sweep.rates, smooth(sweep.losses), color="#2a6fbb", alpha=0.7)
        finite = [loss for sweep in self.sweeps for loss in sweep.losses if math.isfinite(loss)]
        if finite:
            # The explosion at the end would press the valley flat.
            axes.set_ylim(top=1.1 * max(np.percentile(finite, 75), finite[0]))
        label = f"{self.learning_rate:.2g} ({'found' if self.found else 'default'})"
        axes.axvline(self.learning_rate, color="#333333", linestyle="--", label=label)
        axes.set(xscale="log", xlabel="learning rate", ylabel="smoothed loss")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
        with told_plainly(Path(path)), complete_file(Path(path)) as file:
            figure.savefig(file, format=Path(path).suffix[1:] or None)
        return Path(path)

    def to_dict(self) -> dict:
        """Return the outcome, without the curves, as JSON-safe data."""
        return {
            "learning_rate": self.learning_rate,
            "found": self.found,
            "reason": self.reason,
            "sweeps": len(self.sweeps),
        }

    def __str__(self) -> str:
        source = "found" if self.found else "default"
        return f"Learning rate {self.learning_rate:.2g} ({source}): {self.reason}."


def combine_sweeps(sweeps: Sequence[Sweep], fallback: float) -> LearningRateSuggestion:
    """Take the geometric median of what the sweeps suggest, or the default.

    Args:
        sweeps: Curves from the same starting weights.
        fallback: The rate where no more than half of the sweeps suggest one.

    Returns:
        The rate and its reason.

    Reference:
        Smith, 2017, "Cyclical Learning Rates for Training Neural Networks", section 3.3.
    """
    answers = [sweep.suggest() for sweep in sweeps]
    rates = [rate for rate, _ in answers if rate is not None]
    if len(rates) > len(answers) / 2:
        middle = float(np.exp(np.median(np.log(rates))))
        reasons = sorted({reason for rate, reason in answers if rate is not None})
        reason = f"{len(rates)} of {len(answers)} sweeps agree that there is one; {reasons[0]}"
        return LearningRateSuggestion(middle, True, reason, tuple(sweeps))
    why = next((why for rate, why in answers if rate is None), "no sweep was finished")
    reason = f"{len(answers) - len(rates)} of {len(answers)} sweeps do not tell; {why}"
    return LearningRateSuggestion(fallback, False, reason, tuple(sweeps))


def smooth(losses: Sequence[float]) -> np.ndarray:
    """Return exponential means without the pull to zero of their beginning, shape `(n,)`."""
    mean, means = 0.0, []
    for step, loss in enumerate(losses, 1):
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        means.append(mean / (1 - SMOOTHING**step))
    return np.array(means)


def noise_of(losses: np.ndarray) -> float:
    """Estimate the standard deviation of single losses around a slow curve.

    Args:
        losses: One per step, shape `(n,)`.

    Returns:
        From differences of neighbours, by their median, which an explosion leaves alone.
    """
    return float(np.median(np.abs(np.diff(losses))) / 0.954)


def valley(losses: np.ndarray) -> tuple[int, int]:
    """Find the longest falling part of a curve, small rises in it left out.

    It is the longest falling subsequence. Its start is counted back from its end, since one
    high value long before would stretch it otherwise.

    Args:
        losses: A smoothed curve, shape `(n,)`.

    Returns:
        Indices of its first and last point.

    Example:
        >>> valley(np.array([5.0, 5.1, 4.0, 3.0, 2.0, 9.0]))
        (1, 4)
    """
    lengths = np.ones(len(losses), dtype=int)
    for i in range(1, len(losses)):
        before = lengths[:i][losses[:i] > losses[i]]
        if len(before):
            lengths[i] = before.max() + 1
    end = int(lengths.argmax())
    return end - int(lengths[end]) + 1, end
