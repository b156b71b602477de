"""Which part of a model trains, for how long, and how fast: schedules as data."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal

from kerasrecipes.arguments import named
from kerasrecipes.errors import NoEffectError, is_number, listed, unknown_name

Rate = float | Literal["auto"]

# More than what products of fractions are off by: 0.1 * 3 * 10 is a little above 3.
ROUNDING = 1e-9
# Of `UnfreezeSchedule.gradual`; no backbone has so many blocks.
MOST_STEPS = 1000
NOT_WRITTEN = "not written"


@named
@dataclass(frozen=True, slots=True)
class Stage:
    """One phase of training.

    Args:
        name: What people call it; each stage of a schedule has its own name.
        epochs: Largest number of epochs; early stopping may end it sooner.
        learning_rate: Peak of the warm-up and cosine curve. `"auto"` searches it when the stage
            begins, in 300 steps on its data, or, if rates fall from block to block, in 300 for
            the head and as many for the blocks; see `find_learning_rate`. Where that does not
            tell, it is 1e-3 for a head alone and 1e-5 for open blocks.
        open_fraction: Fraction of the backbone's blocks that train, counted from the
            top; 0 trains the head alone, 1 everything. The head always trains.
        warmup_fraction: Fraction of the steps over which the rate of newly opened blocks
            rises from near zero.
        layer_decay: Each block trains at this fraction of the rate of the block above it;
            1 for one rate everywhere.
        patience: Epochs without improvement before the stage ends; `None` for the recipe's.
        callbacks: Callbacks for this stage alone, of Keras, of `kerasrecipes.callbacks` or one's
            own. No file keeps them: a recipe that was saved has none.

    Raises:
        ValueError: If an argument is not what is told here, or would have no effect.
    """

    name: str
    epochs: int
    learning_rate: Rate
    open_fraction: float = 0.0
    warmup_fraction: float = 0.1
    layer_decay: float = 1.0
    patience: int | None = None
    callbacks: Sequence[Any] = field(default=(), compare=False, metadata={NOT_WRITTEN: True})

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise ValueError(f"A stage's `name` must be a text, e.g. 'head', not {self.name!r}.")
        where = f"Stage {self.name!r}: "
        _check("epochs", self.epochs, "at least 1", 1, whole=True, where=where)
        if not isinstance(self.learning_rate, str) or self.learning_rate != "auto":
            words = "between 0 and 10, or 'auto'"
            ends = {"above": True, "below": True}
            _check("learning_rate", self.learning_rate, words, 0, 10, **ends, where=where)
        words = "above 0 and at most 1"
        _check("layer_decay", self.layer_decay, words, 0, 1, above=True, where=where)
        if self.patience is not None:
            _check("patience", self.patience, "at least 1", 1, whole=True, where=where)
        for name in ("open_fraction", "warmup_fraction"):
            _check(name, getattr(self, name), "between 0 and 1", 0, 1, where=where)
        given = self.callbacks
        if not isinstance(given, list | tuple) or not all(hasattr(c, "set_model") for c in given):
            raise ValueError(
                f"{where}`callbacks` must be a list of callbacks, which are made, not {given!r}."
            )
        if self.layer_decay != 1 and not self.open_fraction:
            raise NoEffectError(
                f"{where}`layer_decay={self.layer_decay}` would have no effect: the head alone "
                "trains, at one rate. Leave it out, or pass an `open_fraction` above 0."
            )

    def first_open(self, blocks: int) -> int:
        """Return the index of the first of so many blocks that trains.

        Example:
            >>> Stage("top", 1, 1e-4, open_fraction=0.3).first_open(10)
            7
        """
        return blocks - math.ceil(self.open_fraction * blocks - ROUNDING)


@named
@dataclass(frozen=True)
class UnfreezeSchedule:
    """A tuple of stages, run one after the other; each has its own compile and fit.

    Args:
        stages: At least one, each with a name of its own.

    Raises:
        ValueError: If there is no stage, two have one name, or something else is among them.

    Example:
        >>> [stage.name for stage in UnfreezeSchedule.two_phase().stages]
        ['head', 'top']
    """

    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        given = self.stages
        stages = tuple(given) if isinstance(given, Iterable) else (given,)
        if isinstance(given, Stage) or not all(isinstance(one, Stage) for one in stages):
            raise ValueError(
                f"`stages` must be a tuple of `Stage`s, not {given!r}. Pass e.g. "
                "(Stage('head', 10, 1e-3),), with a comma even after a single one."
            )
        object.__setattr__(self, "stages", stages)
        names = [stage.name for stage in self.stages]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"A schedule needs stages with names of their own, not {names}.")

    def first_open(self, blocks: int) -> int:
        """Return the index of the lowest of so many blocks that any stage trains."""
        return min(stage.first_open(blocks) for stage in self.stages)

    @classmethod
    @named
    def head_only(cls, epochs: int = 30, learning_rate: Rate = 3e-3) -> "UnfreezeSchedule":
        """Train the head on a frozen backbone: a linear probe."""
        return cls((Stage("head", epochs, learning_rate),))

    @classmethod
    @named
    def two_phase(
        cls,
        epochs: int = 16,
        learning_rate: Rate = 3e-4,
        *,
        head_epochs: int = 30,
        head_learning_rate: Rate = 3e-3,
        open_fraction: float = 0.3,
    ) -> "UnfreezeSchedule":
        """Train the head first, then the top blocks with it at a lower rate.

        Reference:
            Kumar et al., 2022, "Fine-Tuning can Distort Pretrained Features and
            Underperform Out-of-Distribution", arXiv 2202.10054.
        """
        return cls(
            (
                Stage("head", head_epochs, head_learning_rate),
                Stage("top", epochs, learning_rate, open_fraction),
            )
        )

    @classmethod
    @named
    def gradual(
        cls,
        epochs: int = 8,
        learning_rate: Rate = 3e-4,
        *,
        steps: int = 3,
        open_fraction: float = 0.5,
        layer_decay: float = 0.8,
        patience: int | None = None,
        head_epochs: int = 30,
        head_learning_rate: Rate = 3e-3,
    ) -> "UnfreezeSchedule":
        """Train the head first, then open the blocks from the top, some more in each stage.

        Args:
            epochs: Epochs per step; the most, if `patience` is given.
            learning_rate: Peak of the head and of what follows it, before `layer_decay`.
            steps: Number of stages that open blocks.
            open_fraction: Fraction of the blocks that is open at the end.
            layer_decay: Each block trains at this fraction of the rate of the one above it.
            patience: Open the next blocks when the validation loss has not improved for so
                many epochs, instead of after a fixed number.
            head_epochs: Epochs of the head alone.
            head_learning_rate: Peak of the head alone.

        Raises:
            ValueError: If `steps` is below 1 or above 1000, no block would ever be opened, or a
                number does not suit a stage.

        Reference:
            Howard & Ruder, 2018, "Universal Language Model Fine-tuning for Text
            Classification", section 3.3.
        """
        _check("steps", steps, "at least 1", 1, whole=True)
        _check("steps", steps, f"at most {MOST_STEPS}", 1, MOST_STEPS, whole=True)
        _check("open_fraction", open_fraction, "above 0 and at most 1", 0, 1, above=True)
        opened = (
            Stage(
                f"open {step}",
                epochs,
                learning_rate,
                open_fraction * step / steps,
                layer_decay=layer_decay,
                patience=patience,
            )
            for step in range(1, steps + 1)
        )
        return cls((Stage("head", head_epochs, head_learning_rate), *opened))

    @classmethod
    @named
    def full(cls, epochs: int = 12, learning_rate: Rate = 1e-4) -> "UnfreezeSchedule":
        """Train everything from the first step."""
        return cls((Stage("all", epochs, learning_rate, open_fraction=1.0),))

    def to_dict(self) -> list[dict]:
        """Return the stages as JSON-safe data."""
        return [{name: getattr(stage, name) for name in _written()} for stage in self.stages]

    @classmethod
    @named
    def from_dict(cls, stages: Sequence[dict]) -> "UnfreezeSchedule":
        """Build a schedule from what `to_dict` returned.

        Raises:
            ValueError: If a stage lacks something, has something unknown, or a value is not
                usable.
        """
        return cls(tuple(_stage(facts) for facts in stages))


def _written() -> dict[str, bool]:
    """Return the settings of a stage that files keep, and whether it needs them."""
    told = (one for one in fields(Stage) if NOT_WRITTEN not in one.metadata)
    return {one.name: one.default is MISSING for one in told}


def _stage(facts: Mapping) -> Stage:
    known = _written()
    if not isinstance(facts, Mapping):
        raise ValueError(f"A stage must be a table of its settings, not {facts!r}.")
    for name in facts:
        if name not in known:
            raise unknown_name("setting of a stage", name, known, "Stage")
    if missing := [name for name, needed in known.items() if needed and name not in facts]:
        raise ValueError(f"A stage needs {listed(missing)}, which {facts!r} lacks.")
    return Stage(**facts)


def _check(
    name: str,
    value: object,
    words: str,
    low: float,
    high: float = math.inf,
    *,
    whole: bool = False,
    where: str = "",
    **ends: bool,
) -> None:
    """Raise unless an argument is a number in a range; `words` say which one."""
    if is_number(value, low, high, whole=whole, **ends):
        return
    known = is_number(value, -math.inf, math.inf, whole=whole)
    kind = "" if known or not whole else "a whole number of "
    raise ValueError(f"{where}`{name}` must be {kind}{words}, not {value!r}.")
