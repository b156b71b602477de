"""A first honest number in seconds: how far a frozen backbone gets on photos."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from kerasrecipes.bundles.first_weights import seen_through
from kerasrecipes.console import warn
from kerasrecipes.data.examples import CLASS, LABELS, NUMBER, Examples, check_examples
from kerasrecipes.data.seen import refuse_seen
from kerasrecipes.environment import import_keras
from kerasrecipes.errors import printable
from kerasrecipes.evaluation.base import Result
from kerasrecipes.heads import Head, get_task
from kerasrecipes.settings.judging import judge_recipe
from kerasrecipes.statistics.shown import Part, Shown
from kerasrecipes.training.fitted import DECIDED
from kerasrecipes.training.fitting import checked_examples
from kerasrecipes.training.linear.choice import Choice, choose_linear
from kerasrecipes.training.linear.depths import DepthFeatures, depth_features
from kerasrecipes.training.linear.folds import folds_of
from kerasrecipes.training.linear.regression import linear_weights

if TYPE_CHECKING:
    from kerasrecipes.training.recipe import Recipe

# What chooses; among more, so many are drawn.
MOST_CHOOSING = 1500
_MODELS = {
    CLASS: "a logistic regression",
    LABELS: "a logistic regression for each label",
    NUMBER: "a ridge regression",
}


@dataclass(frozen=True)
class ProbeResult(Shown):
    """How well a linear model does on the features of a frozen backbone.

    Args:
        backbone: The backbone's name.
        evaluation: The result on the photos that were not trained on, as the task gives it.
        depths: How many of the backbone's last blocks the model reads.
        reason: Which regressions were taken, and why.
        photos: Number of photos that were trained on.
        seconds: What it all took, loading of the weights included.
        leaks: Ways in which the two sets of photos are not independent.
    """

    backbone: str
    evaluation: Result
    depths: int
    reason: str
    photos: int
    seconds: float
    leaks: tuple[str, ...] = ()

    def to_dict(self) -> dict:
        """Return the result as JSON-safe data."""
        return {
            "backbone": self.backbone,
            "depths": self.depths,
            "reason": self.reason,
            "photos": self.photos,
            "seconds": self.seconds,
            "leaks": list(self.leaks),
            "evaluation": self.evaluation.to_dict(),
        }

    def parts(self) -> Iterator[Part]:
        """Yield what was done, and the result."""
        target = get_task(self.evaluation.task).target
        said = self.evaluation.item
        noun = "photo" if said == type(self.evaluation).item else said
        yield (
            f"A first number for {printable(self.backbone)}, in {self.seconds:.0f} s: the "
            f"backbone as it is, and {_MODELS[target]} that learned from {self.photos:,} {noun}s."
        )
        yield (
            f"Chosen by cross-validation on these: {self.reason}. What fine-tuning adds to the "
            "result is what training is worth."
        )
        yield from ("", self.evaluation)


def choice_for(
    examples: Examples,
    features: DepthFeatures,
    head: Head,
    wish: str | None,
    seed: int,
    split_by: str = "",
) -> Choice:
    """Choose the best linear model by cross-validation.

    Args:
        examples: What may be learned from.
        features: Theirs.
        head: What is to learn from them.
        wish: A recipe's `class_weights`.
        seed: Seed of the folds, and of the choice among very many examples.
        split_by: How they were split into sides; see `Examples`.
    """
    drawn = np.arange(len(examples))
    if len(drawn) > MOST_CHOOSING:
        rng = np.random.default_rng(seed)
        drawn = np.sort(rng.permutation(drawn)[:MOST_CHOOSING])
    some, output = examples.select(drawn), head.output(examples)
    choice = choose_linear(
        features.select(drawn),
        head.task.targets(some, output),
        linear_weights(examples, output, wish, head.loss_name),
        folds_of(some, split_by or examples.split_by, seed),
        examples.target,
    )
    return replace(choice, judged=drawn[choice.judged])


def probe_recipe(recipe: "Recipe", train: Examples, val: Examples) -> ProbeResult:
    """Measure what the features of a recipe's backbone tell; see `probe_backbone`."""
    started = time.perf_counter()
    judged = judge_recipe(recipe)
    head, task = judged.head, judged.head.task
    check_examples(train=train, val=val)
    train, val = (recipe.prepared(side, judged.spec) for side in (train, val))
    judged = judged.suited(train)
    leaks = checked_examples(train, val, head).leaks
    refuse_seen(seen_through(recipe.weights, judged.spec), val)
    head.weights(train, recipe.class_weights)  # refuses a wish that would have no effect
    for leak in leaks:
        warn(leak)
    keras = import_keras()
    keras.utils.set_random_seed(recipe.seed)
    backbone = judged.spec.build(recipe.input_size, recipe.weights_file)
    output = head.output(train)
    learned, held_out = depth_features(
        backbone, judged.spec, recipe.depths, train, val, pooling=recipe.pooling
    )
    choice = choice_for(train, learned, head, recipe.class_weights, recipe.seed)
    targets, wanted = (task.targets(side, output) for side in (train, val))
    weights = linear_weights(train, output, recipe.class_weights, head.loss_name)
    probe = choice.solve(learned, targets, weights)
    answers = probe.answers(held_out.last(probe.depths))
    known = task.decided(output, wanted, answers)
    evaluation = task.evaluate(wanted, answers, known, groups=val.groups, seed=recipe.seed)
    return ProbeResult(
        backbone=judged.spec.name,
        evaluation=(evaluation if known is output else evaluation.noted(DECIDED)).about(
            train.noun[0]
        ),
        depths=probe.depths,
        reason=choice.reason,
        photos=len(train),
        seconds=time.perf_counter() - started,
        leaks=tuple(leaks),
    )
