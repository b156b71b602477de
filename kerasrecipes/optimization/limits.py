"""What a user can accept, and which candidate comes nearest to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kerasrecipes.optimization.candidate import Candidate

if TYPE_CHECKING:
    from kerasrecipes.verify import Tolerance


@dataclass(frozen=True)
class Limits:
    """The budgets of `optimize`.

    Args:
        max_drop: Largest drop of the accuracy, as a fraction.
        max_size_mb: Largest size of the file, in millions of bytes; `None` for any.
        max_latency_ms: Longest median time for one photo on this machine, one thread; `None`
            for any.

    Raises:
        ValueError: If a limit is not usable.
    """

    max_drop: float = 0.01
    max_size_mb: float | None = None
    max_latency_ms: float | None = None

    def __post_init__(self):
        if not isinstance(self.max_drop, int | float) or not 0 <= self.max_drop < 1:
            raise ValueError(
                f"`max_drop` must be a fraction from 0 to below 1, e.g. 0.01 for one point, not "
                f"{self.max_drop!r}."
            )
        for name in ("max_size_mb", "max_latency_ms"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int | float) or not value > 0):
                raise ValueError(f"`{name}` must be above 0, or None for no limit, not {value!r}.")

    @property
    def open_ended(self) -> bool:
        """Whether neither size nor latency is limited, so that smaller is always better."""
        return self.max_size_mb is None and self.max_latency_ms is None

    def tolerance(self, quantization: str) -> "Tolerance":
        """Return how far a file may differ from the model that is in it, to be saved.

        Args:
            quantization: How the file is written.
        """
        from kerasrecipes.verify import Tolerance

        strict = Tolerance.for_quantization(quantization)
        return Tolerance(
            # The user has said which drop is fine; a rounded model answers a little otherwise.
            min_agreement=max(0.0, min(strict.min_agreement, 1 - 2 * self.max_drop)),
            max_accuracy_drop=max(strict.max_accuracy_drop, self.max_drop),
            max_score_gap=strict.max_score_gap,
        )

    def refusals(self, candidate: Candidate) -> tuple[str, ...]:
        """Say why `OptimizationResult.save` would refuse a candidate's file, if it would.

        Args:
            candidate: The candidate.
        """
        return candidate.refusals(self.tolerance(candidate.quantization))

    def misses(self, candidate: Candidate) -> dict[str, float]:
        """Return by how much a candidate is beyond each limit that it breaks, in words to share.

        Args:
            candidate: The candidate.

        Returns:
            A sentence for each broken limit, and the excess as a share of the limit.
        """
        found = {}
        drop = candidate.judged_drop
        if drop > self.max_drop + 1e-12:
            said = (
                f"its accuracy drops by {100 * candidate.drop:.1f} points, judged as "
                f"{100 * drop:.1f}, where {100 * self.max_drop:.1f} may be lost"
            )
            # A point is much: it counts like a file twice as large as allowed.
            found[said] = (drop - self.max_drop) / max(self.max_drop, 0.01)
        size = candidate.size_bytes / 1e6
        if self.max_size_mb is not None and size > self.max_size_mb:
            said = f"it takes {size:.3g} MB, where {self.max_size_mb:g} are allowed"
            found[said] = size / self.max_size_mb - 1
        latency = candidate.latency_ms
        if self.max_latency_ms is not None and latency > self.max_latency_ms:
            said = f"it takes {latency:.3g} ms, where {self.max_latency_ms:g} are allowed"
            found[said] = latency / self.max_latency_ms - 1
        for why in self.refusals(candidate):
            # What is not the same model is no use: it counts like a file ten times too large.
            found[f"its export would be refused, since {why}"] = 9.0
        return found

    def choose(self, candidates: Sequence[Candidate]) -> Candidate | None:
        """Return the smallest and fastest candidate within the limits, or `None`.

        Args:
            candidates: The candidates; the first one is the float file.
        """
        within = [one for one in candidates if not self.misses(one)]
        return min(within, key=lambda one: (one.cost(candidates[0]), one.drop), default=None)

    def closest(self, candidates: Sequence[Candidate]) -> Candidate:
        """Return the candidate that is least beyond the limits in all.

        Args:
            candidates: At least one.
        """
        return min(candidates, key=lambda one: sum(self.misses(one).values()))
