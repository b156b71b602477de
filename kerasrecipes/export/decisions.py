"""What a model decides, as outputs of the file itself, for an app that only acts on it."""

from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.data.specs import DECISION, SMALLEST, AbstainBand, CostRule, OutputSpec

if TYPE_CHECKING:
    import keras

ALARM = "alarm"


def decision_outputs(output: OutputSpec) -> tuple[OutputSpec, ...]:
    """Return what a file can say besides its scores: numbers that are whole.

    Args:
        output: What the model answers with.

    Returns:
        `alarm`, 0 or 1, if the model has one; and `decision`, the index of the class, −1 for a
        person, or for each label 0 or 1.

    Raises:
        ValueError: If the answer is no class and no labels.
    """
    if output.task not in {"classification", "multi_label"}:
        raise ValueError(
            "`decide` needs a model that names classes or labels, and this one has the task "
            f"{output.task!r}. Leave it out."
        )
    labels = output.class_names if output.task == "multi_label" else ()
    found = [OutputSpec(name=DECISION, task=DECISION, class_names=labels)]
    if output.alarm is not None:
        found.insert(0, OutputSpec(name=ALARM, task=DECISION))
    return tuple(found)


def decisions(output: OutputSpec, name: str, scores: np.ndarray) -> np.ndarray:
    """Return what such an output is to be.

    Args:
        output: What the model answers with.
        name: The output, `"alarm"` or `"decision"`.
        scores: The model's answers, shape `(n, width)`.

    Returns:
        Whole numbers, float32, shape `(n, 1)`, or `(n, labels)`.
    """
    if name == ALARM and output.alarm is not None:
        found = output.alarm.raised(scores, output.class_names)[:, None]
    elif output.task == "multi_label":
        found = np.asarray(scores) >= output.limits()
    else:
        rule = output.rule
        found = (scores.argmax(axis=1) if rule is None else rule.decide(scores))[:, None]
    return found.astype(np.float32)


def decided_in_graph(
    output: OutputSpec, name: str, scores: "keras.KerasTensor"
) -> "keras.KerasTensor":
    """Compute in a graph what `decisions` does, of built-in operators without weights.

    Args:
        output: What the model answers with.
        name: The output, `"alarm"` or `"decision"`.
        scores: The model's answers, shape `(n, width)`.
    """
    from keras import ops

    def flag(condition: Any) -> Any:
        return ops.cast(condition, "float32")

    if name == ALARM and output.alarm is not None:
        counted = [float(one in output.alarm.classes) for one in output.class_names]
        total = ops.sum(scores * np.array(counted, np.float32), axis=1, keepdims=True)
        return flag(ops.greater_equal(total, output.alarm.threshold))
    if output.task == "multi_label":
        return flag(ops.greater_equal(scores, output.limits().astype(np.float32)))
    rule = output.rule
    if isinstance(rule, AbstainBand):
        is_open = flag(ops.greater_equal(scores, np.array(rule.least, np.float32)))
        place = np.arange(1, len(rule.least) + 1, dtype=np.float32)
        one = flag(ops.equal(ops.sum(is_open, axis=1, keepdims=True), 1))
        return one * ops.sum(is_open * place, axis=1, keepdims=True) - 1
    if isinstance(rule, CostRule):
        chosen = _first_smallest(_expected_costs(rule, scores))
        classes = len(rule.costs)
        return chosen - (classes + 1) * flag(ops.equal(chosen, classes))
    return _first_smallest(-scores)


def _first_smallest(values: "keras.KerasTensor") -> "keras.KerasTensor":
    """Return the place of the smallest value of each row, of operators that TFLite has."""
    from keras import ops

    smallest = ops.cast(ops.equal(values, ops.min(values, axis=1, keepdims=True)), "float32")
    count = values.shape[1]
    backwards = np.arange(count, 0, -1, dtype=np.float32)
    return count - ops.max(smallest * backwards, axis=1, keepdims=True)


def _expected_costs(rule: CostRule, scores: "keras.KerasTensor") -> "keras.KerasTensor":
    from keras import ops

    chances = scores
    if rule.temperature != 1:
        chances = ops.power(ops.maximum(scores, SMALLEST), 1 / rule.temperature)
    # A product of matrices would be a layer with weights.
    of_answers = (chances * column for column in rule.matrix().T.astype(np.float32))
    return ops.stack([ops.sum(one, axis=1) for one in of_answers], axis=1)
