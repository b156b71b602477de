"""Looking at new examples: once, or again and again with a promise about false alarms."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.bundles.bundle import BundleFolder
from kerasrecipes.data.examples import CLASS, Examples
from kerasrecipes.drift.asked import Asked, asked
from kerasrecipes.drift.comparing import compare_with, detectable
from kerasrecipes.drift.history import DriftHistory
from kerasrecipes.drift.judging import judge_alone, judge_next
from kerasrecipes.drift.observed import Observed, observe_inputs
from kerasrecipes.drift.ordinary import ordinary_in
from kerasrecipes.drift.profile import FEWEST, PROFILE_FILE, ReferenceProfile
from kerasrecipes.drift.recent import Measured
from kerasrecipes.drift.report import ALARM, FULL_POWER, INSUFFICIENT, QUIET, DriftReport
from kerasrecipes.drift.truth import detectable_fall, quality_of
from kerasrecipes.drift.window import Window
from kerasrecipes.errors import DataError, listed, printable
from kerasrecipes.heads import get_task
from kerasrecipes.statistics.clustered import clustered_error
from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.statistics.sequential import ShiryaevRoberts

NAMED = 8


@named
def detect_drift(
    bundle: BundleFolder | str | Path,
    photos: Examples | str | Path,
    *,
    reference: ReferenceProfile | str | Path | None = None,
    history: str | Path | None = None,
    ordinary: bool = False,
    labels: bool = False,
    looks_per_false_alarm: float = 520.0,
    seed: int = 0,
) -> DriftReport:
    """Tell whether new examples still are as those that a saved model was measured on.

    Args:
        bundle: A bundle, or its folder; a model's folder stands for its latest version. If it has
            a verified export with the signature `"embed"`, that answers, and neither tensorflow
            nor Keras is loaded. Or such a `.tflite` file alone, with a `reference`.
        photos: One window of new examples, at least 50, better 200: a scanned set, a folder, or
            a table. No labels are needed in a folder. Those that the model has seen are left out.
        reference: What to compare with: a profile, or the file of one, e.g. the `profile.npz` of
            a bundle; `None` for the profile that was saved with the model.
        history: A file that remembers the looks, for a check that runs again and again: evidence
            adds up, and after 20 windows, those of the profile counted, what is ordinary is
            learnt from them. `None` for this
            look alone.
        ordinary: Whether this window is declared as it should be, e.g. one of last month's: it
            only teaches how windows differ when nothing has changed. It needs a `history`.
        labels: Whether `photos` have labels by now: in a table, or in one folder for each class.
            Then it is compared how good the answers are, with what was promised, and nothing
            else; in a history, such looks have a sequence of their own.
        looks_per_false_alarm: How many looks there are on average between alarms without cause,
            e.g. 520 for one in ten years of weekly looks.
        seed: Seed of what is drawn.

    Returns:
        The verdict with all numbers; print it.

    Raises:
        DataError: If the model has no profile or gives no features, the examples cannot be read,
            or the profile or the history is another model's.
        IntegrityError: If a file of the bundle was changed.
        ValueError: If `looks_per_false_alarm` is below 2, or `ordinary` has no effect.
        MissingDependencyError: If no file gives features, and Keras is not installed.

    Reference:
        Rabanser, Günnemann and Lipton, 2019, "Failing loudly"; Lipton, Wang and Smola, 2018,
        "Detecting and correcting for label shift with black box predictors".
    """
    promise = ShiryaevRoberts(looks_per_false_alarm).looks_per_false_alarm
    if ordinary and history is None:
        raise ValueError("`ordinary` has no effect without `history`, which remembers it. Pass it.")
    model = asked(bundle)
    profile = _profile(reference, model)
    past = None if history is None else DriftHistory(history, profile.digest(), labels)
    window = Window(model, photos, labels)
    if min(len(window), len(profile)) < FEWEST:
        return _report(model.modality.noun[1], profile, window, promise)
    seen = observe_inputs(model.runner(), window.batches(), len(window), model.modality)
    if len(seen) < FEWEST:
        return _report(model.modality.noun[1], profile, window, promise)
    seen = profile.sketched(replace(seen, targets=window.targets, groups=window.groups))
    noun = model.modality.noun[1]
    return look_at(profile, seen, window, past, noun, promise=promise, ordinary=ordinary, seed=seed)


class Looked(Protocol):
    """The examples of a look, as far as it is told which they are."""

    names: list[str]
    sha256: list[str]
    unreadable: list[str]

    def __len__(self) -> int: ...

    def digest(self) -> str:
        """Return what tells this window from another."""

    def pictures(self, places: Sequence[int]) -> tuple[bytes, ...]:
        """Return PNG files of some of what was read, where there are any."""

    def notes(self) -> list[str]:
        """Say what was left out."""


def look_at(
    profile: ReferenceProfile,
    seen: Observed,
    window: Looked,
    past: DriftHistory | None,
    noun: str,
    *,
    promise: float,
    ordinary: bool = False,
    seed: int = 0,
) -> DriftReport:
    """Judge what was measured of a window.

    Args:
        profile: What to compare with.
        seen: The measurements, as `ReferenceProfile.sketched` returns them; with targets it is
            compared how good the answers are. Inputs and features may be left out.
        window: Which examples these are.
        past: The looks so far; `None` for this one alone.
        noun: What people call several examples.
        promise: How many looks there are between alarms without cause.
        ordinary: Whether the window is declared as it should be.
        seed: Seed of what is drawn.

    Raises:
        DataError: If the history is damaged, or another process looked at the same time.
    """
    if min(len(seen), len(profile)) < FEWEST:
        return _report(noun, profile, window, promise)
    labels = seen.targets is not None
    shifts = compare_with(profile, seen, seed)
    complete = len(seen.inputs) == len(profile.facts.inputs) and seen.features.shape[1] > 0
    known = ordinary_in(profile, len(seen)) if complete and not labels else []
    if past is None:
        found = judge_alone(shifts, promise, known)
    else:
        now = Measured.of(seen, window.sha256)
        told = window.digest(), promise, known, ordinary
        found = judge_next(past, profile, now, shifts, *told, seed)
    alarm = found.pop("alarm")
    found |= {"examples": len(seen), "shifts": shifts, "verdict": ALARM if alarm else QUIET}
    found |= _of_labels(profile, seen, len(shifts), promise) if labels else {}
    if not labels:
        found["expected_quality"] = _expected(profile, seen)
        found["smallest"] = detectable(len(profile), seen.independent, len(shifts), 1 / promise)
        found |= _to_look_at(profile, seen, window) if alarm and seen.features.shape[1] else {}
    counted = [] if labels else _of_groups(seen, noun, found["earlier"] > 0)
    return _report(noun, profile, window, promise, counted, **found)


def _of_groups(seen: Observed, noun: str, ranked: bool) -> list[str]:
    """Say how examples of one group were counted."""
    if seen.clusters is None:
        return []
    count = seen.independent
    if count >= FEWEST:
        return [f"The {noun} show {count} groups: one of each was compared."]
    if ranked:  # among windows that differ as groups do
        return []
    return [
        f"The {noun} show {count} groups, and {FEWEST} are the least to count each once: they were "
        "counted as if independent, so that alarms without cause come more often than promised, "
        "until 20 ordinary windows are known."
    ]


def _profile(reference: ReferenceProfile | str | Path | None, model: Asked) -> ReferenceProfile:
    if isinstance(reference, str | Path):
        profile = ReferenceProfile.read(Path(reference))
    elif reference is None:
        profile = _saved_profile(model)
    else:
        profile = reference
    known, answers = profile.facts.output.class_names, model.output.class_names
    if known != answers:
        raise DataError(
            f"`reference` is of a model that answers with {listed(known)}, and "
            f"'{printable(model.name)}' with {listed(answers)}. Pass the profile of this model."
        )
    return profile


def _saved_profile(model: Asked) -> ReferenceProfile:
    bundle = model.bundle
    if bundle is None:
        raise DataError(
            f"'{printable(model.name)}' is a lone file, and holds no profile to compare with. Pass "
            f"`reference`, e.g. the '{PROFILE_FILE}' of the bundle that it comes from."
        )
    if PROFILE_FILE not in bundle.manifest.sha256:
        raise DataError(
            f"The bundle '{printable(bundle.folder)}' holds no profile to compare with; an older "
            "version wrote it. Pass `reference`, e.g. profile_bundle(bundle, held_out_photos)."
        )
    return ReferenceProfile.read(bundle.folder / PROFILE_FILE, bundle.read(PROFILE_FILE))


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
    of_now = now.var() / len(now)
    if (groups := seen.clusters) is not None:
        of_now = clustered_error(now, groups) ** 2
    error = math.sqrt(profile.facts.quality_error**2 + before.var() / len(before) + of_now)
    ends = (min(1.0, max(0.0, guess + side * 1.96 * error)) for side in (0, -1, 1))
    return Estimate(*ends)


def _of_labels(
    profile: ReferenceProfile, seen: Observed, tests: int, promise: float
) -> dict[str, Any]:
    return {
        "measured_quality": quality_of(profile, seen),
        "smallest": detectable_fall(profile, seen.independent, tests, 1 / promise),
    }


def _to_look_at(profile: ReferenceProfile, seen: Observed, window: Looked) -> dict[str, Any]:
    """Name the examples that are least like the reference, and those of them to label."""
    before, now = (one.features.astype(np.float32) for one in (profile, seen))
    spread = np.where(before.std(axis=0) > 0, before.std(axis=0), 1)
    strange = (((now - before.mean(axis=0)) / spread) ** 2).mean(axis=1)
    order = np.argsort(-strange, kind="stable")
    strangest = order[: max(NAMED, len(order) // 4)]
    unsure = strangest[np.argsort(seen.answers[strangest].max(axis=1), kind="stable")]
    names = window.names
    return {
        "pictures": window.pictures([int(i) for i in order[:NAMED]]),
        "most_shifted": tuple(names[i] for i in order[:NAMED]),
        "label_next": tuple(names[i] for i in unsure[:NAMED]) if seen.answers.shape[1] > 1 else (),
    }


def _report(
    noun: str,
    profile: ReferenceProfile,
    window: Looked,
    promise: float,
    told: Sequence[str] = (),
    **found: Any,
) -> DriftReport:
    notes = [*window.notes(), *told]
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
        looks_per_false_alarm=promise,
        quality=profile.facts.quality,
        task=profile.facts.output.task,
        notes=tuple(notes),
        **found,
    )
