"""Whether the numbers and choices of a recipe are usable, and would have an effect."""

import math

from kerasrecipes.data.mixing import MIXERS
from kerasrecipes.engine.schedule import UnfreezeSchedule
from kerasrecipes.errors import NoEffectError, is_number, unknown_name
from kerasrecipes.photos.augment import Augmentation

# Argument of a recipe → its smallest and largest value.
WHOLE_NUMBERS = {
    "views": (1, 1000),
    "batch_size": (1, 4096),
    "seed": (0, 2**31 - 1),
    "patience": (1, 10**6),
    "accumulate": (1, 1000),
}
NUMBERS = {
    "mix_alpha": (1e-3, 100),
    "dropout": (0, 0.95),
    "label_smoothing": (0, 0.5),
    "weight_decay": (0, 1),
    "stochastic_depth": (0, 0.95),
    "l2_sp": (0, 1000),
    "clip_norm": (1e-6, math.inf),
    "adaptive_clip": (1e-6, 1000),
    "cache_gb": (0, math.inf),
}
OPTIONAL = {"patience", "clip_norm", "adaptive_clip", "label_smoothing"}


def check_settings(recipe) -> None:
    """Judge numbers, switches and mixing.

    Args:
        recipe: An `ImageClassifier`.

    Raises:
        ValueError: If one is not usable, or would have no effect.
    """
    for name, (low, high) in (WHOLE_NUMBERS | NUMBERS).items():
        value, whole = getattr(recipe, name), name in WHOLE_NUMBERS
        if (name in OPTIONAL and value is None) or is_number(value, low, high, whole=whole):
            continue
        kind = "a whole number " if whole else ""
        raise ValueError(f"`{name}` must be {kind}between {low} and {high}, not {value!r}.")
    for name in ("ema", "rematerialise", "deterministic"):
        if not isinstance(getattr(recipe, name), bool):
            raise ValueError(f"`{name}` must be True or False, not {getattr(recipe, name)!r}.")
    options = recipe.loss_options
    named = isinstance(options, dict) and all(isinstance(name, str) for name in options)
    if options is not None and not named:
        raise ValueError(
            f"`loss_options` must be a dict of the loss's arguments, e.g. {{'gamma': 2.0}}, or "
            f"None, not {options!r}."
        )
    _check_mix(recipe)


def _check_mix(recipe) -> None:
    if recipe.mix is None:
        if recipe.mix_alpha != type(recipe).mix_alpha:
            raise ValueError(
                "`mix_alpha` would have no effect without `mix`. Pass mix='mixup' or 'cutmix'."
            )
        return
    if recipe.mix not in MIXERS:
        raise unknown_name("mix", recipe.mix, MIXERS, "ImageClassifier")
    if recipe.batch_size < 2:
        raise ValueError("`mix` needs a `batch_size` of at least 2: it mixes photos of a batch.")


def check_views(recipe, augmentation: Augmentation) -> None:
    """Judge the number of views.

    Args:
        recipe: An `ImageClassifier`.
        augmentation: What its `augment` stands for.

    Raises:
        NoEffectError: If views would not differ, or there is none to augment.
    """
    if recipe.views == 1 and augmentation != Augmentation():
        raise NoEffectError(
            "`augment` would have no effect with views=1, since the first view is the photo "
            "itself. Pass at least 2 views, or augment='none'."
        )
    if augmentation == Augmentation() and recipe.views not in (1, type(recipe).views):
        raise NoEffectError(
            f"`views={recipe.views}` would have no effect with augment='none': each view is the "
            "photo itself. Leave it out, or pass an `augment`."
        )


def check_accumulation(recipe, schedule: UnfreezeSchedule, photos: int) -> None:
    """Judge whether each stage has the steps of at least one update.

    Args:
        recipe: An `ImageClassifier`.
        schedule: The stages.
        photos: Number of training photos.

    Raises:
        ValueError: If a stage has fewer.
    """
    for stage in schedule.stages:
        steps = math.ceil(photos / recipe.batch_size) * stage.epochs
        if steps < recipe.accumulate:
            raise ValueError(
                f"`accumulate={recipe.accumulate}` would let stage '{stage.name}' train nothing: "
                f"it has {steps} steps in all ({photos} photos by {recipe.batch_size}, times "
                f"{stage.epochs} epochs), fewer than one update takes. Lower `accumulate`, or "
                "give the stage more epochs."
            )
