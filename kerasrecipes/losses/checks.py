"""What the arguments of a loss, and its targets, must be."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


def checked_number(
    name: str, value: float, low: float, high: float = math.inf, *, above: bool = False
) -> float:
    """Return a number as float, or say what is wrong with it.

    Args:
        name: Name of the argument.
        value: What the caller passed.
        low: Smallest legal value.
        high: Largest legal value.
        above: Whether `low` itself is not legal.

    Raises:
        ValueError: If it is not a finite number between the two.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    legal = is_number and math.isfinite(value) and low <= value <= high
    if not legal or (above and value == low):
        start = f"above {low:g}" if above else f"at least {low:g}"
        end = f" and at most {high:g}" if math.isfinite(high) else ""
        raise ValueError(f"`{name}` must be a number {start}{end}, not {value!r}.")
    return float(value)


def checked_counts(class_counts: Sequence[float]) -> list[float]:
    """Return the photos of each class as plain floats, or say what is wrong with them.

    Raises:
        ValueError: If there are fewer than 2 classes, or one has no photo.
    """
    counts = [float(count) for count in class_counts]
    if len(counts) < 2 or not all(math.isfinite(count) and count > 0 for count in counts):
        raise ValueError(
            "`class_counts` must be the number of training photos of each of at least 2 classes, "
            f"all above 0, not {class_counts!r}. Leave out classes without photos."
        )
    return counts


def check_targets(
    y_true: "keras.KerasTensor", y_pred: "keras.KerasTensor", class_count: int | None = None
) -> None:
    """Raise unless targets have one number per class, as predictions have.

    Args:
        y_true: One-hot or soft targets, shape `(…, classes)`.
        y_pred: Predictions of the same shape.
        class_count: Number of classes that the loss was made for, if it knows.

    Raises:
        ValueError: If the shapes differ, or are not those of `class_count` classes.
    """
    if len(y_true.shape) != len(y_pred.shape) or y_true.shape[-1] != y_pred.shape[-1]:
        raise ValueError(
            "`y_true` must have one number per class, like the predictions of shape "
            f"{tuple(y_pred.shape)}. Received shape: {tuple(y_true.shape)}. For class indices, "
            "pass keras.ops.one_hot(indices, class_count)."
        )
    if class_count is not None and y_pred.shape[-1] != class_count:
        raise ValueError(
            f"This loss was made for {class_count} classes, and the predictions have "
            f"{y_pred.shape[-1]}. Make it with one count, or row of costs, for each class."
        )
