"""How far an exported file may differ from the model it was made from."""

from dataclasses import asdict, dataclass

from kerasrecipes.arguments import named

# Rounding weights to 8 bits flips photos that the model itself is unsure about.
_MIN_AGREEMENT = {"float32": 0.99, "float16": 0.99, "dynamic": 0.95, "int8": 0.95, "int4": 0.9}
# Sums of fractions that should be equal differ by less.
_ROUNDING = 1e-12


def mean_gap_limit(agreement: float) -> float:
    """Return how far scores may move on average where so many answers must stay the same.

    Good 8-bit files of models that are unsure move them further than the answers: twice as far is
    allowed as answers may differ.

    Args:
        agreement: Fraction of answers that must stay the same.
    """
    return round(min(1.0, 2 * (1 - agreement)), 6)


@named
@dataclass(frozen=True)
class Tolerance:
    """Limits for one export; a number beyond its limit is a failure.

    Args:
        min_agreement: Smallest fraction of photos with the same top class as the original, and
            with the same decision, where the model has an operating point.
        max_accuracy_drop: Largest loss of accuracy, as a fraction; a gain never fails.
        max_score_gap: Largest difference of any score, or `None` for no limit.
        max_mean_score_gap: Largest mean over all photos of the largest difference of a photo's
            scores, or `None` for no limit. Two answers that were drawn by the scores would differ
            at least as often. Numbers are judged by `min_agreement` alone.

    Raises:
        ValueError: If a limit is not between 0 and 1.

    Example:
        >>> Tolerance.for_quantization("int8").min_agreement
        0.95
    """

    min_agreement: float = 0.99
    max_accuracy_drop: float = 0.02
    max_score_gap: float | None = None
    max_mean_score_gap: float | None = None

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is None and name in {"max_score_gap", "max_mean_score_gap"}:
                continue
            if not isinstance(value, int | float) or not 0 <= value <= 1:
                raise ValueError(
                    f"`{name}` of a Tolerance must be a fraction from 0 to 1, received {value!r}."
                )

    @classmethod
    @named
    def for_quantization(cls, quantization: str) -> "Tolerance":
        """Return the limits that apply when the caller states none.

        Args:
            quantization: E.g. `"int8"`; unknown ones get the strictest agreement.
        """
        agreement = _MIN_AGREEMENT.get(quantization, 0.99)
        return cls(
            min_agreement=agreement,
            max_score_gap=1e-3 if quantization == "float32" else None,
            max_mean_score_gap=mean_gap_limit(agreement),
        )

    @named
    def allows_flips(self, agreement: float, photos: int) -> bool:
        """Tell whether so few photos got another top class that the model is the same.

        One photo may always flip: with few photos it is more than any fraction allows.

        Args:
            agreement: Fraction of photos with the same top class.
            photos: Number of photos, ≥ 1.
        """
        return 1 - agreement <= max(1 - self.min_agreement, 1 / photos) + _ROUNDING

    @named
    def allows_drop(self, drop: float, photos: int) -> bool:
        """Tell whether a loss of accuracy is within the limit; one photo may always be lost.

        Args:
            drop: Accuracy of the original minus that of the file.
            photos: Number of photos, ≥ 1.
        """
        return drop <= max(self.max_accuracy_drop, 1 / photos) + _ROUNDING

    @named
    def allows_mean_gap(self, gap: float, photos: int) -> bool:
        """Tell whether scores move as little on average; those of one photo always may.

        Args:
            gap: Mean over all photos of the largest difference of a photo's scores.
            photos: Number of photos, ≥ 1.
        """
        limit = self.max_mean_score_gap
        return limit is None or gap <= max(limit, 1 / photos) + _ROUNDING

    def to_dict(self) -> dict[str, float | None]:
        """Return the limits as plain values for JSON."""
        return asdict(self)
