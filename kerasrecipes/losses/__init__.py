"""Losses that Keras lacks, and all losses by the names that a recipe uses.

Listing and checking names never imports keras; building a loss does.
"""

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from kerasrecipes.arguments import named
from kerasrecipes.errors import did_you_mean, listed, unknown_name
from kerasrecipes.lazy import lazy_names
from kerasrecipes.losses.checks import checked_number
from kerasrecipes.registry import Registry

if TYPE_CHECKING:
    import keras

    from kerasrecipes.losses.adaptive_focal import AdaptiveFocal as AdaptiveFocal
    from kerasrecipes.losses.adjusted_cross_entropy import (
        LDAM as LDAM,
        BalancedSoftmax as BalancedSoftmax,
    )
    from kerasrecipes.losses.angular_margin import ArcFace as ArcFace, CosFace as CosFace
    from kerasrecipes.losses.binary import PositiveWeighted as PositiveWeighted
    from kerasrecipes.losses.class_weights import (
        effective_number_weights as effective_number_weights,
    )
    from kerasrecipes.losses.contrastive import SupervisedContrastive as SupervisedContrastive
    from kerasrecipes.losses.costs import (
        cheapest_decisions as cheapest_decisions,
        cost_matrix as cost_matrix,
    )
    from kerasrecipes.losses.expected_cost import ExpectedCost as ExpectedCost
    from kerasrecipes.losses.robust import GeneralizedCrossEntropy as GeneralizedCrossEntropy
    from kerasrecipes.losses.triplet import SemiHardTriplet as SemiHardTriplet

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "adaptive_focal": "AdaptiveFocal",
        "adjusted_cross_entropy": "BalancedSoftmax LDAM",
        "angular_margin": "ArcFace CosFace",
        "binary": "PositiveWeighted",
        "class_weights": "effective_number_weights",
        "contrastive": "SupervisedContrastive",
        "costs": "cheapest_decisions cost_matrix",
        "expected_cost": "ExpectedCost",
        "robust": "GeneralizedCrossEntropy",
        "triplet": "SemiHardTriplet",
    },
    own="get_loss list_losses loss_kind register_loss",
)

# What a loss is computed on: raw scores per class, scaled cosines per class, embeddings, raw
# scores of yes-or-no questions, or numbers.
LOGITS, COSINES, EMBEDDINGS = "logits", "cosines", "embeddings"
BINARY, NUMBERS = "binary", "numbers"
PREDICTIONS = (LOGITS, COSINES, EMBEDDINGS, BINARY, NUMBERS)
_OF_KERAS = {"name", "reduction", "dtype"}


@dataclass(frozen=True)
class LossKind:
    """How to make one loss; a file of losses says it in its `LOSSES`, for names without imports.

    Args:
        make: The class, or a function that makes the loss; in a file, the name of either.
        on: What the predictions are, e.g. `"logits"`; see `list_losses`.
        options: The arguments that a caller may set.
        needs: Those of them that a caller must set.
        smooths: Whether it has a `label_smoothing`.
        counts: Whether it needs the number of photos of each class.
        mixes: Whether it reads targets of which a photo has shares in several classes.
        module: The file's module; empty where `make` is no name.
    """

    make: Callable[..., "keras.losses.Loss"] | str
    on: str
    options: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    smooths: bool = False
    counts: bool = False
    mixes: bool = True
    module: str = ""

    def maker(self) -> Callable[..., "keras.losses.Loss"]:
        """Return what makes the loss; its file is imported now."""
        if isinstance(self.make, str):
            return getattr(import_module(self.module), self.make)
        return self.make


def _check_kind(kind: object) -> None:
    if not isinstance(kind, LossKind):
        raise ValueError(f"A loss must be described by a LossKind, not {type(kind).__name__}.")


_REGISTRY: Registry[LossKind] = Registry(
    __name__,
    "LOSSES",
    "loss",
    "kerasrecipes.list_losses()",
    check=_check_kind,
    group="kerasrecipes.losses",
    taken=lambda offered: offered if isinstance(offered, LossKind) else loss_kind(offered),
    from_facts=lambda module, facts: LossKind(**facts, module=module),
)


@named
def register_loss(
    name: str,
    make: Callable[..., "keras.losses.Loss"],
    on: str = LOGITS,
    replace: bool = False,
) -> None:
    """Add a loss, for this process, so that recipes and heads take it by name.

    A package of yours can do it for every process, by an entry point `name = module:loss` in the
    group `kerasrecipes.losses`, which names such a class or function on raw scores per class, or
    what `loss_kind` makes of one.

    Args:
        name: What to call it.
        make: The class, or a function that makes the loss; see `loss_kind`.
        on: What it is computed on; see `list_losses`.
        replace: Whether it may take the place of one that was registered before.

    Raises:
        ValueError: If `make` cannot be called, or the name cannot be used or is taken.
    """
    _REGISTRY.add(name, loss_kind(make, on), replace)


@named
def loss_kind(make: Callable[..., "keras.losses.Loss"], on: str = LOGITS) -> LossKind:
    """Describe a loss by the arguments of its class.

    They become the options of the loss. `label_smoothing` is set by the head, and `class_counts`,
    the number of training photos of each class, by the fit.

    Args:
        make: The class, or a function that makes the loss.
        on: What it is computed on; see `list_losses`.

    Raises:
        ValueError: If `make` cannot be called.
    """
    _check_prediction(on)
    if not callable(make):
        raise ValueError(f"`make` must be a class or a function of losses, not {make!r}.")
    given = inspect.signature(make).parameters.values()
    taken = [p for p in given if p.kind not in {p.VAR_POSITIONAL, p.VAR_KEYWORD}]
    names = {p.name for p in taken}
    own = [p for p in taken if p.name not in {*_OF_KERAS, "label_smoothing", "class_counts"}]
    return LossKind(
        make,
        on,
        options=tuple(p.name for p in own),
        needs=tuple(p.name for p in own if p.default is p.empty),
        smooths="label_smoothing" in names,
        counts="class_counts" in names,
    )


@named
def list_losses(on: str = LOGITS) -> list[str]:
    """List the names of all losses for one kind of prediction.

    Args:
        on: `"logits"`, raw scores per class; `"cosines"`, scaled cosines per class, as the
            margin head gives them; `"embeddings"`, one vector per photo; `"binary"`, raw scores
            of yes-or-no questions; or `"numbers"`.

    Returns:
        The names, sorted.

    Raises:
        ValueError: If `on` is none of them.

    Example:
        >>> list_losses("embeddings")
        ['semi_hard_triplet', 'supervised_contrastive']
    """
    _check_prediction(on)
    return [name for name, kind in _REGISTRY.entries().items() if kind.on == on]


def _check_prediction(on: str) -> None:
    if on not in PREDICTIONS:
        raise unknown_name("prediction", on, PREDICTIONS, "list_losses()")


def kind_of_loss(loss: Any, on: str = LOGITS) -> LossKind:
    """Return how a loss is made.

    Args:
        loss: Its name; or one of one's own: a class of Keras losses or a function that makes one,
            a loss that is made, or a function of targets and predictions, whose further arguments
            are options.
        on: What it will be computed on; see `list_losses`.

    Raises:
        ValueError: If there is none of that name, or it is none of these.
    """
    if isinstance(loss, str):
        return _REGISTRY.get(loss)
    if isinstance(loss, LossKind):
        return loss
    from kerasrecipes.losses.own import FunctionLoss, is_function

    if hasattr(loss, "get_config") and hasattr(loss, "reduction"):
        return LossKind(lambda: loss, on)
    if not callable(loss):
        raise ValueError(f"`loss` must be a name, a loss, a class or a function, not {loss!r}.")
    if is_function(loss):
        options = loss_kind(loss, on).options[2:]
        return LossKind(functools.partial(FunctionLoss, loss), on, options=options)
    return loss_kind(loss, on)


def check_loss(loss: Any, on: str = LOGITS, label_smoothing: float = 0.0, **options: Any) -> None:
    """Judge a choice of loss; keras is imported for one of one's own only.

    Args:
        loss: Name of the loss, or one of one's own; see `kind_of_loss`.
        on: What it will be computed on; see `list_losses`.
        label_smoothing: How much of each target is spread over the other classes.
        **options: Further arguments of the loss.

    Raises:
        ValueError: If there is no such loss on `on`, it does not have an option, or lacks one.
    """
    if isinstance(loss, str):
        _check_name(loss, on)
    name = loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__)
    kind = kind_of_loss(loss, on)
    for option in options:
        if option not in kind.options:
            has = f"Its options: {listed(kind.options)}." if kind.options else "It has none."
            raise ValueError(
                f"The loss {name!r} has no option {option!r}."
                f"{did_you_mean(option, kind.options)} {has}"
            )
    if missing := [option for option in kind.needs if option not in options]:
        raise ValueError(f"The loss {name!r} needs the options {listed(missing)}. Pass them.")
    if checked_number("label_smoothing", label_smoothing, 0, 1) and not kind.smooths:
        raise ValueError(
            f"`label_smoothing={label_smoothing!r}` would have no effect: the loss {name!r} "
            "takes the targets as they are. Pass label_smoothing=0."
        )


def _check_name(name: str, on: str) -> None:
    known = list_losses(on)
    if name in _REGISTRY and name not in known:
        raise ValueError(
            f"The loss {name!r} works on {_REGISTRY.get(name).on}, not on {on}. "
            f"Choose from: {listed(known, 8)}, or another head."
        )
    if name not in known:
        if ":" in name:
            raise ValueError(
                f"`loss` is {name!r}, what somebody's own Python made: a file keeps no more of it "
                "than where it was. Set it again, or give it a name with "
                "kerasrecipes.register_loss."
            )
        raise unknown_name("loss", name, known, f"kerasrecipes.list_losses({on!r})")


def can_smooth(loss: Any) -> bool:
    """Return whether there is such a loss, and it has a `label_smoothing`."""
    if isinstance(loss, str) and loss not in _REGISTRY:
        return False
    return kind_of_loss(loss).smooths


def reads_mixtures(loss: Any) -> bool:
    """Tell whether a loss reads targets of several classes each, as mixtures of photos have."""
    return not isinstance(loss, str) or loss not in _REGISTRY or _REGISTRY.get(loss).mixes


@named
def get_loss(
    name: "str | Callable[..., Any]",
    on: str = LOGITS,
    *,
    class_counts: Sequence[int] | None = None,
    label_smoothing: float = 0.0,
    **options: Any,
) -> "keras.losses.Loss":
    """Build a loss by name, for one-hot or soft targets.

    Args:
        name: A name of `list_losses(on)`; or a class, a function or a loss of one's own.
        on: What it will be computed on; see `list_losses`.
        class_counts: Training photos of each class. With them, a loss that does not fit the
            number of classes is an error here, not in the first step.
        label_smoothing: How much of each target is spread over the other classes, 0…1.
        **options: Further arguments of the loss, e.g. `gamma` of `"focal"`.

    Returns:
        A `keras.losses.Loss`.

    Raises:
        ValueError: If there is no such loss, it does not have an option, an option's value is
            not usable, or the loss needs `class_counts` and they are not given.

    Example:
        >>> get_loss("balanced_softmax", class_counts=[900, 100], tau=0.5).tau
        0.5
    """
    check_loss(name, on, label_smoothing, **options)
    kind = kind_of_loss(name, on)
    if kind.counts and class_counts is None:
        raise ValueError(
            f"The loss {name!r} needs `class_counts`, the number of training photos of each "
            "class. Pass e.g. class_counts=[900, 100]."
        )
    arguments = dict(options)
    if kind.smooths:
        arguments["label_smoothing"] = label_smoothing
    if kind.counts:
        arguments["class_counts"] = class_counts
    loss = kind.maker()(**arguments)
    if class_counts is not None:
        _try_on_one_row(loss, len(class_counts))
    return loss


def _try_on_one_row(loss: "keras.losses.Loss", class_count: int) -> None:
    """Compute the loss once, so that what does not fit the classes is found before training."""
    from keras import ops

    row = ops.one_hot([0], class_count, dtype=loss.dtype)
    loss(row, row)
