"""Callbacks whose work a recipe would undo, named before the training."""

_SILENT = {
    "StochasticWeightAveraging": (
        "its average would be lost, since a recipe ends each stage with the best weights that it "
        "measured. Use `ema=True`, whose average is measured, or this callback in a `model.fit` "
        "of your own"
    ),
    "SwapEMAWeights": (
        "a recipe swaps the weights itself, and twice is not at all. Use `ema=True` without it"
    ),
}


def check_callbacks(callbacks: tuple) -> None:
    """Refuse callbacks after which the weights that are returned are not those measured.

    Args:
        callbacks: The user's own callbacks.

    Raises:
        ValueError: If there is one.
    """
    for callback in callbacks:
        names = [kind.__name__ for kind in type(callback).__mro__]
        for name in _SILENT.keys() & set(names):
            raise ValueError(f"`callbacks` holds a {name}: {_SILENT[name]}.")
