"""What mistakes cost, from a table, as a rule that answers what is expected to cost least."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kerasrecipes.data.specs import CostRule
from kerasrecipes.data.tables.rows import read_rows
from kerasrecipes.data.tables.spelling import trimmed
from kerasrecipes.errors import DataError, listed, printable, unknown_name
from kerasrecipes.evaluation.calibration import temperature_scale
from kerasrecipes.losses.costs import checked_costs

ABSTAIN = "abstain"
# Below so many photos no temperature is found, and the scores are taken for what they are.
_SMALLEST = 1e-12


def read_costs(table: str | Path, class_names: Sequence[str]) -> CostRule:
    """Read a table of costs: one row for each true class, one column for each answer.

    Args:
        table: A CSV, e.g. `true,good,crack,abstain` and below it `crack,50,0,2`. Its first column
            names the true class. A column `abstain` says what leaving a photo to a person costs.
        class_names: The classes, in the order of the scores.

    Returns:
        The rule, for scores that are honest as they are.

    Raises:
        DataError: If the table cannot be read, lacks a class or has one that is unknown or twice,
            or holds what is no cost.
        ValueError: If a right answer costs more than a wrong one, or no mistake costs anything.
    """
    table = Path(table)
    rows, spelled = read_rows(table, "class")
    first, *others = spelled
    answers = {column: trimmed(spelled[column]) for column in others}
    wanted = [*class_names, *([ABSTAIN] if ABSTAIN in answers.values() else [])]
    if ABSTAIN in class_names:
        raise DataError(
            f"A class is called {ABSTAIN!r}, and so is what leaves a photo to a person. Rename the "
            "class."
        )
    _check_names(table, "columns", list(answers.values()), wanted)
    named = [trimmed(str(cells.get(first, ""))) for _, cells in rows]
    _check_names(table, "rows", named, list(class_names))
    found = np.zeros((len(class_names), len(wanted)))
    for (number, cells), true in zip(rows, named, strict=True):
        for column, answer in answers.items():
            value = _cost(table, number, spelled[column], cells.get(column))
            found[class_names.index(true), wanted.index(answer)] = value
    return cost_rule(found, len(class_names))


def cost_rule(costs: np.ndarray, classes: int) -> CostRule:
    """Make a rule of a matrix of costs.

    Args:
        costs: Row by row, what each answer costs if that class is the true one, shape
            `(classes, classes)`, or with one more column for leaving it to a person.
        classes: How many classes there are.

    Raises:
        ValueError: If it has another shape, holds what is no cost, charges more for being right
            than for a mistake, or nothing for any.
    """
    matrix = np.asarray(costs, np.float64)
    if matrix.shape not in {(classes, classes), (classes, classes + 1)}:
        raise ValueError(
            f"`costs` must have one row for each of the {classes} classes, and one column for each "
            f"answer, received the shape {matrix.shape}."
        )
    abstain = matrix[:, classes:].ravel()
    if not (np.isfinite(abstain).all() and (abstain >= 0).all()):
        raise ValueError(f"`costs` must be finite and at least 0. Received: {abstain.tolist()}.")
    square = checked_costs(matrix[:, :classes])
    return CostRule(costs=tuple(map(tuple, square.tolist())), abstain=tuple(abstain.tolist()))


def calibrated(rule: CostRule, scores: np.ndarray, targets: np.ndarray) -> CostRule:
    """Find the temperature at which scores are honest, by which costs are expected.

    Args:
        rule: The costs.
        scores: Probabilities of photos that the model did not learn from, shape `(n, classes)`.
        targets: Index of the right class, shape `(n,)`.

    Returns:
        The rule with it; as it was where there are too few photos to find one.
    """
    try:
        found = temperature_scale(np.log(np.maximum(scores, _SMALLEST)), targets)
    except DataError:
        return rule
    return rule.model_copy(update={"temperature": found})


def _check_names(table: Path, where: str, found: list[str], wanted: list[str]) -> None:
    for name in found:
        if name not in wanted:
            known = [*wanted, ABSTAIN] if where == "columns" else wanted
            raise DataError(
                f"'{printable(table)}': {unknown_name('class', name, known, 'Bundle.class_names')}"
            )
    if missing := [name for name in wanted if name not in found]:
        raise DataError(
            f"'{printable(table)}' has no {where} of {listed(missing)}. Give each class a row "
            "and a column."
        )
    if len(found) > len(set(found)):
        raise DataError(f"'{printable(table)}' has {where} of the same class twice. Remove one.")


def _cost(table: Path, number: int, column: str, cell: object) -> float:
    try:
        value = float(str(cell))
    except ValueError:
        value = math.nan
    if not (0 <= value < math.inf):
        raise DataError(
            f"'{printable(table)}', row {number}, column '{printable(column)}': a cost is a number "
            f"of at least 0, not {printable(cell)!r}."
        )
    return value
