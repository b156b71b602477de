"""The learning rates of a stage: as they were given, or searched on its own data."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from kerasrecipes.engine.schedule import Stage

if TYPE_CHECKING:
    import keras

# Where the sweeps do not tell.
FALLBACKS = {"head": 1e-3, "blocks": 1e-5}
STEPS, SWEEPS = 100, 3
ALL = "all"
NAMES = {ALL: "All that trains", "head": "The head", "blocks": "The open blocks"}


@dataclass(frozen=True)
class StageRates:
    """Peaks of the learning rates of one stage.

    Args:
        head: That of the head.
        blocks: That of the top block of the backbone; the others' fall by `layer_decay`.
    """

    head: float
    blocks: float

    @classmethod
    def of(cls, stage: Stage) -> "StageRates":
        """Return the rates of a stage that has its own."""
        peak: Any = stage.learning_rate  # a number: "auto" is searched for
        return cls(peak, peak * stage.layer_decay)


@dataclass(frozen=True)
class RateSearch:
    """What the sweeps before a stage said.

    Args:
        suggestions: Name of what trains → its `LearningRateSuggestion`.
        seconds: What they took.
    """

    steps: ClassVar[int] = STEPS * SWEEPS
    suggestions: dict[str, Any]
    seconds: float

    def __str__(self) -> str:
        lines = [f"  {NAMES[name]}: {one}" for name, one in self.suggestions.items()]
        cost = f"{len(lines) * self.steps} steps, {self.seconds:.1f} s"
        return "\n".join([*lines, f"  The search took {cost}."])

    def plot(self, folder: Path, name: str) -> None:
        """Draw the curves into `<name>.png`, or one file for each part.

        Args:
            folder: Where to.
            name: How the names of the files begin.
        """
        for part, one in self.suggestions.items():
            one.plot(folder / (f"{name}.png" if part == ALL else f"{name}-{part}.png"))

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome and its cost, without the curves, as JSON-safe data."""
        found = {name: one.to_dict() for name, one in self.suggestions.items()}
        return {**found, "steps": len(found) * self.steps, "seconds": self.seconds}


def rates_found(search: dict[str, Any]) -> StageRates:
    """Return the rates of what `RateSearch.to_dict` returned."""
    rates = {name: search[name]["learning_rate"] for name in search.keys() - {"steps", "seconds"}}
    both: Any = rates.get(ALL)
    return StageRates(rates.get("head", both), rates.get("blocks", both))


def search_rates(trained: "keras.Model", data: Any, stage: Stage, head: list) -> RateSearch:
    """Run range tests on a stage's own data; its training is as it would be without them.

    Where rates fall from block to block, the head has a test of its own and the blocks have
    one, each with the rest standing still; otherwise one test moves all that trains.

    Args:
        trained: The compiled model of the stage.
        data: Its training batches, a `tf.data.Dataset` that can be read again.
        stage: The stage.
        head: The weights of the head.

    Returns:
        What the tests say.
    """
    from kerasrecipes.callbacks.learning_rates.search import (
        find_group_learning_rates,
        find_learning_rate,
    )

    started = time.monotonic()
    options = {"steps": STEPS, "sweeps": SWEEPS}
    if stage.open_fraction and stage.layer_decay < 1:
        members = {id(weight) for weight in head}
        blocks = [one for one in trained.trainable_variables if id(one) not in members]
        found = find_group_learning_rates(
            trained, data, {"head": head, "blocks": blocks}, fallback=FALLBACKS, **options
        )
    else:
        fallback = FALLBACKS["blocks" if stage.open_fraction else "head"]
        found = {ALL: find_learning_rate(trained, data, fallback=fallback, **options)}
    return RateSearch(found, time.monotonic() - started)
