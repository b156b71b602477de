"""Losses that Keras lacks, and all losses by the names that a recipe uses.

Listing and checking names never imports keras; building a loss does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from kerasrecipes.errors import did_you_mean, listed, unknown_name
from kerasrecipes.losses.checks import checked_number

if TYPE_CHECKING:
    import keras

# What a loss is computed on: raw scores per class, scaled cosines per class, or embeddings.
LOGITS, COSINES, EMBEDDINGS = "logits", "cosines", "embeddings"


@dataclass(frozen=True)
class LossKind:
    """How to build one loss, said without importing it.

    Args:
        module: Module of the class.
        class_name: Name of the class.
        on: What the predictions are: `"logits"`, `"cosines"` or `"embeddings"`.
        options: The arguments that a caller may set.
        needs: Those of them that a caller must set.
        smooths: Whether it has a `label_smoothing`.
        counts: Whether it needs the number of photos of each class.
    """

    module: str
    class_name: str
    on: str
    options: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    smooths: bool = False
    counts: bool = False


_HERE = "kerasrecipes.losses"
_KINDS = {
    "cross_entropy": LossKind("keras.losses", "CategoricalCrossentropy", LOGITS, smooths=True),
    "focal": LossKind(
        "keras.losses", "CategoricalFocalCrossentropy", LOGITS, ("alpha", "gamma"), smooths=True
    ),
    "balanced_softmax": LossKind(
        f"{_HERE}.adjusted_cross_entropy",
        "BalancedSoftmax",
        LOGITS,
        ("tau",),
        smooths=True,
        counts=True,
    ),
    "ldam": LossKind(
        f"{_HERE}.adjusted_cross_entropy",
        "LDAM",
        LOGITS,
        ("max_margin", "scale"),
        smooths=True,
        counts=True,
    ),
    "generalized_cross_entropy": LossKind(
        f"{_HERE}.robust", "GeneralizedCrossEntropy", LOGITS, ("q",)
    ),
    "expected_cost": LossKind(
        f"{_HERE}.expected_cost", "ExpectedCost", LOGITS, ("costs",), ("costs",)
    ),
    "arcface": LossKind(
        f"{_HERE}.angular_margin", "ArcFace", COSINES, ("margin", "scale"), smooths=True
    ),
    "cosface": LossKind(
        f"{_HERE}.angular_margin", "CosFace", COSINES, ("margin", "scale"), smooths=True
    ),
    "supervised_contrastive": LossKind(
        f"{_HERE}.contrastive", "SupervisedContrastive", EMBEDDINGS, ("temperature",)
    ),
    "semi_hard_triplet": LossKind(f"{_HERE}.triplet", "SemiHardTriplet", EMBEDDINGS, ("margin",)),
}


def list_losses(on: str = LOGITS) -> list[str]:
    """List the names of all losses for one kind of prediction.

    Args:
        on: `"logits"`, raw scores per class; `"cosines"`, scaled cosines per class, as the
            margin head gives them; or `"embeddings"`, one vector per photo.

    Returns:
        The names, sorted.

    Raises:
        ValueError: If `on` is none of them.

    Example:
        >>> list_losses("embeddings")
        ['semi_hard_triplet', 'supervised_contrastive']
    """
    if on not in {LOGITS, COSINES, EMBEDDINGS}:
        raise unknown_name("prediction", on, (LOGITS, COSINES, EMBEDDINGS), "list_losses()")
    return sorted(name for name, kind in _KINDS.items() if kind.on == on)


def check_loss(name: str, on: str = LOGITS, label_smoothing: float = 0.0, **options) -> None:
    """Judge a choice of loss without importing keras.

    Args:
        name: Name of the loss.
        on: What it will be computed on; see `list_losses`.
        label_smoothing: How much of each target is spread over the other classes.
        **options: Further arguments of the loss.

    Raises:
        ValueError: If there is no such loss on `on`, it does not have an option, or lacks one.
    """
    known = list_losses(on)
    if name in _KINDS and name not in known:
        raise ValueError(
            f"The loss {name!r} works on {_KINDS[name].on}, not on {on}. "
            f"Choose from: {listed(known, 8)}, or another head."
        )
    if name not in known:
        raise unknown_name("loss", name, known, f"kerasrecipes.list_losses({on!r})")
    kind = _KINDS[name]
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


def can_smooth(name: str) -> bool:
    """Return whether a loss has a `label_smoothing`.

    Raises:
        KeyError: If there is no such loss.
    """
    return _KINDS[name].smooths


def get_loss(
    name: str,
    on: str = LOGITS,
    *,
    class_counts: Sequence[int] | None = None,
    label_smoothing: float = 0.0,
    **options,
) -> "keras.losses.Loss":
    """Build a loss by name, for one-hot or soft targets.

    Args:
        name: A name of `list_losses(on)`.
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
    kind = _KINDS[name]
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
    if kind.module == "keras.losses":
        arguments["from_logits"] = True
    loss = getattr(import_module(kind.module), kind.class_name)(**arguments)
    if class_counts is not None:
        _try_on_one_row(loss, len(class_counts))
    return loss


def _try_on_one_row(loss: "keras.losses.Loss", class_count: int) -> None:
    """Compute the loss once, so that what does not fit the classes is found before training."""
    from keras import ops

    row = ops.one_hot([0], class_count, dtype=loss.dtype)
    loss(row, row)
