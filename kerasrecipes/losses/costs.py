"""What each mistake costs, and the decisions that cost least."""

from collections.abc import Mapping, Sequence

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.errors import listed, unknown_name


@named
def cost_matrix(
    class_names: Sequence[str], costs: Mapping[str, Mapping[str, float]], default: float = 1.0
) -> np.ndarray:
    """Write the costs of mistakes, named class by class, as a matrix.

    Args:
        class_names: The classes, in the order of the scores.
        costs: True class → decision → cost; what is not named costs `default`.
        default: Cost of every other mistake.

    Returns:
        float64, shape `(true classes, decisions)`, with zeros where the decision is right.

    Raises:
        ValueError: If a class is unknown, or a cost is not a finite number of at least 0.

    Example:
        >>> cost_matrix(["crack", "ok"], {"crack": {"ok": 50}})  # missed: 50 false alarms
        array([[ 0., 50.],
               [ 1.,  0.]])
    """
    if isinstance(class_names, str) or not len(class_names):
        raise ValueError(f"`class_names` must be a list of names, not {class_names!r}.")
    index = {name: i for i, name in enumerate(class_names)}
    matrix = np.full((len(index), len(index)), float(default))
    np.fill_diagonal(matrix, 0)
    for true, decisions in costs.items():
        for decision, cost in decisions.items():
            for name in (true, decision):
                if name not in index:
                    raise unknown_name("class", name, index, "`class_names`")
            matrix[index[true], index[decision]] = cost
    return checked_costs(matrix)


@named
def cheapest_decisions(scores: np.ndarray, costs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Decide for each photo what is expected to cost least.

    It is right only as far as the probabilities are: calibrate them first.

    Args:
        scores: Class probabilities, shape `(n, classes)`.
        costs: Costs, shape `(true classes, decisions)`; see `cost_matrix`.

    Returns:
        The decisions, int64 `(n,)`, the first of equally cheap ones, and their expected
        costs, float64 `(n,)`.

    Raises:
        ValueError: If scores and costs do not fit together, or are not what they should be.

    Example:
        >>> cheapest_decisions([[0.05, 0.95], [0.01, 0.99]], [[0, 50], [1, 0]])
        (array([0, 1]), array([0.95, 0.5 ]))
    """
    costs, scores = checked_costs(costs), np.asarray(scores, dtype=np.float64)
    if scores.ndim != 2 or scores.shape[1] != len(costs):
        raise ValueError(
            f"`scores` must have shape (photos, {len(costs)}), one column for each row of "
            f"`costs`. Received shape: {scores.shape}."
        )
    if not (np.abs(scores.sum(axis=1) - 1) < 1e-3).all() or (scores < -1e-6).any():
        raise ValueError(
            "`scores` must be probabilities: between 0 and 1, each row adding up to 1. "
            "Apply a softmax to logits."
        )
    expected = scores @ costs
    decisions = expected.argmin(axis=1)
    return decisions, expected[np.arange(len(scores)), decisions]


def checked_costs(costs: np.ndarray | Sequence[Sequence[float]]) -> np.ndarray:
    """Return costs as a float64 matrix, or say what is wrong with them.

    Raises:
        ValueError: If they are no square of finite numbers of at least 0, a right decision
            costs more than a wrong one, or nothing costs anything.
    """
    try:
        matrix = np.asarray(costs, dtype=np.float64)
    except (TypeError, ValueError):
        matrix = np.empty(0)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or len(matrix) < 2:
        raise ValueError(
            "`costs` must have one row for each true class and one column for each decision, in "
            f"the same order, for at least 2 classes. Received: {costs!r}."
        )
    if not (np.isfinite(matrix).all() and (matrix >= 0).all()):
        raise ValueError(f"`costs` must be finite and at least 0. Received: {matrix.tolist()}.")
    wrong = [i for i, row in enumerate(matrix) if row[i] > row.min()]
    if wrong:
        raise ValueError(
            f"`costs` charges more for the right decision than for another in row {listed(wrong)}. "
            "Rows are true classes, columns decisions, and the diagonal is what being right costs."
        )
    if not (matrix > np.diag(matrix)[:, None]).any():
        raise ValueError("`costs` has no effect: no mistake costs more than being right.")
    return matrix
