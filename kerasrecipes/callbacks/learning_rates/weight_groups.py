"""Sorting a model's weights into named groups."""

import re
from collections.abc import Mapping
from typing import Any

import keras

from kerasrecipes.errors import listed


def group_weights(
    model: keras.Model, groups: Mapping[str, Any] | None = None
) -> dict[str, list[keras.Variable]]:
    """Sort the trainable weights of a model.

    Args:
        model: A built model.
        groups: Name of a group → regular expression, searched for in the weights' paths
            (`"conv1/kernel"`, in a `Sequential` `"sequential/conv1/kernel"`), or a list of
            variables; `None` for one group per layer.

    Returns:
        Group → its weights, in the order of `groups`, or of the model.

    Raises:
        ValueError: If a group has no trainable weight, or a weight not exactly one group, or
            an expression cannot be read.

    Example:
        >>> x = keras.Input((2,))
        >>> model = keras.Model(x, keras.layers.Dense(1, name="head")(x))
        >>> list(group_weights(model))
        ['head']
    """
    weights = model.trainable_variables
    sorted_weights: dict[str, list] = {}
    if groups is None:
        for weight in weights:
            sorted_weights.setdefault(weight.path.rpartition("/")[0], []).append(weight)
        return sorted_weights
    for name, rule in groups.items():
        if isinstance(rule, str):
            sorted_weights[name] = _matching(weights, name, rule)
        else:
            wanted = {id(variable) for variable in rule}
            sorted_weights[name] = [w for w in weights if id(w) in wanted]
        if not sorted_weights[name]:
            raise ValueError(
                f"Group {name!r} matches no trainable weight. The paths are "
                f"{listed(weight.path for weight in weights)}."
            )
    counts = {w.path: sum(id(w) in map(id, of) for of in sorted_weights.values()) for w in weights}
    wrong = [path for path, count in counts.items() if count != 1]
    if wrong:
        raise ValueError(
            "`groups` must put each trainable weight into exactly one group; in none or in "
            f"several are {listed(wrong)}."
        )
    return sorted_weights


def _matching(weights: list, group: str, expression: str) -> list[keras.Variable]:
    try:
        return [weight for weight in weights if re.search(expression, weight.path)]
    except re.error as error:
        raise ValueError(
            f"{expression!r}, for the group {group!r} in `groups`, is not a regular expression: "
            f"{error}. Escape its special characters with a backslash."
        ) from error
