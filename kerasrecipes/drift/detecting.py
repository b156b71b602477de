"""Looking at new examples: once, or again and again with a promise about false alarms."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.bundles.bundle import BundleFolder
from kerasrecipes.data.examples import CLASS, Examples
from kerasrecipes.drift.comparing import Shift, compare_with, detectable, p_of_look
from kerasrecipes.drift.history import (
    DriftHistory,
    Look,
    ordinary_p_values,
    rising_from,
)
from kerasrecipes.drift.observed import Observed, observe_inputs
from kerasrecipes.drift.profile import FEWEST, PROFILE_FILE, ReferenceProfile
from kerasrecipes.drift.report import ALARM, FULL_POWER, INSUFFICIENT, QUIET, DriftReport
from kerasrecipes.drift.window import Window
from kerasrecipes.environment import timestamp
from kerasrecipes.errors import DataError, printable
from kerasrecipes.heads import get_task
from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.statistics.sequential import ShiryaevRoberts, p_among_earlier

# From as many earlier windows on, what is ordinary is learnt from them.
ENOUGH_WINDOWS = 20
NAMED = 8


@named
def detect_drift(
    bundle: BundleFolder | str | Path,
    photos: Examples | str | Path,
    *,
    reference: ReferenceProfile | None = None,
    history: str | Path | None = None,
    ordinary: bool = False,
    looks_per_false_alarm: float = 520.0,
    seed: int = 0,
) -> DriftReport:
    """Tell whether new examples still are as those that a saved model was measured on.

    Args:
        bundle: A bundle, or its folder; a model's folder stands for its latest version.
        photos: One window of new examples, at least 50, better 200: a scanned set, a folder, or
            a table. No labels are needed in a folder. Those that the model has seen are left out.
        reference: What to compare with; `None` for the profile that was saved with the model.
        history: A file that remembers the looks, for a check that runs again and again: evidence
            adds up, and after 20 windows what is ordinary is learnt from them. `None` for this
            look alone.
        ordinary: Whether this window is declared as it should be, e.g. one of last month's: it
            only teaches how windows differ when nothing has changed. It needs a `history`.
        looks_per_false_alarm: How many looks there are on average between alarms without cause,
            e.g. 520 for one in ten years of weekly looks.
        seed: Seed of what is drawn.

    Returns:
        The verdict with all numbers; print it.

    Raises:
        DataError: If the bundle has no profile, the examples cannot be read, or the history is
            another model's.
        IntegrityError: If a file of the bundle was changed.
        ValueError: If `looks_per_false_alarm` is below 2, or `ordinary` has no effect.

    Reference:
        Rabanser, Günnemann and Lipton, 2019, "Failing loudly"; Lipton, Wang and Smola, 2018,
        "Detecting and correcting for label shift with black box predictors".
    """
    watch = ShiryaevRoberts(looks_per_false_alarm)
    if ordinary and history is None:
        raise ValueError("`ordinary` has no effect without `history`, which remembers it. Pass it.")
    bundle = BundleFolder.load(bundle)
    profile = reference or _saved_profile(bundle)
    past = None if history is None else DriftHistory(history, profile.digest())
    window = Window(bundle, photos)
    if min(len(window), len(profile)) < FEWEST:
        return _report(bundle, profile, window, watch)
    batches, modality = window.batches(), bundle.modality
    seen = observe_inputs(bundle.load_model(), batches, len(window), modality)
    if len(seen) < FEWEST:
        return _report(bundle, profile, window, watch)
    shifts = compare_with(profile, seen, seed)
    found = _looked(window, shifts, watch, past, ordinary)
    alarm = found.pop("alarm")
    found |= {"shifts": shifts, "examples": len(seen), "verdict": ALARM if alarm else QUIET}
    found["expected_quality"] = _expected(profile, seen)
    found["smallest"] = detectable(
        len(profile), len(seen), len(shifts), 1 / watch.looks_per_false_alarm
    )
    found |= _to_look_at(profile, seen, window.names) if alarm else {}
    return _report(bundle, profile, window, watch, **found)


def _saved_profile(bundle: BundleFolder) -> ReferenceProfile:
    path = bundle.folder / PROFILE_FILE
    if PROFILE_FILE not in bundle.manifest.sha256:
        raise DataError(
            f"The bundle '{printable(bundle.folder)}' holds no profile to compare with; an older "
            "version wrote it. Pass `reference`, e.g. profile_bundle(bundle, held_out_photos)."
        )
    return ReferenceProfile.read(path, bundle.read(PROFILE_FILE))


def _looked(
    window: Window,
    shifts: tuple[Shift, ...],
    watch: ShiryaevRoberts,
    past: DriftHistory | None,
    declared: bool,
) -> dict[str, Any]:
    """Judge a look by itself, or add it to those before it."""
    p_value = p_of_look(shifts)
    if past is None:
        alarm = p_value <= 1 / watch.looks_per_false_alarm
        return {"p_value": p_value, "used_p": p_value, "alarm": alarm}
    looks = past.looks()
    again = next((look for look in looks if look.window == window.digest()), None)
    if again is None:
        level = looks[-1].level if looks else 0.0
        before = ShiryaevRoberts(watch.looks_per_false_alarm, level)
        again = _next_look(looks, before, p_value, declared, window.digest(), shifts[0].name)
        looks.append(past.add(again))
    return {
        "p_value": again.p_value,
        "used_p": again.used_p,
        "alarm": again.level >= watch.looks_per_false_alarm,
        "look": again.number,
        "level": again.level,
        "since": _since(looks[: again.number]),
        "earlier": again.earlier,
    }


def _next_look(
    looks: list[Look],
    watch: ShiryaevRoberts,
    p_value: float,
    declared: bool,
    window: str,
    moved: str,
) -> Look:
    """Judge a window among those before it, if these suffice."""
    ordinary = ordinary_p_values(looks)
    enough = len(ordinary) >= ENOUGH_WINDOWS
    used_p = p_among_earlier(ordinary, p_value) if enough else p_value
    return Look(
        number=len(looks) + 1,
        at=timestamp(),
        window=window,
        p_value=p_value,
        used_p=used_p,
        earlier=len(ordinary) if enough else 0,
        level=(watch if declared else watch.after(used_p)).level,
        declared=declared,
        moved=moved,
    )


def _since(looks: list[Look]) -> str:
    """Name the look from which evidence has added up without a break."""
    rising = looks[rising_from(looks) :]
    return f"look {rising[0].number}, {rising[0].at}" if rising else ""


def _expected(profile: ReferenceProfile, seen: Observed) -> Estimate | None:
    """Guess the accuracy from how much less sure the model is than on the reference.

    Reference:
        Guillory et al., 2021, "Predicting with confidence on unseen distributions".
    """
    output = profile.facts.output
    if get_task(output.task).target != CLASS:
        return None
    before, now = profile.answers.max(axis=1), seen.answers.max(axis=1)
    guess = profile.facts.quality + float(now.mean() - before.mean())
    error = math.sqrt(
        profile.facts.quality_error**2 + before.var() / len(before) + now.var() / len(now)
    )
    ends = (min(1.0, max(0.0, guess + side * 1.96 * error)) for side in (0, -1, 1))
    return Estimate(*ends)


def _to_look_at(profile: ReferenceProfile, seen: Observed, names: list[str]) -> dict[str, Any]:
    """Name the examples that are least like the reference, and those of them to label."""
    before, now = profile.features.astype(np.float32), profile.project(seen.features)
    spread = np.where(before.std(axis=0) > 0, before.std(axis=0), 1)
    strange = (((now - before.mean(axis=0)) / spread) ** 2).mean(axis=1)
    order = np.argsort(-strange, kind="stable")
    strangest = order[: max(NAMED, len(order) // 4)]
    unsure = strangest[np.argsort(seen.answers[strangest].max(axis=1), kind="stable")]
    return {
        "most_shifted": tuple(names[i] for i in order[:NAMED]),
        "label_next": tuple(names[i] for i in unsure[:NAMED]) if seen.answers.shape[1] > 1 else (),
    }


def _report(
    bundle: BundleFolder,
    profile: ReferenceProfile,
    window: Window,
    watch: ShiryaevRoberts,
    **found: Any,
) -> DriftReport:
    noun, notes = bundle.modality.noun[1], window.notes()
    count = found.pop("examples", len(window) - len(window.unreadable))
    if not found:
        found = {"verdict": INSUFFICIENT, "p_value": 1.0, "used_p": 1.0}
        notes.append(f"{FEWEST} {noun} on either side are the least. Nothing was compared.")
    elif min(count, len(profile)) < FULL_POWER:
        notes.append(f"Low power: with fewer than {FULL_POWER} {noun} only large shifts are seen.")
    return DriftReport(
        noun=noun,
        examples=count,
        reference=len(profile),
        looks_per_false_alarm=watch.looks_per_false_alarm,
        quality=profile.facts.quality,
        notes=tuple(notes),
        **found,
    )
