"""How much a photo of each class counts, from how many there are."""

from collections.abc import Sequence

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.losses.checks import checked_counts, checked_number

IMBALANCE = 1.5
# Full balancing lets the few photos of a rare class dominate; its square root keeps more of both.
POWERS = {"auto": 0.5, "sqrt": 0.5, "balanced": 1.0}
WISHES = ("auto", "sqrt", "balanced", "effective")
# Losses that weigh rarity or costs themselves.
WEIGHING_LOSSES = {"balanced_softmax", "ldam", "expected_cost"}


@named
def effective_number_weights(class_counts: Sequence[float], beta: float = 0.999) -> np.ndarray:
    """Weigh classes by the inverse of their effective number of photos.

    The more photos a class has, the less a further one adds: `n` photos count as
    `(1 − beta^n) / (1 − beta)`. With `beta=0` all classes weigh the same, towards 1 the
    weights become the inverse frequencies.

    Args:
        class_counts: Training photos of each class.
        beta: How slowly new photos repeat old ones, at least 0 and below 1. About
            `1 − 1/N` if N photos show all there is to see of a class.

    Returns:
        One weight per class, mean 1 over the photos; float32, `(classes,)`.

    Raises:
        ValueError: If a count or `beta` is out of range.

    Example:
        >>> effective_number_weights([1000, 10], beta=0.999).round(2)
        array([ 0.62, 39.23], dtype=float32)

    Reference:
        Cui et al., 2019, "Class-Balanced Loss Based on Effective Number of Samples",
        equation 2.
    """
    counts = np.array(checked_counts(class_counts))
    beta = checked_number("beta", beta, 0, 1)
    if beta == 1:
        raise ValueError("`beta` must be below 1, not 1. For inverse frequencies use 'balanced'.")
    # expm1 keeps the digits where beta^n is close to 1.
    effective = -np.expm1(counts * np.log(beta)) / (1 - beta) if beta else np.ones_like(counts)
    weights = 1 / effective
    return (weights * counts.sum() / (weights * counts).sum()).astype(np.float32)


def class_weights(counts: Sequence[int], wish: str | None, loss_name: str = "") -> np.ndarray:
    """Return one loss weight per class, mean 1 over the examples; float32, `(classes,)`.

    Args:
        counts: Training examples of each class.
        wish: One of `WISHES`, or `None` for equal weights.
        loss_name: Name of the loss; `"auto"` leaves those alone that weigh rarity themselves.
    """
    found = np.array(counts, dtype=np.float64)
    balanced = found.max() <= IMBALANCE * found.min() or loss_name in WEIGHING_LOSSES
    if wish is None or (wish == "auto" and balanced):
        return np.ones(len(found), dtype=np.float32)
    if wish == "effective":
        return effective_number_weights(counts).astype(np.float32)
    weights = found ** -POWERS[wish]
    return (weights * found.sum() / (weights * found).sum()).astype(np.float32)
