"""Settings that have no effect in a model, named when it is built and before it trains."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from kerasrecipes.backbones.spec import Backbone
from kerasrecipes.data.examples import LABELS
from kerasrecipes.engine.freezing import batch_norms
from kerasrecipes.engine.schedule import UnfreezeSchedule
from kerasrecipes.errors import NoEffectError, unknown_name
from kerasrecipes.metrics.names import LOSS, Monitored

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
    # Where it is usual, nobody asked for it.
    if recipe.batch_norm != "train" or type(recipe).batch_norm == "train":
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


def metrics_of(head: Any, recipe: Any, class_names: Sequence[str]) -> "list[keras.metrics.Metric]":
    """Make what a fit measures in each epoch: the head's, what is asked for, what is monitored.

    Args:
        head: The head.
        recipe: The recipe.
        class_names: The classes, in the order of the scores.

    Raises:
        ValueError: If one cannot be made.
    """
    own: list[keras.metrics.Metric] = []
    if recipe.metrics:
        from kerasrecipes.metrics.own import own_metrics

        own = own_metrics(recipe.metrics, class_names, str(head.softened))
    watched = Monitored.parse(recipe.monitor)
    if watched is None or watched.monitor in {f"val_{one.name}" for one in own}:
        return [*head.metrics(), *own]
    multi_label = head.task.target == LABELS
    more = watched.make(class_names, multi_label=multi_label, from_logits=True)
    return [*head.metrics(), *own, more]


def check_measured(head: Any, recipe: Any, class_names: Sequence[str]) -> None:
    """Find what is monitored among what is measured, before anything is computed.

    Args:
        head: The head.
        recipe: The recipe.
        class_names: The classes, in the order of the scores.

    Raises:
        ValueError: If a metric cannot be made, or nothing of the monitor's name is measured, or it
            does not tell what is better.
    """
    if recipe.monitor == LOSS and not recipe.metrics:
        return
    from kerasrecipes.callbacks.early_stopping import higher_is_better

    watched = Monitored.parse(recipe.monitor)
    if watched is not None:
        watched.class_ids(class_names)
    made = metrics_of(head, recipe, class_names)
    known = [LOSS, *(f"val_{one.name}" for one in made)]
    if recipe.monitor not in known:
        raise unknown_name("monitor", recipe.monitor, known, "the recipe's `metrics`")
    higher_is_better(recipe.monitor, SimpleNamespace(metrics=made))
