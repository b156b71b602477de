"""Computing blocks once more for their gradient, instead of keeping all that happens in them.

Keras's `RematScope` works layer by layer, which keeps every layer's input and saves nothing in
a chain of convolutions. Here a whole block is computed again from what went into it.
"""

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from kerasrecipes.keras_private import parts_of

if TYPE_CHECKING:
    import keras

    from kerasrecipes.backbones.spec import Backbone
    from kerasrecipes.engine.schedule import UnfreezeSchedule


def check_blocks(
    model: "keras.Model", spec: "Backbone", schedule: "UnfreezeSchedule", train_batch_norm: bool
) -> None:
    """Find out before the training whether any block can be computed again.

    Args:
        model: The whole model, photos to scores.
        spec: Its backbone.
        schedule: Its stages.
        train_batch_norm: Whether BatchNormalization trains.

    Raises:
        ValueError: If none can.
    """
    parts = _parts(model, spec, schedule.first_open(len(spec.blocks)))
    if not any(_same_again(part, train_batch_norm) for part in parts):
        raise ValueError(
            f"`rematerialise` would have no effect: each open block of {spec.name!r} drops "
            "something out at random, or trains BatchNormalization, and computed once more would "
            "be another. Leave it out."
        )


def rematerialised(
    model: "keras.Model",
    spec: "Backbone",
    first_open: int,
    inputs: "keras.KerasTensor",
    end: "keras.KerasTensor",
    train_batch_norm: bool,
) -> "keras.KerasTensor":
    """Rebuild the open part of a model from blocks that are computed again for their gradient.

    A block that draws random numbers, or moves statistics, is left as it is.

    Args:
        model: The whole model.
        spec: Its backbone.
        first_open: Its first block that trains.
        inputs: What goes into that block, a Keras tensor.
        end: What the loss is computed on, a tensor of `model`.
        train_batch_norm: Whether BatchNormalization trains.

    Returns:
        The same as `end`, a tensor computed from `inputs` by the same variables.

    Reference:
        Chen et al., 2016, "Training Deep Nets with Sublinear Memory Cost", section 3.
    """
    import keras

    class Again(keras.layers.Layer):
        def __init__(self, part: "keras.Model"):
            super().__init__(name=f"again_{part.name}")
            self.part = part

        def call(self, inputs: "keras.KerasTensor") -> "keras.KerasTensor":
            # A new function for each trace: JAX remembers one that it knows, with its weights.
            return keras.remat(lambda x: self.part(x))(inputs)

    for part in _parts(model, spec, first_open):
        again = _same_again(part, train_batch_norm)
        inputs = Again(part)(inputs) if again else part(inputs)
    head = keras.Model(spec.boundary(model, len(spec.blocks)), end)
    return head(inputs)


def _parts(model: "keras.Model", spec: "Backbone", first_open: int) -> list:
    """Cut the open blocks apart, where a single tensor passes."""
    import keras

    cuts: list[Any] = []
    for block in range(first_open, len(spec.blocks) + 1):
        try:
            cut = spec.boundary(model, block)
        except ValueError:  # Several tensors cross here: two blocks stay one.
            continue
        if not cuts or cut is not cuts[-1]:
            cuts.append(cut)
    return [keras.Model(*pair, name=f"part_{i}") for i, pair in enumerate(pairwise(cuts))]


def _same_again(part: "keras.Model", train_batch_norm: bool) -> bool:
    import keras

    # The states of random generators are variables and no weights.
    draws = len(part.variables) > len(part.weights)
    norms = (isinstance(one, keras.layers.BatchNormalization) for one in parts_of(part))
    return not draws and not (train_batch_norm and any(norms))
