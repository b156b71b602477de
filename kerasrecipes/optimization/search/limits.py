"""What a user can accept, and which candidate comes nearest to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kerasrecipes.evaluation.file_limits import FileLimits, Miss
from kerasrecipes.optimization.search.candidate import Candidate

if TYPE_CHECKING:
    from kerasrecipes.verify import Tolerance


@dataclass(frozen=True)
class Limits(FileLimits):
    """The budgets of `optimize`, besides size and time.

    Args:
        max_drop: Largest drop of the accuracy, as a fraction.

    Raises:
        ValueError: If a limit is not usable.
    """

    max_drop: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.max_drop, int | float) or not 0 <= self.max_drop < 1:
            raise ValueError(
                f"`max_drop` must be a fraction from 0 to below 1, e.g. 0.01 for one point, not "
                f"{self.max_drop!r}."
            )

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
        from kerasrecipes.verify.tolerance import mean_gap_limit

        strict = Tolerance.for_quantization(quantization)
        # The user has said which drop is fine; a rounded model answers a little otherwise.
        agreement = max(0.0, min(strict.min_agreement, 1 - 2 * self.max_drop))
        return Tolerance(
            min_agreement=agreement,
            max_mean_score_gap=mean_gap_limit(agreement),
            max_accuracy_drop=max(strict.max_accuracy_drop, self.max_drop),
            max_score_gap=strict.max_score_gap,
        )

    def refusals(self, candidate: Candidate) -> tuple[str, ...]:
        """Say why `OptimizationResult.save` would refuse a candidate's file, if it would.

        Args:
            candidate: The candidate.
        """
        return candidate.refusals(self.tolerance(candidate.quantization))

    def misses(self, file: Candidate) -> list[Miss]:
        """Say which limits a candidate breaks.

        Args:
            file: The candidate.
        """
        found = []
        drop = file.judged_drop
        if drop > self.max_drop + 1e-12:
            text = (
                f"loses {100 * file.drop:.1f} {file.points} of {file.quality_name}, judged as "
                f"{100 * drop:.1f}, where {100 * self.max_drop:.1f} may be lost"
            )
            # A point is much: it counts like a file twice as large as allowed.
            excess = (drop - self.max_drop) / max(self.max_drop, 0.01)
            found.append(Miss("accuracy too low", text, excess))
        found += super().misses(file)
        # What is not the same model is no use: it counts like a file ten times too large.
        found += [
            Miss("refused", f"would be refused as an export, since {why}", 9.0)
            for why in self.refusals(file)
        ]
        return found

    def choose(self, candidates: Sequence[Candidate]) -> Candidate | None:
        """Return the smallest and fastest candidate within the limits, or `None`.

        Args:
            candidates: The candidates; the first one is the float file.
        """
        within = [one for one in candidates if not self.misses(one)]
        return min(within, key=lambda one: (one.cost(candidates[0]), one.drop), default=None)
