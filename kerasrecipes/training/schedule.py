"""Which part of a model trains, for how long, and how fast: schedules as data."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

Rate = float | Literal["auto"]


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
    """

    name: str
    epochs: int
    learning_rate: Rate
    open_fraction: float = 0.0
    warmup_fraction: float = 0.1
    layer_decay: float = 1.0
    patience: int | None = None

    def __post_init__(self):
        if self.epochs < 1:
            raise ValueError(
                f"Stage {self.name!r}: `epochs` must be at least 1, not {self.epochs}."
            )
        rate = self.learning_rate
        if rate != "auto" and (isinstance(rate, str) or not 0 < rate < 10):
            raise ValueError(
                f"Stage {self.name!r}: `learning_rate` must be between 0 and 10, or 'auto', "
                f"not {rate!r}."
            )
        if not 0 < self.layer_decay <= 1:
            raise ValueError(
                f"Stage {self.name!r}: `layer_decay` must be above 0 and at most 1, "
                f"not {self.layer_decay}."
            )
        if self.patience is not None and self.patience < 1:
            raise ValueError(
                f"Stage {self.name!r}: `patience` must be at least 1, not {self.patience}."
            )
        for field in ("open_fraction", "warmup_fraction"):
            if not 0 <= getattr(self, field) <= 1:
                raise ValueError(
                    f"Stage {self.name!r}: `{field}` must be between 0 and 1, "
                    f"not {getattr(self, field)}."
                )

    def first_open(self, blocks: int) -> int:
        """Return the index of the first of so many blocks that trains.

        Example:
            >>> Stage("top", 1, 1e-4, open_fraction=0.3).first_open(10)
            7
        """
        return blocks - math.ceil(self.open_fraction * blocks)


@dataclass(frozen=True)
class UnfreezeSchedule:
    """A tuple of stages, run one after the other; each has its own compile and fit.

    Args:
        stages: At least one, each with a name of its own.

    Raises:
        ValueError: If there is no stage, or two have one name.

    Example:
        >>> [stage.name for stage in UnfreezeSchedule.two_phase().stages]
        ['head', 'top']
    """

    stages: tuple[Stage, ...]

    def __post_init__(self):
        object.__setattr__(self, "stages", tuple(self.stages))
        names = [stage.name for stage in self.stages]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"A schedule needs stages with names of their own, not {names}.")

    def first_open(self, blocks: int) -> int:
        """Return the index of the lowest of so many blocks that any stage trains."""
        return min(stage.first_open(blocks) for stage in self.stages)

    @classmethod
    def head_only(cls, epochs: int = 30, learning_rate: Rate = 3e-3) -> "UnfreezeSchedule":
        """Train the head on a frozen backbone: a linear probe."""
        return cls((Stage("head", epochs, learning_rate),))

    @classmethod
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
            ValueError: If `steps` is below 1, or a number does not suit a stage.

        Reference:
            Howard & Ruder, 2018, "Universal Language Model Fine-tuning for Text
            Classification", section 3.3.
        """
        if steps < 1:
            raise ValueError(f"`steps` must be at least 1, not {steps}.")
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
    def full(cls, epochs: int = 12, learning_rate: Rate = 1e-4) -> "UnfreezeSchedule":
        """Train everything from the first step."""
        return cls((Stage("all", epochs, learning_rate, open_fraction=1.0),))

    def to_dict(self) -> list[dict]:
        """Return the stages as JSON-safe data."""
        return [asdict(stage) for stage in self.stages]

    @classmethod
    def from_dict(cls, stages: Sequence[dict]) -> "UnfreezeSchedule":
        """Build a schedule from what `to_dict` returned."""
        return cls(tuple(Stage(**stage) for stage in stages))
