"""By what settings are compared: what the answer to each example costs."""

import re
from dataclasses import dataclass

import numpy as np

from kerasrecipes.data.examples import CLASS
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.errors import NoEffectError, unknown_name
from kerasrecipes.evaluation.task import Task

MEASURES = ("loss", "balanced_loss", "accuracy", "balanced_accuracy")
BALANCED, ACCURACY = "balanced_", "accuracy"


@dataclass(frozen=True)
class Measure:
    """A cost of each answer, the lower the better.

    Args:
        name: One of `MEASURES`; of what is no class, `"loss"`, which is what its task calls so.
        task: What is answered.

    Raises:
        ValueError: If there is no such measure.
        NoEffectError: If it needs classes, and there are none.
    """

    name: str
    task: Task

    def __post_init__(self) -> None:
        if self.name not in MEASURES:
            raise unknown_name("measure", self.name, list(MEASURES), "kerasrecipes tune --help")
        if self.name != MEASURES[0] and self.task.target != CLASS:
            raise NoEffectError(
                f"`measure={self.name!r}` needs one class each. Leave it out: these are compared "
                f"by their {self.task.cost_name or self.task.quality_name}."
            )

    def costs(self, targets: np.ndarray, answers: np.ndarray, output: OutputSpec) -> np.ndarray:
        """Return what each answer costs, shape `(n,)`; its mean is what is compared."""
        if self.name.endswith(ACCURACY):
            found = 1.0 - self.task.quality(targets, answers, output)
        else:
            found = self.task.cost(targets, answers, output)
        if self.name.startswith(BALANCED):
            counts = np.bincount(targets)
            found = found * (len(targets) / (counts > 0).sum() / counts[targets])
        return np.asarray(found, np.float64)

    @property
    def label(self) -> str:
        """What people call it."""
        if self.name.endswith(ACCURACY):
            return self.name.replace("_", " ")
        cost = self.task.cost_name or self.task.quality_name
        return ("balanced " if self.name.startswith(BALANCED) else "") + re.sub("_", "-", cost)

    @property
    def cost_label(self) -> str:
        """What people call the cost of an answer."""
        return f"1 − {self.label}" if self.name.endswith(ACCURACY) else self.label

    def shown(self, cost: float) -> str:
        """Write a mean cost as people read it."""
        return f"{1 - cost:.1%}" if self.name.endswith(ACCURACY) else f"{cost:.4f}"

    def gain(self, less: float) -> str:
        """Write how much better something is, `+` for better."""
        return f"{100 * less:+.1f} points" if self.name.endswith(ACCURACY) else f"{less:+.4f}"
