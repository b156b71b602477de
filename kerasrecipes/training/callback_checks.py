"""Callbacks whose work a recipe would undo, named before the training."""

_ALWAYS = {
    "StochasticWeightAveraging": (
        "its average would be lost, since a recipe ends each stage with the best weights that it "
        "measured. Use `ema=True`, whose average is measured, or this callback in a `model.fit` "
        "of your own"
    ),
    "SwapEMAWeights": (
        "a recipe swaps the weights itself, and twice is not at all. Use `ema=True` without it"
    ),
    "MagnitudePruning": (
        "its zeros would be lost, since a recipe ends each stage with the best weights that it "
        "measured, which may be dense. Fit without it, then call `prune` with a `sparsity`"
    ),
}
_WITH_AVERAGE = {
    "MovingAverage": (
        "the recipe keeps a moving average itself, which would replace this one. Pass ema=False "
        "to the recipe, or leave the callback out"
    ),
}


def check_callbacks(callbacks, recipe) -> None:
    """Refuse callbacks after which the weights that are returned are not those measured.

    Args:
        callbacks: The user's own callbacks.
        recipe: An `ImageClassifier`.

    Raises:
        ValueError: If there is one.
    """
    refused = _ALWAYS | (_WITH_AVERAGE if recipe.ema else {})
    for callback in callbacks:
        for kind in type(callback).__mro__:
            if why := refused.get(kind.__name__):
                raise ValueError(f"`callbacks` holds a {kind.__name__}: {why}.")
