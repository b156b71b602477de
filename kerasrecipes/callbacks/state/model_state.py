"""Everything that training changes, taken down so that it can be put back bit for bit."""

import random
from typing import Any

import keras
import numpy as np

from kerasrecipes.keras_private import (
    copy_decay_exclusions,
    find_global_generator,
    make_global_generator,
    put_global_generator,
)


class ModelState:
    """The values of a model's variables and of its optimizers', held in memory.

    The variables of a model include BatchNormalization statistics and the states of the
    random generators in its layers, which `get_weights` leaves out.

    Args:
        model: A built model.
        optimizer: Whether to hold the variables of its optimizers, too; they have to be built.
    """

    def __init__(self, model: keras.Model, optimizer: bool = True):
        synchronise(model)
        optimizers = optimizers_of(model) if optimizer else []
        variables = [*model.variables, *(v for one in optimizers for v in one.variables)]
        self._values = [(variable, _copied(variable)) for variable in variables]

    def restore(self) -> None:
        """Put every value back."""
        for variable, value in self._values:
            variable.assign(value)

    @property
    def values(self) -> list[np.ndarray]:
        """The held values, in the order of the variables: the model's, then the optimizer's."""
        return [value for _, value in self._values]

    def replace(self, values: list[np.ndarray]) -> None:
        """Hold other values, for `restore` to put in.

        Args:
            values: The `values` of a model that was built in the same way.

        Raises:
            ValueError: If they do not fit the variables.
        """
        variables = [variable for variable, _ in self._values]
        if len(values) != len(variables):
            raise ValueError(f"it has {len(values)} variables, and this one {len(variables)}")
        for variable, value in zip(variables, values, strict=True):
            wanted, found = (tuple(variable.shape), str(variable.dtype)), (value.shape, value.dtype)
            if wanted != (found[0], str(found[1])):
                raise ValueError(
                    f"its {variable.path} is {found[1]} of shape {found[0]}, and this one's "
                    f"{wanted[1]} of shape {wanted[0]}"
                )
        self._values = list(zip(variables, values, strict=True))

    def is_finite(self) -> bool:
        """Tell whether no number in it is NaN or infinite."""
        return all(np.isfinite(value.astype("float64")).all() for _, value in self._values)


def optimizers_of(model: keras.Model) -> list[keras.optimizers.Optimizer]:
    """List what updates a model: what it was compiled with, and what its own steps use besides.

    Args:
        model: A model; one with a `train_step` of its own may keep optimizers as attributes.

    Returns:
        The optimizers, that of `compile` first; none if it was compiled with `optimizer=None`.
    """
    kept = [one for one in vars(model).values() if isinstance(one, keras.optimizers.Optimizer)]
    first = [model.optimizer] if getattr(model, "optimizer", None) is not None else []
    return list({id(one): one for one in [*first, *kept]}.values())


def build_optimizers(model: keras.Model) -> None:
    """Make the slots that the first step would make, so that they belong to a state.

    Args:
        model: A built and compiled model.
    """
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and not optimizer.built:
        optimizer.build(model.trainable_variables)


def synchronise(model: keras.Model) -> None:
    """Put into a model's variables what training has made of them.

    With JAX, Keras carries them through an epoch by itself; those of the model are stale, or
    even deleted, and what is written to them is lost. After this, both count.

    Args:
        model: A model, also one that does not train.
    """
    if hasattr(model, "jax_state_sync"):
        model.jax_state_sync()


def _copied(variable: keras.Variable) -> np.ndarray:
    # What Keras gives out may be a view of memory that training writes to.
    return np.array(keras.ops.convert_to_numpy(variable))


class RandomState:
    """The states of Python's, numpy's and Keras's global random generators."""

    def __init__(self) -> None:
        self._python = random.getstate()
        self._numpy: Any = np.random.get_state()
        self._generator = find_global_generator()
        self._keras = self._generator and _copied(self._generator.state)

    def to_dict(self) -> dict:
        """Return the states as numbers and arrays."""
        return {"python": self._python, "numpy": self._numpy, "keras": self._keras}

    @classmethod
    def from_dict(cls, states: dict) -> "RandomState":
        """Build it from what `to_dict` returned, or from a copy with lists for tuples."""
        found = cls()
        version, internal, gauss = states["python"]
        found._python = (version, tuple(internal), gauss)
        found._numpy, found._keras = tuple(states["numpy"]), states["keras"]
        # Making one draws from Python's generator, which `restore` puts back.
        found._generator = None if found._keras is None else make_global_generator()
        return found

    def restore(self) -> None:
        """Put every state back."""
        random.setstate(self._python)
        np.random.set_state(self._numpy)
        put_global_generator(self._generator)
        if self._generator is not None:
            self._generator.state.assign(self._keras)


def fresh_optimizer(model: keras.Model, learning_rate: float) -> keras.optimizers.Optimizer:
    """Copy a model's optimizer, without its slots and with a rate that can be set.

    Args:
        model: A compiled model.
        learning_rate: The copy's learning rate.

    Raises:
        ValueError: If the model has no optimizer, or one without a single learning rate.
    """
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        raise ValueError(
            "The model is not compiled with an optimizer. Call `model.compile(optimizer, loss)` "
            "first."
        )
    config = optimizer.get_config()
    inner = config.get("inner_optimizer")
    target = inner["config"] if inner else config
    if "learning_rate" not in target:
        raise ValueError(
            f"{type(optimizer).__name__} has no single `learning_rate` to sweep. Compile the "
            "model with one optimizer, e.g. keras.optimizers.AdamW()."
        )
    target["learning_rate"] = learning_rate
    copy = type(optimizer).from_config(config)
    # What `exclude_from_weight_decay` was told is not in the config.
    for old, new in ((optimizer, copy), (_inner(optimizer), _inner(copy))):
        copy_decay_exclusions(old, new)
    return copy


def _inner(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    return getattr(optimizer, "inner_optimizer", optimizer)
