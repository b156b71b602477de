"""What updates weights, by name or as a factory: judged by a trial, then made once per block."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from kerasrecipes.arguments import named
from kerasrecipes.errors import did_you_mean, first_line, listed, unknown_name
from kerasrecipes.registry import Registry

if TYPE_CHECKING:
    import keras

USUAL = "adamw"
# Set by the recipe, never by options.
OF_RECIPES = (
    "learning_rate", "weight_decay", "global_clipnorm", "gradient_accumulation_steps", "use_ema",
    "ema_momentum", "name", "clipnorm", "clipvalue", "ema_overwrite_frequency",
    "loss_scale_factor", "l2_sp", "adaptive_clip", "adam_weight_decay", "kwargs", "options", "self",
)  # fmt: skip
Maker = Callable[..., "keras.optimizers.Optimizer"]


@dataclass(frozen=True)
class OptimizerKind:
    """How to make one optimizer.

    Args:
        make: A class of Keras optimizers, or a function that takes the same keyword arguments; in
            a file of this package, its name.
        rates: How many times those of AdamW its learning rates usually are.
        averages: Whether it keeps the average of the weights itself, in place of a moving one.
        hidden: Whether it is made for kernels inside of a network, and a head needs AdamW.
        usual: Options that it has where nothing else is said.
        module: The file's module; empty where `make` is no name.
    """

    make: Maker | str
    rates: float = 1.0
    averages: bool = False
    hidden: bool = False
    usual: Mapping[str, Any] = field(default_factory=dict)
    module: str = ""

    def maker(self) -> Maker:
        """Return what makes the optimizer; its file is imported now."""
        if isinstance(self.make, str):
            found: Maker = getattr(import_module(self.module), self.make)
            return found
        return self.make


def _check_kind(kind: object) -> None:
    if not isinstance(kind, OptimizerKind):
        raise ValueError(f"An optimizer must be an OptimizerKind, not {type(kind).__name__}.")


_REGISTRY: Registry[OptimizerKind] = Registry(
    "kerasrecipes.optimizers",
    "OPTIMIZERS",
    "optimizer",
    "kerasrecipes.optimizers.list_optimizers()",
    check=_check_kind,
    group="kerasrecipes.optimizers",
    taken=lambda made: made if isinstance(made, OptimizerKind) else OptimizerKind(made),
    from_facts=lambda module, facts: OptimizerKind(**facts, module=module),
)


@named
def list_optimizers() -> list[str]:
    """List the names that a recipe's `optimizer` may have.

    Returns:
        The names, sorted.

    Example:
        >>> "sgd" in list_optimizers()
        True
    """
    return list(_REGISTRY)


@named
def register_optimizer(
    name: str, make: Maker, *, rates: float = 1.0, replace: bool = False
) -> None:
    """Add an optimizer, for this process, so that recipes take it by name and saved ones find it.

    A package of yours can do it for every process, by an entry point `name = module:Class` in the
    group `kerasrecipes.optimizers`.

    Args:
        name: What to call it.
        make: A class of Keras optimizers, or a function that takes the same keyword arguments.
        rates: How many times those of AdamW the usual learning rates are.
        replace: Whether it may take the place of one that was registered before.

    Raises:
        ValueError: If `make` cannot be called, or the name cannot be used or is taken.
    """
    if not callable(make):
        raise ValueError(f"`make` must be a class or a function of optimizers, not {make!r}.")
    _REGISTRY.add(name, OptimizerKind(make, rates), replace)


def kind_of_optimizer(optimizer: str | Maker) -> OptimizerKind:
    """Return how an optimizer is made.

    Args:
        optimizer: A name of `list_optimizers()`, or what makes one.

    Raises:
        ValueError: If there is none of that name.
    """
    return _REGISTRY.get(optimizer) if isinstance(optimizer, str) else OptimizerKind(optimizer)


def make_optimizer(
    optimizer: str | Maker, options: Mapping[str, Any] | None, /, **settings: Any
) -> "keras.optimizers.Optimizer":
    """Make an optimizer whose decay spares biases and norms.

    Args:
        optimizer: A name, or what makes one.
        options: What it is told besides.
        **settings: What a recipe sets, e.g. `learning_rate`.
    """
    import keras

    kind = kind_of_optimizer(optimizer)
    if kind.averages:
        # Its average takes the place of the moving one.
        settings |= {"use_ema": True}
    if kind.hidden:
        settings["adam_weight_decay"] = settings.get("weight_decay")
    made = kind.maker()(**{**kind.usual, **(options or {})}, **settings)
    if not isinstance(made, keras.optimizers.Optimizer):
        raise TypeError(f"it makes a {type(made).__name__}, not a Keras optimizer.")
    made.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return made


def check_optimizer(optimizer: str | Maker, options: Mapping[str, Any] | None) -> None:
    """Make an optimizer once for trial, so that what does not work is told before training.

    Args:
        optimizer: A name, or what makes one.
        options: What it is told besides.

    Raises:
        ValueError: If there is none of that name, it does not have an option, cannot be made, or
            leaves alone what a recipe tells it.
    """
    called = repr(optimizer) if isinstance(optimizer, str) else _name_of(optimizer)
    known = _options_of(kind_of_optimizer(optimizer).maker())
    for option in options or {}:
        if option in OF_RECIPES:
            raise ValueError(
                f"`optimizer_options` holds {option!r}, which the recipe sets itself, from its "
                "schedule and from settings such as `weight_decay`, `clip_norm`, `accumulate` and "
                "`ema`. Leave it out, and use these."
            )
        if known is not None and option not in known:
            raise ValueError(
                f"The optimizer {called} has no option {option!r}.{did_you_mean(option, known)} "
                + (f"Its options: {listed(known, 12)}." if known else "It has none.")
            )
    told = {"weight_decay": 0.01, "global_clipnorm": 1.0, "gradient_accumulation_steps": 2}
    try:
        made = make_optimizer(
            optimizer, options, learning_rate=1e-3, use_ema=True, ema_momentum=0.9, **told
        )
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            f"The `optimizer` {called} cannot be used: {first_line(error)} It is called with "
            "learning_rate=…, weight_decay=… and what else keras.optimizers.Optimizer takes, and "
            "with `optimizer_options`."
        ) from error
    for name, value in {**told, "use_ema": True}.items():
        if getattr(made, name) != value:
            raise ValueError(
                f"The `optimizer` {called} makes one with {name}={getattr(made, name)!r} where "
                f"{value!r} was asked for. Let it pass on what it is called with, e.g. def "
                "make(**told): return keras.optimizers.Adafactor(relative_step=False, **told)."
            )


def _options_of(make: Maker) -> list[str] | None:
    """Return the arguments that are not the recipe's; `None` if it takes whatever comes."""
    places: list[Any] = [make]
    if isinstance(make, type):
        places = [vars(one)["__init__"] for one in make.__mro__ if "__init__" in vars(one)]
    found: dict[str, None] = {}
    for place in places:
        parameters = inspect.signature(place).parameters.values()
        found |= {one.name: None for one in parameters if one.kind is not one.VAR_KEYWORD}
        if not any(one.kind is one.VAR_KEYWORD for one in parameters):
            break
        if not isinstance(make, type):
            return None
    return [name for name in found if name not in OF_RECIPES]


def _name_of(function: Any) -> str:
    return getattr(function, "__qualname__", None) or repr(function)


def usual_rates(optimizer: str | Maker) -> float:
    """Return how many times those of AdamW an optimizer's learning rates usually are."""
    if isinstance(optimizer, str) and optimizer not in _REGISTRY:
        raise unknown_name(
            "optimizer", optimizer, _REGISTRY, "kerasrecipes.optimizers.list_optimizers()"
        )
    return kind_of_optimizer(optimizer).rates
