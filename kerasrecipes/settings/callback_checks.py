"""Callbacks that do not fit a recipe's training, named before it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.engine.schedule import UnfreezeSchedule
from kerasrecipes.errors import printable
from kerasrecipes.heads import get_head
from kerasrecipes.heads.classification import LOGITS
from kerasrecipes.settings.judging import schedule_of

if TYPE_CHECKING:
    import keras

_ONE_STAGE = (
    "it would keep the part of the model that a stage trains, and each stage trains another. Call "
    "`recipe.save` after the fit; to go on after a break, pass `run_folder` to the recipe's `fit`"
)
_RATE = (
    "{kind} sets the learning rate itself, and each stage of a recipe lowers its own from a peak. "
    "Give the stage that peak: Stage('top', 20, learning_rate=1e-4); or use this callback in a "
    "`model.fit` of your own"
)
_PLATEAU = "a recipe does this itself. Leave it out, and pass curve='plateau' to the recipe"
_GUARD = (
    "a recipe has a DivergenceGuard of its own, which goes back to the last good state when the "
    "loss is no number, and ends the training where that does not help. Leave it out"
)
_SHOWN = "a recipe shows its progress itself, with verbose=True. Leave it out"
_FORGETS = (
    "it forgets one stage when the next begins. What each has logged is in the report that `fit` "
    "returns: `report.stages[0].history`"
)
_ALWAYS = {
    "SnapshotEnsemble": _RATE,
    "LearningRateScheduler": _RATE,
    "ReduceLROnPlateau": _PLATEAU,
    "PlateauRate": _PLATEAU,
    "DivergenceGuard": _GUARD,
    "TerminateOnNaN": _GUARD,
    "ProgbarLogger": _SHOWN,
    "Progress": _SHOWN,
    "Interrupts": "a recipe ends at Ctrl-C by itself, with its best weights. Leave it out",
    "History": _FORGETS,
    "LearningRateLog": _FORGETS,
    "OrbaxCheckpoint": _ONE_STAGE,
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
    "LRFinder": (
        "its search would take the place of the training. Let the stage search first, with "
        "'auto' as its learning rate: Stage('head', 30, 'auto'); or use this callback in a "
        "`model.fit` of your own"
    ),
    "ExactCheckpoint": (
        "nobody would read what it writes. Pass `run_folder` to the recipe's `fit`, which writes "
        "such checkpoints, and resume=True to go on"
    ),
    "ModelCheckpoint": _ONE_STAGE,
    "BackupAndRestore": _ONE_STAGE,
}
_WITH_AVERAGE = {
    "MovingAverage": (
        "the recipe keeps a moving average itself, which would replace this one. Pass ema=False "
        "to the recipe, or leave the callback out"
    ),
}
_WITH_TEACHER = {
    "GradientMonitor": (
        "its `probe` has labels, and this training follows a teacher's answers. Leave it out here, "
        "or pass it to the recipe's `fit`"
    ),
}
# Where each keeps data of the user's own, and what serves in a recipe.
_DATA = {
    "GradientMonitor": (
        "probe",
        "Pass cache_gb=0 to the recipe, with which every stage begins at the photos, in more time",
    ),
    "DriftCheck": ("train", "Leave both sides out: it takes the photos of the fit"),
    "OverfitMonitor": (
        "validation_data",
        "Pass per_class=True in its place, which takes the classes and photos of the fit",
    ),
}


def check_callbacks(
    callbacks: "Sequence[keras.callbacks.Callback | str]",
    recipe: Any,
    schedule: UnfreezeSchedule | None = None,
    *,
    taught: bool = False,
) -> "list[keras.callbacks.Callback]":
    """Refuse callbacks that a recipe's training would break, or that would break it.

    Args:
        callbacks: The user's own callbacks, or their names.
        recipe: A recipe.
        schedule: What is trained; `None` for the recipe's own.
        taught: Whether the targets are a teacher's answers, and not the labels.

    Returns:
        The callbacks; those that were named are made.

    Raises:
        ValueError: If `callbacks` is no list of callbacks, or there is such a one.
    """
    found = _made(callbacks)
    refused = _ALWAYS | (_WITH_AVERAGE if recipe.ema else {}) | (_WITH_TEACHER if taught else {})
    schedule = schedule or schedule_of(recipe)
    cached = recipe.cache_gb and any(stage.open_fraction < 1 for stage in schedule.stages)
    of_stages = [callback for stage in schedule.stages for callback in stage.callbacks]
    if {id(one) for one in found} & {id(one) for one in of_stages}:
        raise ValueError("`callbacks` holds one that a stage has, too. Leave one of the two out.")
    for callback in (*found, *of_stages):
        if getattr(callback, "per_class", False) and not taught:
            _check_class_scores(callback, recipe.head)
        for kind in type(callback).__mro__:
            own = recipe.monitor
            why = refused.get(kind.__name__) or _why_not(callback, kind.__name__, schedule, own)
            if why:
                why = why.format(kind=kind.__name__)
                raise ValueError(f"`callbacks` holds {_with_article(kind.__name__)}: {why}.")
            if cached and kind.__name__ in _DATA:
                _refuse_photos(callback, kind.__name__)
    return found


def _why_not(callback: Any, kind: str, schedule: UnfreezeSchedule, monitor: str) -> str:
    """Return why a callback, as it was made, does not fit the stages; empty if it does."""
    if kind == "CSVLogger" and not callback.append and len(schedule.stages) > 1:
        return (
            "with append=False it begins its file anew in each stage, and only the last would be "
            "in it. Pass append=True to it"
        )
    if kind in {"HoldZeros", "HoldClusters"} and schedule.stages[0].open_fraction < 1:
        return (
            "it holds what it finds when a stage begins, in what that stage trains, and not all "
            "of the backbone does. Use UnfreezeSchedule.full()"
        )
    if kind == "EarlyStopping" and callback.restore_best_weights and not _alike(callback, monitor):
        best = "lowest validation loss" if monitor == "val_loss" else f"best {monitor}"
        return (
            "the weights that it puts back would be lost, since a recipe ends each stage with "
            f"those of the {best}. Pass restore_best_weights=False, to stop by "
            f"{callback.monitor!r} alone"
        )
    return ""


def _alike(stopping: Any, monitor: str) -> bool:
    """Whether it chooses the weights as a recipe does."""
    usual = stopping.monitor == monitor and (stopping.mode != "max" or monitor != "val_loss")
    return usual and not stopping.min_delta and not stopping.start_from_epoch


def _check_class_scores(callback: object, head: str) -> None:
    """Refuse to follow classes where what trains has not one score for each."""
    if get_head(head).trains != LOGITS:
        kind = type(callback).__name__
        raise ValueError(
            f"`callbacks` holds {_with_article(kind)} with per_class=True, which compares scores "
            f"of classes, and the head {head!r} has none while it trains. Leave per_class out."
        )


def _with_article(kind: str) -> str:
    return f"{'an' if kind[0] in 'EO' or kind.startswith('LR') else 'a'} {kind}"


def _made(
    callbacks: "Sequence[keras.callbacks.Callback | str]",
) -> "list[keras.callbacks.Callback]":
    import keras

    if not isinstance(callbacks, Sequence) or isinstance(callbacks, str):
        raise ValueError(
            "`callbacks` must be a list of callbacks, also of one, not "
            f"{printable(repr(callbacks))}."
        )
    found: list[keras.callbacks.Callback] = []
    for one in callbacks:
        if isinstance(one, str):
            one = _named(one)
        if isinstance(one, type) and issubclass(one, keras.callbacks.Callback):
            raise ValueError(
                f"`callbacks` holds the class {one.__name__}. Pass an instance: {one.__name__}(…)."
            )
        if not isinstance(one, keras.callbacks.Callback):
            raise ValueError(
                f"`callbacks` holds {printable(repr(one))}, which is no keras.callbacks.Callback. "
                "Pass instances of callbacks, or leave it out."
            )
        found.append(one)
    return found


def _named(name: str) -> "keras.callbacks.Callback":
    from kerasrecipes.callbacks import get_callback

    kind = get_callback(name)
    try:
        return kind()
    except TypeError as error:
        raise ValueError(
            f"`callbacks` names {name!r}, which cannot be made without arguments: {error}. Pass "
            f"an instance: {kind.__name__}(…)."
        ) from None


def _refuse_photos(callback: "keras.callbacks.Callback", kind: str) -> None:
    """Refuse photos where a stage begins behind the frozen blocks, with what these made of them."""
    argument, instead = _DATA[kind]
    data = getattr(callback, argument)
    if data is None or getattr(callback, "per_class", False):
        return
    shape = np.shape(data[0])
    if len(shape) == 4 and shape[-1] in {1, 3}:
        raise ValueError(
            f"`callbacks` holds {_with_article(kind)} with photos in `{argument}`, and stages with "
            f"frozen blocks train on what these made of the photos, kept in a cache. {instead}."
        )
