"""Setting the smallest weights of a model to zero, where they are missed least."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras


def zero_smallest(
    model: "keras.Model",
    sparsity: float | None = None,
    pattern: tuple[int, int] | None = None,
) -> None:
    """Set weights of convolutions and dense layers to zero, in place.

    Args:
        model: A built model.
        sparsity: Fraction of them that goes, shared out among kernels by `share_sparsity`; or
        pattern: `(n, m)` to keep the `n` largest of each `m` consecutive weights along the
            input channels, in kernels where their number is a multiple of `m`.

    Raises:
        ValueError: If an argument is not usable, or nothing can become zero.
    """
    from kerasrecipes.callbacks.zeros.kernels import find_kernels
    from kerasrecipes.callbacks.zeros.magnitude_pruning import largest, largest_of_each

    check_zeros(sparsity, pattern)
    kernels = find_kernels(model)
    if pattern:
        kernels = {name: one for name, one in kernels.items() if not one.shape[-2] % pattern[1]}
    if not kernels:
        raise ValueError(
            f"No weights of {model.name!r} can become zero: it has no convolution and no dense "
            f"layer{f' with a multiple of {pattern[1]} input channels' if pattern else ''}."
        )
    values = {name: np.abs(kernel.numpy()) for name, kernel in kernels.items()}
    if pattern:
        keep = {name: largest_of_each(one, *pattern) for name, one in values.items()}
    else:
        wanted: Any = sparsity  # one of the two is given
        shares = share_sparsity(values, wanted)
        keep = {name: largest(one, shares[name]) for name, one in values.items()}
    if all(one.all() for one in keep.values()):
        weights = sum(one.size for one in keep.values())
        raise ValueError(
            f"`sparsity` {sparsity!r} makes none of {weights} weights zero. Ask for more, e.g. 0.5."
        )
    for name, kernel in kernels.items():
        kernel.assign(kernel.numpy() * keep[name])


def check_zeros(sparsity: float | None = None, pattern: tuple[int, int] | None = None) -> None:
    """Judge what is asked of `zero_smallest`, before there is a model.

    Args:
        sparsity: As there.
        pattern: As there.

    Raises:
        ValueError: If one is not usable.

    Example:
        >>> check_zeros(pattern=(2, 4))
    """
    from kerasrecipes.callbacks.zeros.magnitude_pruning import checked_sparsity

    if isinstance(sparsity, Mapping):
        raise ValueError(
            f"`sparsity` must be one number between 0 and 1, which is shared out among layers, "
            f"not {sparsity!r}. MagnitudePruning takes one for each, in a `model.fit` of your own."
        )
    if pattern is not None and not isinstance(pattern, tuple | list):
        raise ValueError(
            f"`pattern` must be two whole numbers with 0 < n < m, e.g. (2, 4), not {pattern!r}."
        )
    checked_sparsity(sparsity, pattern)


def share_sparsity(kernels: Mapping[str, np.ndarray], sparsity: float) -> dict[str, float]:
    """Choose what fraction of each kernel becomes zero, so that together it is `sparsity`.

    A weight is worth its square, as a fraction of those of its kernel that are no smaller; the
    weights worth least go, wherever they are. So a kernel loses many if it is large or has few
    large ones, and never all.

    Args:
        kernels: Weights, by name.
        sparsity: Fraction of all weights together, 0…1.

    Returns:
        The fraction of each kernel, by name.

    Example:
        >>> share_sparsity({"even": np.ones(4), "steep": np.array([1.0, 0.1, 0.1, 0.1])}, 0.5)
        {'even': 0.25, 'steep': 0.75}

    Reference:
        Lee et al., 2021, "Layer-Adaptive Sparsity for the Magnitude-Based Pruning" (LAMP),
        equation 6, arXiv 2010.07611.
    """
    worth = {name: _worth(np.ravel(kernel)) for name, kernel in kernels.items()}
    everywhere = np.sort(np.concatenate(list(worth.values())))
    limit = everywhere[min(round(sparsity * len(everywhere)), len(everywhere) - 1)]
    return {name: float((values < limit).mean()) for name, values in worth.items()}


def _worth(weights: np.ndarray) -> np.ndarray:
    """Return the scores of weights, the smallest weight first."""
    squares = np.sort(np.square(weights, dtype=np.float64))
    no_smaller = np.cumsum(squares[::-1])[::-1]
    return squares / np.maximum(no_smaller, np.finfo(np.float64).tiny)
