"""The kernels that hold most of a model's weights."""

import keras
from keras.constraints import UnitNorm

from kerasrecipes.keras_private import parts_of

KINDS = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Dense,
    keras.layers.EinsumDense,
)


def find_kernels(model: keras.Model) -> dict[str, keras.Variable]:
    """Return the kernels of convolutions and dense layers, by the name of the layer.

    A depthwise kernel is none of them: it is small, and every one of its weights counts. Nor is
    one whose columns a constraint holds at length 1, such as that of the steps between ordered
    classes, each of which is a single weight of 1.

    Args:
        model: A built model; layers inside others are found, too. One whose name is taken is
            called by the path of its kernel.
    """
    found: dict[str, keras.Variable] = {}
    for layer in parts_of(model):
        kernel = getattr(layer, "kernel", None) if isinstance(layer, KINDS) else None
        if kernel is not None and not isinstance(layer.kernel_constraint, UnitNorm):
            found[layer.name if layer.name not in found else kernel.path] = kernel
    return found
