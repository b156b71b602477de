"""Whether a look is an alarm: by itself, with the windows before it, or among ordinary ones."""

from typing import Any

from kerasrecipes.drift.history import DriftHistory, Look, ordinary_p_values, rising_from
from kerasrecipes.drift.ordinary import ENOUGH_WINDOWS
from kerasrecipes.drift.profile import ReferenceProfile
from kerasrecipes.drift.recent import Measured, Together, compare_recent
from kerasrecipes.drift.shift import Shift, p_of_look
from kerasrecipes.environment import timestamp
from kerasrecipes.errors import DataError, printable
from kerasrecipes.statistics.sequential import ShiryaevRoberts, p_among_earlier


def judge_alone(shifts: tuple[Shift, ...], promise: float, ordinary: list[float]) -> dict[str, Any]:
    """Judge a look of which none is remembered.

    Args:
        shifts: What every test found.
        promise: How many looks there are between alarms without cause.
        ordinary: p-values of windows in which nothing had changed.

    Returns:
        Fields of a `DriftReport`, and `alarm`.
    """
    p_value, enough = p_of_look(shifts), len(ordinary) >= ENOUGH_WINDOWS
    used_p = p_among_earlier(ordinary, p_value) if enough else p_value
    return {
        "p_value": p_value,
        "used_p": used_p,
        "alarm": used_p <= 1 / promise,
        "earlier": len(ordinary) if enough else 0,
        "moved": shifts[0].name,
    }


def judge_next(
    past: DriftHistory,
    profile: ReferenceProfile,
    now: Measured,
    shifts: tuple[Shift, ...],
    window: str,
    promise: float,
    known: list[float],
    declared: bool,
    seed: int,
) -> dict[str, Any]:
    """Judge a look by those before it, and write it down, unless the window is one of them.

    Args:
        past: The looks so far.
        profile: The reference.
        now: The window.
        shifts: What every test found of it alone.
        window: Its digest.
        promise: As for `judge_alone`.
        known: The same as `ordinary` there, of windows before the first look.
        declared: Whether somebody said that it is ordinary.
        seed: Seed of what is drawn.

    Returns:
        The same.

    Raises:
        DataError: If the history cannot be read or written.
    """
    looks = past.looks()
    look = next((look for look in looks if look.window == window), None)
    if look is None:
        ordinary = [*known, *ordinary_p_values(looks)]
        told = {"window": window, "declared": declared, "number": len(looks) + 1}
        if len(ordinary) >= ENOUGH_WINDOWS:
            look = _among(ordinary, looks, shifts, promise, told)
        else:
            together = compare_recent(profile, now, shifts, _earlier(past, now), seed)
            look = _against_reference(together, shifts, told)
        looks.append(past.add(look, None if declared else now.to_bytes()))
    so_far = [one for one in looks if one.number <= look.number]
    return {
        "p_value": look.p_value,
        "used_p": look.used_p,
        "alarm": any(one.level >= promise for one in so_far),
        "look": look.number,
        "level": look.level,
        "since": _since(so_far, promise),
        "earlier": look.earlier,
        "windows": look.span,
        "moved": look.moved,
    }


def _earlier(past: DriftHistory, now: Measured) -> list[Measured]:
    try:
        return [Measured.read(content, now.seen) for content in past.measured()]
    except (KeyError, ValueError) as error:
        raise DataError(
            f"'{printable(past.path)}' is damaged: {printable(error)}. Restore it from a copy, or "
            "name a new file."
        ) from error


def _against_reference(together: Together, shifts: tuple[Shift, ...], told: dict[str, Any]) -> Look:
    """Judge a window and the last ones by the reference alone."""
    return Look(
        at=timestamp(),
        p_value=p_of_look(shifts),
        used_p=together.p_value,
        earlier=0,
        level=0.0 if told["declared"] else 1 / together.p_value,
        moved=together.shifts[0].name,
        span=together.windows,
        **told,
    )


def _among(
    ordinary: list[float],
    looks: list[Look],
    shifts: tuple[Shift, ...],
    promise: float,
    told: dict[str, Any],
) -> Look:
    """Judge a window among ordinary ones: what they share, as the reference's luck, excuses it."""
    p_value = p_of_look(shifts)
    used_p = p_among_earlier(ordinary, p_value)
    before = looks[-1].level if looks and looks[-1].earlier else 0.0
    watch = ShiryaevRoberts(promise, before)
    return Look(
        at=timestamp(),
        p_value=p_value,
        used_p=used_p,
        earlier=len(ordinary),
        level=(watch if told["declared"] else watch.after(used_p)).level,
        moved=shifts[0].name,
        **told,
    )


def _since(looks: list[Look], promise: float) -> str:
    """Name the look from which evidence has added up."""
    first = next((look for look in looks if look.level >= promise), looks[-1])
    if first.earlier:
        rising = looks[rising_from(looks) :]
        return f"look {rising[0].number}, {rising[0].at}" if rising else ""
    begun = [look for look in looks[: first.number] if not look.declared][-first.span :]
    return f"look {begun[0].number}, {begun[0].at}" if begun else ""
