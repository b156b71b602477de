"""What the engine wants to know of a recipe and of a head, and nothing else of them."""

from collections.abc import Callable
from typing import Any, Protocol

# Turns a dataset of `(index, view)` into one of `(index, view, inputs)`.
Feed = Callable[[Any], Any]


class Settings(Protocol):
    """The numbers of a recipe that a stage runs by; see `kerasrecipes.training.recipe.Recipe`."""

    accumulate: int
    adapter: Any
    adaptive_clip: float | None
    batch_norm: str
    batch_size: int
    clip_norm: float | None
    curve: str | None
    curve_options: dict | None
    devices: str | int | list[str] | None
    ema: bool
    l2_sp: float
    mix: str | None
    mix_alpha: float
    optimizer: Any
    optimizer_options: dict | None
    patience: int | None
    rematerialise: bool
    seed: int
    weight_decay: float
    weights: Any
