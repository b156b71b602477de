"""The learning rates of a stage: given, or searched on its own data; how they rise and fall."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from kerasrecipes.engine.schedule import Stage
from kerasrecipes.errors import did_you_mean, is_number, listed, unknown_name

if TYPE_CHECKING:
    import keras

ADAMW = "adamw"
COSINE, CONSTANT, PLATEAU = "cosine", "constant", "plateau"
# Name → its options, each with its usual value and its range.
CURVES: dict[str, dict[str, tuple[float, float, float]]] = {
    COSINE: {},
    CONSTANT: {},
    "linear": {},
    "step": {"factor": (0.1, 1e-4, 0.99), "drops": (2, 1, 20)},
    "one_cycle": {"start_fraction": (0.04, 1e-4, 1.0), "end_fraction": (4e-6, 0.0, 1.0)},
    "warmup_stable_decay": {"decay_fraction": (0.2, 0.01, 1.0)},
    "inverse_sqrt": {},
    PLATEAU: {"factor": (0.3, 1e-4, 0.99), "patience": (3, 1, 10**6)},
}
_WHOLE = {"drops", "patience"}
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


def curve_options(curve: str, options: Mapping[str, Any] | None) -> dict[str, float]:
    """Return all options of a curve: those that are given, and the usual ones.

    Args:
        curve: A name of `CURVES`.
        options: What is given.

    Raises:
        ValueError: If there is no such curve or option, or a value is out of its range.
    """
    if curve not in CURVES:
        raise unknown_name("curve", curve, CURVES, "the documentation of training")
    known = CURVES[curve]
    for name, value in (options or {}).items():
        if name not in known:
            has = f"Its options: {listed(known)}." if known else "It has none."
            raise ValueError(
                f"The curve {curve!r} has no option {name!r}.{did_you_mean(name, known)} {has}"
            )
        _, low, high = known[name]
        whole = name in _WHOLE
        if not is_number(value, low, high, whole=whole):
            kind = "a whole number " if whole else ""
            raise ValueError(
                f"`curve_options` of the curve {curve!r}: `{name}` must be {kind}between {low:g} "
                f"and {high:g}, not {value!r}."
            )
    return {name: usual for name, (usual, _, _) in known.items()} | dict(options or {})


def averages_itself(optimizer: Any) -> bool:
    """Tell whether an optimizer keeps the average of the weights, in place of a rate that falls.

    Args:
        optimizer: A recipe's `optimizer`.
    """
    if optimizer == ADAMW:
        return False
    from kerasrecipes.optimizers.kinds import kind_of_optimizer

    return kind_of_optimizer(optimizer).averages


def usual_curve(curve: str | None, optimizer: Any) -> str:
    """Return the curve of a recipe, which is the optimizer's usual one where none is named.

    Args:
        curve: A recipe's `curve`.
        optimizer: Its `optimizer`.
    """
    return curve or (CONSTANT if averages_itself(optimizer) else COSINE)
