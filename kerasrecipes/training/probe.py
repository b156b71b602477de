"""A first honest number in seconds: how far a frozen backbone gets on photos."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kerasrecipes.console import warn
from kerasrecipes.data.examples import Examples
from kerasrecipes.environment import import_keras
from kerasrecipes.errors import printable
from kerasrecipes.evaluation.classification import evaluate_scores
from kerasrecipes.evaluation.result import Evaluation
from kerasrecipes.losses.class_weights import class_weights
from kerasrecipes.settings.judging import judge_recipe
from kerasrecipes.statistics.shown import Part, Shown
from kerasrecipes.training.fitting import checked_examples
from kerasrecipes.training.linear_probe import build_linear, fit_linear_probe, pooled_features

if TYPE_CHECKING:
    from kerasrecipes.training.recipe import Recipe


@dataclass(frozen=True)
class ProbeResult(Shown):
    """How well a linear classifier does on the features of a frozen backbone.

    Args:
        backbone: The backbone's name.
        evaluation: The result on the photos that were not trained on.
        strength: scikit-learn's `C` that was chosen; smaller is more regularised.
        photos: Number of photos that were trained on.
        seconds: What it all took, loading of the weights included.
        leaks: Ways in which the two sets of photos are not independent.
    """

    backbone: str
    evaluation: Evaluation
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
        yield (
            f"A first number for {printable(self.backbone)}, in {self.seconds:.0f} s: the "
            f"backbone as it is, and a logistic regression (C={self.strength:g}) that learned from "
            f"{self.photos:,} photos."
        )
        yield (
            "C was chosen by the photos that are judged here, which flatters the result a little. "
            "What fine-tuning adds to it is what training is worth."
        )
        yield from ("", self.evaluation)


def probe_recipe(recipe: "Recipe", train: Examples, val: Examples) -> ProbeResult:
    """Measure what the features of a recipe's backbone tell; see `probe_backbone`."""
    started = time.perf_counter()
    spec = judge_recipe(recipe).spec
    leaks = checked_examples(train, val).leaks
    for leak in leaks:
        warn(leak)
    keras = import_keras()
    keras.utils.set_random_seed(recipe.seed)
    backbone = spec.build(recipe.input_size, recipe.weights)
    model = build_linear(backbone, len(train.class_names))
    learned, held_out = pooled_features(model, train, val)
    weights = class_weights(list(train.counts().values()), recipe.class_weights)
    probe = fit_linear_probe(learned, train.labels, weights, held_out, val.labels)
    scores = probe.scores(held_out)
    return ProbeResult(
        backbone=spec.name,
        evaluation=evaluate_scores(
            val.labels, scores, train.class_names, groups=val.groups, seed=recipe.seed
        ),
        strength=probe.strength,
        photos=len(train),
        seconds=time.perf_counter() - started,
        leaks=tuple(leaks),
    )
