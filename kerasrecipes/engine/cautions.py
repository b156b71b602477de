"""What is said before a fit that cannot go well."""

from typing import TYPE_CHECKING

from kerasrecipes.backbones.spec import Backbone
from kerasrecipes.console import warn
from kerasrecipes.data.examples import Examples
from kerasrecipes.engine.schedule import UnfreezeSchedule
from kerasrecipes.errors import listed
from kerasrecipes.keras_private import parts_of

if TYPE_CHECKING:
    import keras

    from kerasrecipes.engine.wanted import Settings

FEW = 3


def too_few(examples: Examples) -> list[str]:
    """Name the classes with so few photos that a loss on them is mostly chance.

    Args:
        examples: Examples to choose the weights by.
    """
    return [name for name, count in examples.counts().items() if count < FEW]


def warn_of_few_photos(val: Examples) -> list[str]:
    """Say which classes have so few validation photos that chance would choose the weights.

    Args:
        val: Photos to choose the weights by.

    Returns:
        What was said, for the report; nothing if there are enough.
    """
    few = too_few(val)
    if not few:
        return []
    warning = (
        f"`val` has fewer than {FEW} photos of {listed(few)}, by which chance would choose the "
        "weights. So each stage trains to its end, and its last weights are kept. With more "
        "photos in `val`, e.g. by a larger `val_fraction`, training stops when it should."
    )
    warn(warning)
    return [warning]


def warn_of_random_weights(
    model: "keras.Model", spec: Backbone, recipe: "Settings", schedule: UnfreezeSchedule
) -> list[str]:
    """Say how much of a backbone without pretrained weights never trains.

    Args:
        model: The whole model, photos to scores, without adapters.
        spec: Its backbone.
        recipe: An `ImageClassifier`.
        schedule: Its stages.

    Returns:
        What was said, for the report; nothing if the weights are pretrained, or all train.
    """
    import keras

    if recipe.weights is not None:
        return []
    frozen = schedule.first_open(len(spec.blocks)) if recipe.adapter is None else len(spec.blocks)
    sizes = {False: 0, True: 0}
    for layer in model.layers:
        if (block := spec.block_of(layer.name)) is not None:
            sizes[block < frozen] += layer.count_params()
    norms = recipe.batch_norm == "frozen" and any(
        isinstance(part, keras.layers.BatchNormalization) for part in parts_of(model)
    )
    faults = [f"{sizes[True] / sum(sizes.values()):.0%} of it never trains"] * (frozen > 0)
    faults += ["its BatchNormalization scales by statistics that nothing measured"] * norms
    if not faults:
        return []
    warning = (
        f"`weights=None` draws the backbone at random, and {' and '.join(faults)}. Use pretrained "
        "weights, or schedule=UnfreezeSchedule.full() with batch_norm='train'."
    )
    warn(warning)
    return [warning]


def warn_of_frozen_mixture(
    spec: Backbone, recipe: "Settings", schedule: UnfreezeSchedule
) -> list[str]:
    """Say it where channels are mixed into red, green and blue, and how never learns.

    Args:
        spec: The backbone, suited to the photos.
        recipe: An `ImageClassifier`.
        schedule: Its stages.

    Returns:
        What was said, for the report; nothing if it learns, or nothing is mixed.
    """
    learns = recipe.adapter is None and schedule.first_open(len(spec.blocks)) == 0
    if not getattr(spec, "mixes", False) or learns:
        return []
    warning = (
        "How the channels are mixed never learns, as no stage opens the first block: each colour "
        "stays the mean of its channels. Pass schedule=UnfreezeSchedule.full(), without an "
        "adapter, to learn it."
    )
    warn(warning)
    return [warning]
