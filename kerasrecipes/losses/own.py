"""A loss of one's own in a recipe: a function, a class, or a loss that is made already."""

import inspect
from collections.abc import Callable
from typing import Any

import keras


class FunctionLoss(keras.losses.Loss):
    """A function of targets and predictions as a loss.

    Args:
        function: Takes targets and raw scores, and returns one loss for each example.
        **options: What it is told besides.
    """

    def __init__(self, function: Callable[..., Any], **options: Any):
        super().__init__(name=getattr(function, "__name__", "loss"))
        self._function, self._options = function, options

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return one loss for each prediction."""
        return self._function(y_true, y_pred, **self._options)


def is_function(own: Any) -> bool:
    """Tell whether something is a loss itself, and not what makes one.

    Args:
        own: A class, a function or a loss.
    """
    if isinstance(own, type | keras.losses.Loss):
        return False
    needed = [
        one
        for one in inspect.signature(own).parameters.values()
        if one.default is one.empty and one.kind in {one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD}
    ]
    return len(needed) == 2
