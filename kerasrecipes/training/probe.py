"""A first honest number in seconds: how far a frozen backbone gets on photos."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kerasrecipes.bundles.bundle import seen_through
from kerasrecipes.console import warn
from kerasrecipes.data.examples import CLASS, LABELS, NUMBER, Examples, check_examples
from kerasrecipes.data.seen import refuse_seen
from kerasrecipes.environment import import_keras
from kerasrecipes.errors import printable
from kerasrecipes.evaluation.base import Result
from kerasrecipes.heads import get_task
from kerasrecipes.settings.judging import judge_recipe
from kerasrecipes.statistics.shown import Part, Shown
from kerasrecipes.training.fitted import DECIDED
from kerasrecipes.training.fitting import checked_examples
from kerasrecipes.training.linear_probe import (
    build_linear,
    fit_linear_probe,
    linear_head,
    linear_weights,
    pooled_features,
)

if TYPE_CHECKING:
    from kerasrecipes.training.recipe import Recipe

# The model, and what scikit-learn calls the strength of its penalty.
_MODELS = {
    CLASS: ("a logistic regression", "C"),
    LABELS: ("a logistic regression for each label", "C"),
    NUMBER: ("a ridge regression", "alpha"),
}


@dataclass(frozen=True)
class ProbeResult(Shown):
    """How well a linear model does on the features of a frozen backbone.

    Args:
        backbone: The backbone's name.
        evaluation: The result on the photos that were not trained on, as the task gives it.
        strength: scikit-learn's `C` that was chosen, or 1 / `alpha` of a ridge regression;
            smaller is more regularised.
        photos: Number of photos that were trained on.
        seconds: What it all took, loading of the weights included.
        leaks: Ways in which the two sets of photos are not independent.
    """

    backbone: str
    evaluation: Result
    strength: float
    photos: int
    seconds: float
    leaks: tuple[str, ...] = ()

    def to_dict(self) -> dict:
        """Return the result as JSON-safe data."""
        return {
            "backbone": self.backbone,
            "strength": self.strength,
            "photos": self.photos,
            "seconds": self.seconds,
            "leaks": list(self.leaks),
            "evaluation": self.evaluation.to_dict(),
        }

    def parts(self) -> Iterator[Part]:
        """Yield what was done, and the result."""
        target = get_task(self.evaluation.task).target
        model, penalty = _MODELS[target]
        said = self.evaluation.item
        noun = "photo" if said == type(self.evaluation).item else said
        strength = 1 / self.strength if target == NUMBER else self.strength
        yield (
            f"A first number for {printable(self.backbone)}, in {self.seconds:.0f} s: the "
            f"backbone as it is, and {model} ({penalty}={strength:g}) that learned from "
            f"{self.photos:,} {noun}s."
        )
        yield (
            f"{penalty} was chosen by the {noun}s that are judged here, which flatters the result "
            "a little. What fine-tuning adds to it is what training is worth."
        )
        yield from ("", self.evaluation)


def probe_recipe(recipe: "Recipe", train: Examples, val: Examples) -> ProbeResult:
    """Measure what the features of a recipe's backbone tell; see `probe_backbone`."""
    started = time.perf_counter()
    judged = judge_recipe(recipe)
    head, task = judged.head, judged.head.task
    check_examples(train=train, val=val)
    train, val = (recipe.prepared(side, judged.spec) for side in (train, val))
    leaks = checked_examples(train, val, head).leaks
    refuse_seen(seen_through(recipe.weights), val)
    head.weights(train, recipe.class_weights)  # refuses a wish that would have no effect
    for leak in leaks:
        warn(leak)
    keras = import_keras()
    keras.utils.set_random_seed(recipe.seed)
    backbone = judged.spec.build(recipe.input_size, recipe.weights)
    output = head.output(train)
    model = build_linear(backbone, output.width, linear_head(train))
    learned, held_out = pooled_features(model, train, val)
    weights = linear_weights(train, output, recipe.class_weights)
    targets, wanted = (task.targets(side, output) for side in (train, val))
    probe = fit_linear_probe(learned, targets, weights, held_out, wanted, train.target)
    answers = probe.answers(held_out)
    known = task.decided(output, wanted, answers)
    evaluation = task.evaluate(wanted, answers, known, groups=val.groups, seed=recipe.seed)
    return ProbeResult(
        backbone=judged.spec.name,
        evaluation=(evaluation if known is output else evaluation.noted(DECIDED)).about(
            train.noun[0]
        ),
        strength=probe.strength,
        photos=len(train),
        seconds=time.perf_counter() - started,
        leaks=tuple(leaks),
    )
