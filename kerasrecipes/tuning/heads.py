"""Heads on a frozen backbone, each judged in seconds by features that are computed once."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from kerasrecipes.data.examples import Examples
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.environment import import_keras
from kerasrecipes.settings.judging import Judged, judge_recipe
from kerasrecipes.training.linear.choice import Candidate, Choice, Trial
from kerasrecipes.training.linear.depths import DepthFeatures, depth_features
from kerasrecipes.training.linear.probe import choice_for
from kerasrecipes.training.linear.regression import linear_weights
from kerasrecipes.tuning.space import OF_FEATURES, Settings, key_of


@dataclass
class HeadBench:
    """Judges settings of a head on the same folds.

    Args:
        recipe: Where to begin.
        rest: Examples that are learned from and judged by, in folds.
        test: Examples that are set aside; their labels are not looked at before `on_test`.
        split_by: How the two were parted, as the folds are to be.
    """

    recipe: Any
    rest: Examples
    test: Examples
    split_by: str
    _features: dict[str, list[DepthFeatures]] = field(default_factory=dict)

    @property
    def output(self) -> OutputSpec:
        """What the answers are."""
        found: OutputSpec = judge_recipe(self.recipe).head.output(self.rest)
        return found

    def targets(self, examples: Examples) -> np.ndarray:
        """Return what should be answered."""
        found: np.ndarray = judge_recipe(self.recipe).head.task.targets(examples, self.output)
        return found

    def choice(self, settings: Settings) -> Choice:
        """Return the best linear model with such settings, found on folds of `rest`.

        Its `answers` to the examples `judged` are of models that had not seen them.
        """
        judged = self._judged(settings)
        recipe, features = judged.recipe, self._seen(judged, settings)[0]
        return choice_for(
            self.rest, features, judged.head, recipe.class_weights, recipe.seed, self.split_by
        )

    def on_test(self, settings: Settings, choice: Choice) -> np.ndarray:
        """Return what the model that learned from all of `rest` answers to `test`."""
        judged = self._judged(settings)
        features, others = self._seen(judged, settings)
        wish, loss = judged.recipe.class_weights, judged.head.loss_name
        weights = linear_weights(self.rest, self.output, wish, loss)
        probe = choice.solve(features, self.targets(self.rest), weights)
        return probe.answers(others.last(probe.depths))

    def _judged(self, settings: Settings) -> Judged:
        return judge_recipe(replace(self.recipe, **settings)).suited(self.rest)

    def _seen(self, judged: Judged, settings: Settings) -> list[DepthFeatures]:
        """Return features of both sides at the depths that are asked for."""
        wanted = {name: value for name, value in settings.items() if name in OF_FEATURES}
        key, depths = key_of(self.recipe, wanted), judged.recipe.depths
        if key not in self._features:
            recipe, spec = judged.recipe, judged.spec
            import_keras().utils.set_random_seed(recipe.seed)
            backbone = spec.build(recipe.input_size, recipe.weights_file)
            sides = (self.rest, self.test)
            self._features[key] = depth_features(
                backbone, spec, None, *sides, pooling=recipe.pooling
            )
        found = self._features[key]
        if depths is None:
            return found
        if depths > len(found[0].widths):
            recipe, spec = judged.recipe, judged.spec
            backbone = spec.build(recipe.input_size, recipe.weights_file)
            sides = (self.rest, self.test)
            return depth_features(backbone, spec, depths, *sides, pooling=recipe.pooling)
        return [replace(one, depths=(depths,)) for one in found]


def plain_choice(choice: Choice) -> dict[str, Any]:
    """Write what a choice took as plain values."""
    taken = [[one.candidate.depths, one.candidate.scaling, one.strength] for one in choice.taken]
    judged = np.sort(choice.judged).tolist()
    return {"taken": taken, "temperature": choice.temperature, "judged": judged}


def read_choice(told: Mapping[str, Any], target: str) -> Choice:
    """Read what `plain_choice` wrote: enough to solve it again.

    Args:
        told: The plain values.
        target: What is answered with; see `Examples`.
    """
    none = np.empty((0, 0))
    taken = tuple(Trial(Candidate(d, how), c, none, np.nan) for d, how, c in told["taken"])
    judged = np.array(told["judged"], np.int64)
    return Choice((), taken, "", judged, none, np.nan, target, told["temperature"])
