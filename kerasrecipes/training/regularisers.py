"""Whether what shall hold a backbone's training back can have an effect."""

from kerasrecipes.backbones.spec import BackboneSpec
from kerasrecipes.engine.freezing import batch_norms
from kerasrecipes.engine.schedule import UnfreezeSchedule
from kerasrecipes.errors import NoEffectError, unknown_name
from kerasrecipes.surgery.adapters import check_adapter

# Argument of a recipe → its value that does nothing.
FOR_OPEN_BLOCKS = {
    "l2_sp": 0.0,
    "adaptive_clip": None,
    "stochastic_depth": 0.0,
    "adapter": None,
}
BATCH_NORM = ("frozen", "reestimate", "train")


def check_regularisers(recipe, schedule: UnfreezeSchedule) -> None:
    """Refuse what would do nothing with this schedule.

    Args:
        recipe: An `ImageClassifier`.
        schedule: Its stages.

    Raises:
        ValueError: If an argument acts on open blocks, and no stage opens any, or it does not
            go with another one, or is not known.
    """
    if recipe.adapter is not None:
        check_adapter(recipe.adapter)
        if recipe.l2_sp:
            raise ValueError(
                "`l2_sp` would have no effect with `adapter`, which leaves pretrained weights "
                "where they are. Leave one of the two out."
            )
        if recipe.batch_norm == "train":
            raise ValueError(
                "`batch_norm='train'` would have no effect with `adapter`, under which "
                "statistics stand still. Pass 'frozen' or 'reestimate'."
            )
    if recipe.batch_norm not in BATCH_NORM:
        raise unknown_name("batch_norm", recipe.batch_norm, BATCH_NORM, "ImageClassifier")
    if recipe.l2_sp and recipe.weights is None:
        raise NoEffectError(
            "`l2_sp` would pull toward random weights with `weights=None`, and there are no "
            "pretrained ones to hold on to. Leave it out, or use pretrained weights."
        )
    if any(stage.open_fraction > 0 for stage in schedule.stages):
        return
    idle = [name for name, off in FOR_OPEN_BLOCKS.items() if getattr(recipe, name) != off]
    idle += ["batch_norm"] if recipe.batch_norm == "train" else []
    if idle:
        raise ValueError(
            f"`{idle[0]}={getattr(recipe, idle[0])!r}` would have no effect: it acts on open "
            "blocks of the backbone, and no stage of the schedule opens any. Leave it out, or "
            "pass e.g. UnfreezeSchedule.two_phase()."
        )


def check_branches(model, spec: BackboneSpec, branches: dict, schedule: UnfreezeSchedule) -> None:
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


def check_open_norms(model, spec: BackboneSpec, recipe, schedule: UnfreezeSchedule) -> None:
    """Refuse to train BatchNormalization where there is none.

    Args:
        model: The whole model.
        spec: Its backbone.
        recipe: An `ImageClassifier`.
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
