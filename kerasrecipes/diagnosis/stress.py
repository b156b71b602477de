"""At which strength of blur, noise, light and compression a model breaks, and for which class."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.bundles.export_record import opened
from kerasrecipes.console import bar
from kerasrecipes.data.examples import Examples
from kerasrecipes.data.inference import BATCH, batch_runner
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.diagnosis.corruptions import CORRUPTIONS
from kerasrecipes.errors import DataError, printable, unknown_name
from kerasrecipes.evaluation.scores import group_numbers
from kerasrecipes.heads import get_task
from kerasrecipes.photos.modality import policy_of
from kerasrecipes.release.bundle import Bundle
from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.statistics.shown import Part, Shown
from kerasrecipes.statistics.simultaneous import (
    confidence_of_each,
    mean_of,
    paired_difference_of,
)
from kerasrecipes.statistics.tables import Table

# Classes with fewer photos are not looked at one by one.
_FEWEST = 5
_ALL = "\0all"  # no class is called so

Ask = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class StressLevel:
    """How good a model is on photos that were corrupted.

    Args:
        corruption: The way; see `kerasrecipes.diagnosis.corruptions`.
        strength: How much, in `unit`.
        unit: What strengths are counted in.
        quality: Mean quality on the corrupted photos.
        change: What it differs from that on the same photos as they are; the interval holds for
            all levels and classes at once.
        classes: The same for the photos of each class.
    """

    corruption: str
    strength: float
    unit: str
    quality: float
    change: Estimate
    classes: dict[str, Estimate]

    @property
    def what(self) -> str:
        """The corruption and its strength, in words."""
        return f"{self.corruption}, {self.strength:g} {self.unit}"


@dataclass(frozen=True)
class StressReport(Shown):
    """How a model bears corruptions of its photos.

    Args:
        file: Which file was asked, e.g. `"tflite-int8"`, or `"the Keras model"`.
        quality_name: What was measured, e.g. `"accuracy"`.
        higher_is_better: Whether a higher quality is a better one.
        clean: The quality on the photos as they are.
        levels: Each corruption, from mild to strong.
        n: Number of photos.
        compared: How many intervals hold at once.
    """

    file: str
    quality_name: str
    higher_is_better: bool
    clean: Estimate
    levels: tuple[StressLevel, ...]
    n: int
    compared: int

    def breaks(self) -> dict[str, StressLevel]:
        """Return each corruption that is shown to do harm, with its mildest strength that is."""
        found: dict[str, StressLevel] = {}
        for level in self.levels:
            if self.harmed(level.change):
                found.setdefault(level.corruption, level)
        return found

    def harmed(self, change: Estimate) -> bool:
        """Tell whether a change is shown to be for the worse."""
        return change.high < 0 if self.higher_is_better else change.low > 0

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-safe data; each estimate is `[value, low, high]`."""
        levels = [
            {
                "corruption": one.corruption,
                "strength": one.strength,
                "unit": one.unit,
                "quality": one.quality,
                "change": one.change.to_list(),
                "classes": {name: found.to_list() for name, found in one.classes.items()},
                "harm_shown": self.harmed(one.change),
            }
            for one in self.levels
        ]
        return {
            "file": self.file,
            "quality_name": self.quality_name,
            "clean": self.clean.to_list(),
            "n": self.n,
            "compared": self.compared,
            "levels": levels,
        }

    def parts(self) -> Iterator[Part]:
        """Yield where it breaks, and the table."""
        broken = self.breaks()
        yield (
            f"{printable(self.file)[:1].upper()}{printable(self.file)[1:]} on {self.n:,} photos as "
            f"they are: {self.quality_name} {self.clean.number(3)}."
        )
        if broken:
            yield f"Harm is shown from: {'; '.join(one.what for one in broken.values())}."
        whole = [name for name in dict.fromkeys(one.corruption for one in self.levels)
                 if name not in broken]  # fmt: skip
        if whole:
            yield f"None is shown for: {', '.join(whole)}."
        rows = tuple(
            (
                one.what,
                f"{one.quality:.3f}",
                one.change.number(3),
                "harm" if self.harmed(one.change) else "",
                self._worst(one),
            )
            for one in self.levels
        )
        heads = ("corruption", self.quality_name, "change", "", "class that loses most")
        yield Table("Corruptions", heads, rows, right=(1,), name_width=44)
        yield (
            "On photos as the model takes them, at its size. In brackets: intervals on the same "
            f"photos that hold for all {self.compared} changes at once, with 95% confidence."
        )

    def _worst(self, level: StressLevel) -> str:
        if not level.classes:
            return ""
        sign = 1 if self.higher_is_better else -1
        name = min(level.classes, key=lambda one: sign * level.classes[one].value)
        change = level.classes[name]
        if sign * change.value >= 0:
            return ""
        return f"{name} {change.number(2)}{', shown' if self.harmed(change) else ''}"


@named
def stress_bundle(
    bundle: Bundle | str | Path,
    photos: Examples | str | Path,
    *,
    export: str | None = None,
    count: int = 200,
    seed: int = 0,
) -> StressReport:
    """Measure a saved model on photos that get darker, brighter, blurred, noisy, turned, …

    Args:
        bundle: A bundle, or its folder; a model's folder stands for its latest version.
        photos: A scanned set, or a folder or table; those that the model has learned from are
            left out.
        export: Which export to ask, e.g. `"tflite-int8"`; `None` for the Keras model.
        count: How many photos to take, about, as many of each class as there are.
        seed: Seed of what is drawn.

    Returns:
        The report; print it.

    Raises:
        ValueError: If `count` is no number of photos, or there is no such export.
        DataError: If no photo is left, or the model does not take photos.
        IntegrityError: If a file of the bundle was changed.
    """
    from kerasrecipes.verify.held_out import unseen_photos

    bundle = Bundle.load(bundle)
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ValueError(f"`count` must be a whole number of at least 1, not {count!r}.")
    if export is not None and export not in bundle.exports():
        raise unknown_name("export", export, bundle.exports(), "Bundle.exports()")
    if bundle.manifest.modality != "photos":
        raise DataError(
            f"Only photos can be corrupted so, and not {bundle.manifest.modality}. Measure where "
            "the model is worse by `evaluate` with slices, e.g. --slice tokens of texts."
        )
    policy_of(bundle.input).check_picture("Corruptions are those of")
    chosen, _ = unseen_photos(bundle, photos)
    chosen = chosen if len(chosen) <= count else chosen.draw(count, seed)
    targets = get_task(bundle.output.task).targets(chosen, bundle.output)
    pixels = chosen.stack(bundle.input.shape)
    if export is None:
        run = batch_runner(bundle.load_model())
        return _swept(chosen, pixels, targets, bundle.output, "the Keras model", _by_keras(run))
    from kerasrecipes.export import get_format

    record = bundle.exports()[export]
    with opened(record, bundle) as copy:
        file = get_format(record.format).load(copy.path)
        name = bundle.output.name
        return _swept(chosen, pixels, targets, bundle.output, export, lambda some: file(some)[name])


def _by_keras(run: Callable[[np.ndarray], list[np.ndarray]]) -> Ask:
    def ask(pixels: np.ndarray) -> np.ndarray:
        parts = [pixels[start : start + BATCH] for start in range(0, len(pixels), BATCH)]
        return np.concatenate([run(part.astype(np.float32))[0] for part in parts])

    return ask


def _swept(
    examples: Examples,
    pixels: np.ndarray,
    targets: np.ndarray,
    output: OutputSpec,
    file: str,
    ask: Ask,
) -> StressReport:
    task, groups = get_task(output.task), group_numbers(examples.groups, len(examples))

    def quality(some: np.ndarray) -> np.ndarray:
        found = task.quality(targets, np.asarray(ask(some)), output)
        return -found if task.is_error else found

    clean = quality(pixels)
    members = _members(examples)
    planned = [(name, one, s) for name, one in CORRUPTIONS.items() for s in one.strengths]
    compared = len(planned) * len(members)
    each, levels = confidence_of_each(compared), []

    def change(now: np.ndarray, rows: np.ndarray) -> Estimate:
        within = None if groups is None else groups[rows]
        return paired_difference_of(now[rows], clean[rows], within, each)

    with bar("corrupting photos") as show:
        for done, (name, one, strength) in enumerate(planned, start=1):
            changed = [one.apply(photo, strength, i) for i, photo in enumerate(pixels)]
            now = quality(np.stack(changed))
            found = {label: change(now, rows) for label, rows in members.items()}
            every = found.pop(_ALL)
            mean = float(now.mean())
            levels.append(StressLevel(name, strength, one.unit, mean, every, found))
            show(done, len(planned))
    quality_name, better, whole = task.quality_name, not task.is_error, mean_of(clean, groups)
    return StressReport(file, quality_name, better, whole, tuple(levels), len(pixels), compared)


def _members(examples: Examples) -> dict[str, np.ndarray]:
    """Return which photos are of each class, and which are of any."""
    strata = examples.strata()
    found = {examples.stratum_name(k): strata == k for k in np.unique(strata)}
    large = {name: rows for name, rows in found.items() if rows.sum() >= _FEWEST}
    return {_ALL: np.ones(len(examples), bool), **large}
