"""Whether a recipe can be fitted: every setting by itself, then one beside the other."""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from kerasrecipes.backbones import get_backbone
from kerasrecipes.engine.rates import ADAMW, curve_options, usual_curve
from kerasrecipes.engine.schedule import UnfreezeSchedule
from kerasrecipes.errors import listed
from kerasrecipes.heads import make_head
from kerasrecipes.settings.setting import Asked, unlike_probe

if TYPE_CHECKING:
    from kerasrecipes.backbones.spec import Backbone, BackboneSpec
    from kerasrecipes.data.examples import Examples


@dataclass(frozen=True)
class Judged:
    """A recipe whose settings were found usable, and what they stand for.

    Args:
        recipe: The recipe.
        schedule: The stages.
        spec: The backbone.
        head: The head.
    """

    recipe: Any
    schedule: UnfreezeSchedule
    spec: "Backbone"
    head: Any

    def suited(self, train: "Examples") -> "Judged":
        """Return it with the backbone as it reads such examples; see `Backbone.suited`.

        Args:
            train: What is trained on.

        Raises:
            DataError: If it cannot read them.
        """
        return replace(self, spec=self.spec.suited(train))

    @property
    def from_probe(self) -> bool:
        """Whether the fit starts from a linear model of frozen features.

        By itself it does where nobody says by which stages the head is to be trained.
        """
        if self.recipe.start != "auto":
            return bool(self.recipe.start == "probe")
        return self._leaves_the_start and not unlike_probe(self.recipe)

    @property
    def why_no_probe(self) -> str:
        """What is to be said where the usual start is not had; empty where nobody expects it."""
        unlike = unlike_probe(self.recipe) if self._leaves_the_start else []
        if not unlike:
            return ""
        return (
            "The head begins with random weights, not with the best linear model of the frozen "
            f"backbone, which goes with another {listed([f'`{name}`' for name in unlike], 8)}."
        )

    @property
    def _leaves_the_start(self) -> bool:
        recipe = self.recipe
        usual = recipe.start == "auto" and recipe.schedule is None
        return usual and self.spec.modality != "signals"  # whose nets begin with random weights


def judge_recipe(recipe: Any) -> Judged:
    """Judge all that can be judged without reading a photo or loading a weight.

    Args:
        recipe: A recipe.

    Raises:
        ValueError: If a setting is not usable, or would have no effect.
    """
    schedule = judge_settings(recipe)
    head = head_of(recipe)
    check_own_loss(recipe, head)
    check_step(recipe)
    spec = get_backbone(recipe.backbone, recipe.modality)
    spec.check(recipe.input_size, recipe.weights_file)
    check_depths(recipe.depths, spec, schedule)
    check_own_views(recipe, spec)
    return Judged(recipe, schedule, spec, head)


def judge_settings(recipe: Any) -> UnfreezeSchedule:
    """Judge a recipe by the table of its settings alone.

    Args:
        recipe: A recipe.

    Returns:
        Its stages.

    Raises:
        ValueError: If a setting is not usable, or does not go with another one.
    """
    for row in recipe.table:
        row.kind.check(row.name, getattr(recipe, row.name))
    schedule = schedule_of(recipe)
    for row in recipe.table:
        for rule in row.rules:
            rule.check(Asked(row, recipe, schedule))
    return schedule


def schedule_of(recipe: Any) -> UnfreezeSchedule:
    """Return a recipe's stages; what it leaves open is usual for its kind of data."""
    if recipe.schedule is not None:
        found: UnfreezeSchedule = recipe.schedule
        return found
    return with_rates_of(recipe.optimizer, recipe.usual_schedule())


def with_rates_of(optimizer: Any, schedule: UnfreezeSchedule) -> UnfreezeSchedule:
    """Return a usual schedule, whose rates are AdamW's, with rates that are usual for another.

    Args:
        optimizer: A recipe's `optimizer`.
        schedule: A schedule without rates that are searched.
    """
    if optimizer == ADAMW:
        return schedule
    from kerasrecipes.optimizers.kinds import usual_rates

    times = usual_rates(optimizer)
    rates: Any = [stage.learning_rate for stage in schedule.stages]
    return UnfreezeSchedule(
        tuple(
            replace(stage, learning_rate=rate * times)
            for stage, rate in zip(schedule.stages, rates, strict=True)
        )
    )


def check_own_loss(recipe: Any, head: Any) -> None:
    """Try a loss of one's own on a few rows, before anything is read.

    Args:
        recipe: A recipe.
        head: Its head.

    Raises:
        ValueError: If it cannot be learned by, or reads probabilities where there are raw scores.
    """
    if recipe.loss is None or isinstance(recipe.loss, str):
        return
    from kerasrecipes.engine.gradient_check import check_loss_gradient

    loss = head.loss([3, 2, 4])
    if getattr(loss, "from_logits", None) is False:
        raise ValueError(
            f"`loss` is a {type(loss).__name__} with from_logits=False, and the head trains on raw "
            "scores, before they are probabilities. Make it with from_logits=True."
        )
    rng = np.random.default_rng(recipe.seed)
    width = 1 if head.predictions == "numbers" else 3
    targets = np.eye(3)[[0, 1, 2, 1, 0, 2]] if width > 1 else rng.normal(size=(6, 1))
    check_loss_gradient(loss, targets, rng.normal(size=(6, width)))


def check_own_views(recipe: Any, spec: "Backbone") -> None:
    """Try an augmentation of one's own on a drawn photo, before anything is read.

    Args:
        recipe: A recipe.
        spec: Its backbone.

    Raises:
        ValueError: If its views are no photos, or one seed gives two of them.
    """
    if recipe.modality == "photos":
        from kerasrecipes.photos.augment import tried_augmentation

        size = recipe.input_size or cast("BackboneSpec", spec).image_size
        tall, wide = (size, size) if isinstance(size, int) else size
        tried_augmentation(recipe.augment, (tall, wide), None)


def check_step(recipe: Any) -> None:
    """Judge what updates the weights, and how its rates rise and fall.

    Args:
        recipe: A recipe.

    Raises:
        ValueError: If the optimizer cannot be made so, or the curve cannot be had so.
    """
    curve_options(usual_curve(recipe.curve, recipe.optimizer), recipe.curve_options)
    if recipe.optimizer != ADAMW or recipe.optimizer_options:
        from kerasrecipes.optimizers.kinds import check_optimizer

        check_optimizer(recipe.optimizer, recipe.optimizer_options)


def head_of(recipe: Any) -> Any:
    """Make the head; what the recipe leaves open is for the head to choose.

    Args:
        recipe: A recipe.

    Raises:
        ValueError: If the head cannot be had so.
    """
    wishes = {
        "norm": recipe.head_norm,
        # A head of somebody's own may have no such choice.
        "pooling": None if recipe.pooling == type(recipe).pooling else recipe.pooling,
        "hidden": recipe.hidden and tuple(recipe.hidden),
        "hidden_dropout": recipe.hidden_dropout or None,
        "cosine": recipe.cosine or None,
        "label_smoothing": recipe.label_smoothing,
        "loss_name": recipe.loss,
        "loss_options": recipe.loss_options,
        "unit": recipe.unit or None,
    }
    chosen = {name: value for name, value in wishes.items() if value is not None}
    return make_head(recipe.head, dropout=recipe.dropout, **chosen)


def check_depths(depths: int | None, spec: "Backbone", schedule: UnfreezeSchedule) -> None:
    """Judge how many of a backbone's last blocks a head is to read.

    Args:
        depths: The number; `None` for what is usual.
        spec: The backbone.
        schedule: The stages.

    Raises:
        ValueError: If there are fewer, or a stage would train behind some of them only.
    """
    count = len(spec.blocks)
    if depths is None or depths == 1:
        return
    if depths > count or spec.modality != "photos":
        has = f"{count} blocks" if spec.modality == "photos" else "one depth"
        raise ValueError(
            f"`depths={depths}` is not possible: {spec.name!r} has {has}. Pass at most "
            f"{count if spec.modality == 'photos' else 1}, or None."
        )
    for stage in schedule.stages:
        opened = count - stage.first_open(count)
        if 0 < opened < depths - 1:
            raise ValueError(
                f"`depths={depths}` does not go with stage '{stage.name}', which opens the last "
                f"{opened} of {count} blocks: what trains must reach down to all but one of those "
                f"that the head reads. Pass depths={opened + 1} or fewer, or a larger "
                "`open_fraction`."
            )


def check_accumulation(recipe: Any, schedule: UnfreezeSchedule, photos: int) -> None:
    """Judge whether each stage has the steps of at least one update.

    Args:
        recipe: A recipe.
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
