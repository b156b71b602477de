"""What a photo set gains from each part of a recipe: one thing changed at a time."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.choosing.bench import Bench, scanned
from kerasrecipes.console import heeds_verbose, quiet, say
from kerasrecipes.data.inference import predict_scores
from kerasrecipes.errors import DataError, NoEffectError, printable
from kerasrecipes.photos.photo_set import PhotoSet
from kerasrecipes.settings.judging import Judged, judge_recipe
from kerasrecipes.settings.setting import usual_changes
from kerasrecipes.statistics.clustered import clustered_error
from kerasrecipes.statistics.estimate import encode_float
from kerasrecipes.statistics.resampled import log_losses
from kerasrecipes.statistics.shown import Part, Shown, of_groups
from kerasrecipes.statistics.tables import Table
from kerasrecipes.training.fitting import fit_classifier
from kerasrecipes.training.image_classifier import ImageClassifier

AS_IT_IS = "as it is"


@dataclass(frozen=True)
class AblationRow:
    """One recipe, fitted on several splits.

    Args:
        name: What was changed.
        accuracy: Mean on the validation photos.
        balanced_accuracy: The same, each class counting alike.
        log_loss: The same, of the scores.
        difference: Log-loss minus that of the recipe as it is, mean over the splits.
        interval: Its 95 % interval, by Student's t over the splits; NaN with one split. Where
            groups are declared, also by the groups of the photos that judge: the wider of both.
    """

    name: str
    accuracy: float
    balanced_accuracy: float
    log_loss: float
    difference: float
    interval: tuple[float, float]

    @property
    def verdict(self) -> str:
        """What the interval says of the change, in two words."""
        low, high = self.interval
        if self.name == AS_IT_IS:
            return ""
        return "is better" if high < 0 else "is worse" if low > 0 else "cannot tell"


@dataclass(frozen=True)
class Ablation(Shown):
    """The rows of an ablation; print it.

    Args:
        rows: The recipe as it is, then one row per change.
        splits: On how many splits each was fitted.
        photos: Number of photos; test photos are not among them.
        groups: Number of groups, of parts and look-alikes, that they are of; `None` if none were
            declared.
    """

    rows: tuple[AblationRow, ...]
    splits: int
    photos: int
    groups: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as plain values for JSON."""
        rows = [
            {
                **asdict(row),
                "verdict": row.verdict,
                "interval": list(map(encode_float, row.interval)),
            }
            for row in self.rows
        ]
        told = {"splits": self.splits, "photos": self.photos, "groups": self.groups}
        return {**told, "rows": rows}

    def parts(self) -> Iterator[Part]:
        """Yield how often was fitted, the rows, and how to read them."""
        rows = []
        for row in self.rows:
            low, high = row.interval
            told = f"{row.difference:+.3f} ({low:+.3f} to {high:+.3f})  {row.verdict}"
            numbers = f"{row.accuracy:.1%}", f"{row.balanced_accuracy:.1%}", f"{row.log_loss:.3f}"
            rows.append((row.name, *numbers, told if row.verdict else ""))
        heads = ("recipe", "accuracy", "balanced", "log-loss", "difference in log-loss")
        photos = f"{self.photos} photos{of_groups(self.groups)}"
        yield f"Each recipe was fitted on {self.splits} splits of {photos}."
        yield from ("", Table("", heads, tuple(rows), right=(1, 2, 3), name_width=60), "")
        over = "the splits" if self.groups is None else "splits and groups, the wider of both"
        yield f"In brackets: 95 % intervals over {over}. Lower log-loss is better."


@named
@heeds_verbose
def ablate_recipe(
    recipe: ImageClassifier,
    photos: PhotoSet | str | Path,
    *,
    changes: Mapping[str, Mapping[str, Any]] | None = None,
    group_by: str | None = None,
    split_by: str = "auto",
    test_fraction: float = 0.2,
    val_fraction: float = 0.2,
    verbose: bool = True,
) -> Ablation:
    """Fit a recipe on up to three splits, as it is and with one thing changed at a time.

    The photos are split as `fine_tune_images` splits them with the same seed, and its test
    photos are not touched. What the frozen blocks say of a photo is computed once for all
    fits on a split that show the same views.

    Args:
        recipe: Where to begin; it stays as it is.
        photos: A scanned set, or a folder or table; see `scan_photos`.
        changes: Name to the arguments that are changed; `None` for the usual ones, as far as
            the recipe can have them.
        group_by: What photos of one part have in common; see `scan_photos`.
        split_by: `"auto"`, `"random"`, `"group"` or `"time"`; see `split_photos`.
        test_fraction: Share of the photos that is set aside.
        val_fraction: Share of the photos that judges.
        verbose: Whether to print what is being fitted.

    Returns:
        The table.

    Raises:
        ValueError: If a change changes nothing, or an argument is not usable.
        DataError: If the photos do not suit training.
    """
    variants = _variants(recipe, changes)
    photos = scanned(photos, group_by)
    bench = Bench.of(photos, split_by, test_fraction, val_fraction, recipe.seed)
    measured: dict[str, list[Measured]] = {name: [] for name in variants}
    for number, (learn, judge) in enumerate(bench.splits):
        train, val = bench.photos.select(learn), bench.photos.select(judge)
        memory: dict = {}
        for name, judged in list(variants.items()):
            say(f"Split {number + 1} of {len(bench.splits)}: {name} …")
            seeded = replace(judged.recipe, seed=recipe.seed + number)
            fitted = replace(judged, recipe=seeded)
            try:
                with quiet():
                    model = fit_classifier(fitted, train, val, (), memory=memory).model
            except NoEffectError as error:
                # A backbone without residual blocks, say; nothing has been trained then.
                if changes is not None or number or name == AS_IT_IS:
                    raise
                say(f"  Left out: {error}")
                del variants[name], measured[name]
                continue
            measured[name].append(Measured.of(predict_scores(model, val), val.labels))
    units = bench.units[bench.judged] if bench.grouped else None
    base = measured[AS_IT_IS]
    rows = tuple(_row(name, found, base, units) for name, found in measured.items())
    groups = len(np.unique(bench.units)) if bench.grouped else None
    return Ablation(rows, len(bench.splits), len(bench.photos), groups)


def _variants(recipe: ImageClassifier, changes: Mapping[str, Any] | None) -> dict[str, Judged]:
    config = {name: getattr(recipe, name) for name in recipe.get_config()}
    chosen = usual_changes(recipe.table) if changes is None else changes
    # Or each change would seem to be what is wrong.
    variants = {AS_IT_IS: judge_recipe(recipe)}
    for name, change in chosen.items():
        if unknown := change.keys() - config.keys():
            raise ValueError(
                f"The change {name!r} names what a recipe does not have: "
                f"{printable(', '.join(sorted(unknown)))}."
            )
        if all(config[key] == value for key, value in change.items()):
            if changes is None:
                continue
            raise ValueError(f"The change {name!r} changes nothing. Leave it out.")
        if change.get("augment") == "none":
            change = {"views": 1, **change}  # each would be the photo itself
        try:
            variants[name] = judge_recipe(replace(recipe, **change))
        except ValueError as error:
            if changes is not None:
                raise
            say(f"The change {name!r} is left out. {error}")
    if len(variants) == 1:
        raise ValueError("`changes` is empty, so there is nothing to compare. Pass some.")
    return variants


@dataclass(frozen=True)
class Measured:
    """What one fit was worth on the photos that judge: two shares, and a loss for each photo."""

    accuracy: float
    balanced_accuracy: float
    losses: np.ndarray

    @classmethod
    def of(cls, scores: np.ndarray, labels: np.ndarray) -> "Measured":
        """Judge scores, shape `(n, classes)`, by labels, shape `(n,)`.

        Raises:
            DataError: If all labels are the same.
        """
        from sklearn.metrics import accuracy_score, balanced_accuracy_score

        if len(np.unique(labels)) < 2:
            raise DataError("The validation photos of a split show one class only. Add photos.")
        answers = scores.argmax(axis=1)
        accuracy = float(accuracy_score(labels, answers))
        balanced = float(balanced_accuracy_score(labels, answers))
        return cls(accuracy, balanced, log_losses(labels, scores))


def _row(
    name: str, found: list[Measured], base: list[Measured], units: np.ndarray | None = None
) -> AblationRow:
    from scipy.stats import t

    def means(fits: list[Measured]) -> np.ndarray:
        return np.array([(f.accuracy, f.balanced_accuracy, float(f.losses.mean())) for f in fits])

    differences = (means(found) - means(base))[:, 2]
    mean, n = float(differences.mean()), len(differences)
    half = math.nan
    if n > 1:
        half = float(t.ppf(0.975, n - 1) * differences.std(ddof=1) / math.sqrt(n))
    if units is not None:
        by_photo = np.concatenate([a.losses - b.losses for a, b in zip(found, base, strict=True)])
        groups = len(np.unique(units))
        reach = t.ppf(0.975, groups - 1) if groups > 1 else 1.0
        half = float(np.fmax(half, reach * clustered_error(by_photo, units)))
    accuracy, balanced, loss = means(found).mean(axis=0).tolist()
    return AblationRow(name, accuracy, balanced, loss, mean, (mean - half, mean + half))
