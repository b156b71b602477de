"""Settings that have no effect in a model, named when it is built and before it trains."""

from typing import TYPE_CHECKING, Any

from kerasrecipes.backbones.spec import Backbone
from kerasrecipes.engine.freezing import batch_norms
from kerasrecipes.engine.schedule import UnfreezeSchedule
from kerasrecipes.errors import NoEffectError

if TYPE_CHECKING:
    import keras


def check_branches(
    model: "keras.Model", spec: Backbone, branches: dict, schedule: UnfreezeSchedule
) -> None:
    """Refuse stochastic depth where it has nothing to leave out.

    Args:
        model: The whole model.
        spec: Its backbone.
        branches: What `residual_branches` found in it.
        schedule: The stages.

    Raises:
        NoEffectError: If no residual branch lies in the blocks that any stage opens.
    """
    import keras

    lowest = schedule.first_open(len(spec.blocks))
    opened = keras.Model(spec.boundary(model, lowest), model.output)
    if not any(operation.name in branches for operation in opened.operations):
        raise NoEffectError(
            f"`stochastic_depth` would have no effect: of {len(branches)} residual branches of "
            f"{spec.name!r}, none lies in the blocks that are opened. Leave it out, or open more "
            "blocks."
        )


def check_open_norms(
    model: "keras.Model", spec: Backbone, recipe: Any, schedule: UnfreezeSchedule
) -> None:
    """Refuse to train BatchNormalization where there is none.

    Args:
        model: The whole model.
        spec: Its backbone.
        recipe: A recipe.
        schedule: Its stages.

    Raises:
        NoEffectError: If none lies in the blocks that any stage opens.
    """
    if recipe.batch_norm != "train":
        return
    lowest = schedule.first_open(len(spec.blocks))
    for layer in model.layers:
        block = spec.block_of(layer.name)
        if block is not None and block >= lowest and batch_norms(layer):
            return
    raise NoEffectError(
        f"`batch_norm='train'` would have no effect: {spec.name!r} has no BatchNormalization in "
        "the blocks that are opened. Leave it out, or open more blocks."
    )
