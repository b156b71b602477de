"""Making a classifier's confidence honest."""

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.errors import DataError

FEWEST_TO_SCALE = 200
# Beyond these a model is not over- or underconfident, but wrong.
_LOWEST, _HIGHEST = 0.05, 20.0


@named
def temperature_scale(logits: np.ndarray, labels: np.ndarray) -> float:
    """Find the temperature that makes a classifier's confidence honest.

    It changes no decision, only how sure they sound. Quantization changes a model's confidence:
    fit again on the answers of the exported file, whose logarithms serve as logits.

    Args:
        logits: Raw scores, or logarithms of probabilities, shape `(n, classes)`, from data the
            model did not train on.
        labels: True class indices, shape `(n,)`.

    Returns:
        The temperature, 0.05 to 20; divide logits by it. 1.0 leaves them as they are.

    Raises:
        DataError: If there are fewer than 200 rows, too few for a stable fit, or the values
            are not finite or do not fit together.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> honest = rng.normal(size=(4000, 3))
        >>> labels = (honest + rng.gumbel(size=(4000, 3))).argmax(axis=1)
        >>> round(temperature_scale(3 * honest, labels))  # three times too sure
        3

    Reference:
        Guo et al., 2017, "On Calibration of Modern Neural Networks", section 4.2.
    """
    logits, labels = np.asarray(logits, np.float64), np.asarray(labels)
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise DataError(
            f"`logits` must have shape (n, classes) and `labels` (n,), received {logits.shape} "
            f"and {labels.shape}. Pass both for the same photos."
        )
    if len(labels) < FEWEST_TO_SCALE:
        raise DataError(
            f"`logits` has {len(labels)} rows, too few for a stable temperature. Pass at least "
            f"{FEWEST_TO_SCALE} photos that the model did not train on."
        )
    if not np.isfinite(logits).all():
        raise DataError(
            "`logits` holds values that are not finite. Clip probabilities from below, e.g. at "
            "1e-12, before taking their logarithm."
        )
    if not (labels.dtype.kind in "iu" and 0 <= labels.min() <= labels.max() < logits.shape[1]):
        raise DataError(
            f"`labels` must be whole numbers from 0 to {logits.shape[1] - 1}, received "
            f"{labels.dtype} from {labels.min()} to {labels.max()}. Pass class indices."
        )

    return fitted_temperature(logits, labels, (_LOWEST, _HIGHEST))


def fitted_temperature(
    logits: np.ndarray,
    labels: np.ndarray,
    limits: tuple[float, float] = (0.5, 2.0),
    weights: np.ndarray | None = None,
) -> float:
    """Find the temperature within limits, however few rows there are.

    Args:
        logits: As in `temperature_scale`.
        labels: As in `temperature_scale`.
        limits: The lowest and the highest; of few rows, or of such that are all right, the best
            one may lie anywhere.
        weights: How much each row counts, shape `(n,)`; `None` for all alike.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    def log_loss(log_temperature: float) -> float:
        scores = log_softmax(logits / np.exp(log_temperature), axis=1)
        return -float(np.average(scores[np.arange(len(labels)), labels], weights=weights))

    bounds = (np.log(limits[0]), np.log(limits[1]))
    found = minimize_scalar(log_loss, bounds=bounds, method="bounded", options={"xatol": 1e-5})
    return float(np.exp(found.x))
