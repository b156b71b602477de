"""What a model may be measured on, and what it may learn from, by what it has seen.

What was seen is a dict from the SHA-256 of a photo's file to the side that the photo was on.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from kerasrecipes.data.examples import Examples
from kerasrecipes.errors import DataError

# Sides that a model is made with; on any other it was tested.
FIT_SIDES = ("train", "val", "unlabelled", "calibration")

# What models of this process have seen, by their layers: a model that is cut or joined keeps them.
_SEEN_BY: WeakKeyDictionary[Any, Mapping[str, str]] = WeakKeyDictionary()


def remember_seen(layers: Iterable[Any], seen: Mapping[str, str]) -> None:
    """Note what a model has seen, as long as its layers live.

    Args:
        layers: Its layers.
        seen: What it has seen.
    """
    _SEEN_BY.update(dict.fromkeys(layers, seen))


def seen_by(layers: Iterable[Any]) -> dict[str, str]:
    """Return what was noted for any of some layers."""
    noted = {id(seen): seen for layer in layers if (seen := _SEEN_BY.get(layer))}
    found: dict[str, str] = {}
    for seen in noted.values():
        found = with_seen(found, seen)
    return found


def on_side(examples: Examples, side: str) -> dict[str, str]:
    """Return the digests of photos, each with the side that they are on.

    Args:
        examples: The examples.
        side: One of `FIT_SIDES`, or what a test is called.
    """
    return {item.key: side for item in examples.items}


def with_seen(seen: Mapping[str, str], more: Mapping[str, str]) -> dict[str, str]:
    """Add what was seen since; what a model was made with stays that.

    Args:
        seen: What was seen before.
        more: What came later.
    """
    made = {sha256: side for sha256, side in seen.items() if side in FIT_SIDES}
    # A photo that was tested on never becomes one of a fit, see `refuse_tested`.
    return {**seen, **more, **made}


def refuse_seen(seen: Mapping[str, str], examples: Examples) -> None:
    """Refuse to measure a model on photos that it was made with.

    Args:
        seen: What the model has seen.
        examples: What it is to be measured on.

    Raises:
        DataError: If it was trained, chosen or calibrated with any of them.
    """
    again = sum(seen.get(item.key) in FIT_SIDES for item in examples.items)
    if again:
        raise DataError(
            f"{again} of {len(examples)} {examples.noun[1]} were used in the fit, so the result "
            f"would be too good. Evaluate on {examples.noun[1]} that the model has not seen."
        )


def refuse_tested(seen: Mapping[str, str], **sides: Examples | None) -> None:
    """Refuse to train, choose or calibrate a model with photos that it was tested on.

    Args:
        seen: What the model has seen.
        **sides: The photos, by the name of the argument that they came in.

    Raises:
        DataError: If it was tested on any of them.
    """
    for name, examples in sides.items():
        if examples is None:
            continue
        found = [seen.get(item.key, "train") for item in examples.items]
        tested = [side for side in found if side not in FIT_SIDES]
        if tested:
            raise DataError(
                f"{len(tested)} of {len(examples)} {examples.noun[1]} in `{name}` are those of the "
                f"split {tested[0]!r} that the model was tested on, so that no honest test would "
                f"be left. Pass {examples.noun[1]} of the fit."
            )
