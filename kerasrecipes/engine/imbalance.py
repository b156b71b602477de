"""How much the photos of rare classes count."""

import numpy as np

from kerasrecipes.photos.photo_set import PhotoSet

IMBALANCE = 1.5
# Full balancing lets the few photos of a rare class dominate; its square root keeps more of both.
POWERS = {"auto": 0.5, "sqrt": 0.5, "balanced": 1.0}
WISHES = ("auto", "sqrt", "balanced", "effective")
# Losses that weigh rarity or costs themselves.
WEIGHING_LOSSES = {"balanced_softmax", "ldam", "expected_cost"}


def class_weights(train: PhotoSet, wish: str | None, loss_name: str = "") -> np.ndarray:
    """Return one loss weight per class, mean 1 over the photos; float32, `(classes,)`.

    Args:
        train: The training photos.
        wish: One of `WISHES`, or `None` for equal weights.
        loss_name: Name of the loss; `"auto"` leaves those alone that weigh rarity themselves.
    """
    counts = np.array(list(train.counts().values()), dtype=np.float64)
    balanced = counts.max() <= IMBALANCE * counts.min() or loss_name in WEIGHING_LOSSES
    if wish is None or (wish == "auto" and balanced):
        return np.ones(len(counts), dtype=np.float32)
    if wish == "effective":
        from kerasrecipes.losses.class_weights import effective_number_weights

        return effective_number_weights(counts).astype(np.float32)
    weights = counts ** -POWERS[wish]
    return (weights * counts.sum() / (weights * counts).sum()).astype(np.float32)
